"""A call that must not happen twice happens once, or a person is asked: on each saver, sync and async."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import pytest
from tests.contract.test_foreign_savers import ForeignSaver

from caesura.checkpoint.operations import FindInterrupts, PutWrites
from caesura.config import Leniency
from caesura.constants import EFFECT
from caesura.errors import (
    EffectOutcomeUnknownError,
    EffectRefusedError,
    EffectUnderWayError,
    InvalidAnswerError,
    TaskReplayMismatchError,
)
from caesura.func import entrypoint, task
from caesura.graph import START, StateGraph
from caesura.testing.faults import FailingSaver, InjectedFailureError
from caesura.types import Command, RetryPolicy, interrupt

WHERE: Any = {"configurable": {"thread_id": "thread-1"}}
Answer = Literal["done", "not_done", "give_up"]


class Died(BaseException):
    """Stands for the end of the process: nothing in the program handles it."""


class DeclinedError(Exception):
    """The bank says no: nothing was paid."""


@dataclass
class Receipt:
    number: int


class Bank:
    """Counts payments; ``trouble`` is raised after the next one, ``refusal`` before it."""

    def __init__(self) -> None:
        self.paid: list[tuple[str, int]] = []
        self.calls = 0
        self.trouble: list[BaseException] = []
        self.refusal: list[Exception] = []

    def pay(self, to: str, amount: int) -> Receipt:
        self.calls += 1
        if self.refusal:
            raise self.refusal.pop()
        self.paid.append((to, amount))
        if self.trouble:
            raise self.trouble.pop()
        return Receipt(len(self.paid))


@pytest.fixture
def bank() -> Bank:
    return Bank()


def paying(bank: Bank, **how: Any) -> Any:
    """The effect of most tests."""

    @task(effect=True, **how)
    def pay(to: str, amount: int) -> Receipt:
        return bank.pay(to, amount)

    return pay


def apaying(bank: Bank, **how: Any) -> Any:
    @task(effect=True, **how)
    async def pay(to: str, amount: int) -> Receipt:
        await asyncio.sleep(0)
        return bank.pay(to, amount)

    return pay


# --- the four places an effect may be called from ------------------------------------------------

Make = Callable[[Any, Bank], Any]


def in_entrypoint(saver: Any, bank: Bank) -> Any:
    pay = paying(bank)

    @entrypoint(checkpointer=saver)
    def program(given: Any) -> Any:
        receipt = pay("ACME", amount=5).result()
        return {"paid": receipt.number, "said": interrupt("all right?")}

    return program


def in_task(saver: Any, bank: Bank) -> Any:
    pay = paying(bank)

    @task
    def settles(to: str) -> Any:
        receipt = pay(to, amount=5).result()
        return {"paid": receipt.number, "said": interrupt("all right?")}

    @entrypoint(checkpointer=saver)
    def program(given: Any) -> Any:
        return settles("ACME").result()

    return program


class State(TypedDict, total=False):
    paid: int
    said: str


def _graph(node: Any, **how: Any) -> Any:
    return StateGraph(State).add_node("node", node, **how).add_edge(START, "node")


def in_node(saver: Any, bank: Bank) -> Any:
    pay = paying(bank)

    def node(state: Any) -> Any:
        receipt = pay("ACME", amount=5).result()
        return {"paid": receipt.number, "said": interrupt("all right?")}

    return _graph(node).compile(checkpointer=saver)


def in_nested_graph(saver: Any, bank: Bank) -> Any:
    inner = in_node(None, bank)
    return _graph(inner).compile(checkpointer=saver)


def in_async_node(saver: Any, bank: Bank) -> Any:
    pay = apaying(bank)

    async def node(state: Any) -> Any:
        receipt = await pay("ACME", amount=5)
        return {"paid": receipt.number, "said": interrupt("all right?")}

    return _graph(node).compile(checkpointer=saver)


PLACES: list[Make] = [in_entrypoint, in_task, in_node, in_nested_graph, in_async_node]


def run(make: Make, saver: Any, bank: Bank, given: Any) -> Any:
    """Run a fresh copy of the program, as a new process would."""
    program = make(saver, bank)
    if make is in_async_node:
        return asyncio.run(program.ainvoke(given, WHERE))
    return program.invoke(given, WHERE)


def asks(result: Any) -> Any:
    (asked,) = result["__interrupt__"]
    return asked


@pytest.mark.parametrize("make", PLACES)
def test_an_effect_with_a_result_is_not_called_again(saver: Any, bank: Bank, make: Make) -> None:
    assert asks(run(make, saver, bank, {"paid": 0})).value == "all right?"
    assert run(make, saver, bank, Command(resume="yes")) == {"paid": 1, "said": "yes"}
    assert bank.paid == [("ACME", 5)]


@pytest.mark.parametrize("make", PLACES)
@pytest.mark.parametrize("answer", ["done", "not_done"])
def test_an_effect_whose_process_died_is_not_called_again_until_a_person_says_so(
    saver: Any, bank: Bank, make: Make, answer: Answer
) -> None:
    bank.trouble = [Died()]
    with pytest.raises(Died):
        run(make, saver, bank, {"paid": 0})
    for _ in range(2):
        asked = asks(run(make, saver, bank, None))
        assert asked.value["task"] == "pay"
        assert asked.value["arguments"] == {"to": "ACME", "amount": 5}
        assert asked.title == "Did `pay` happen?"
    assert bank.calls == 1
    told = {"outcome": answer} | ({"result": {"number": 7}} if answer == "done" else {})
    assert asks(run(make, saver, bank, Command(resume=told))).value == "all right?"
    assert run(make, saver, bank, Command(resume="yes")) == {
        "paid": 7 if answer == "done" else 2,
        "said": "yes",
    }
    assert bank.calls == (1 if answer == "done" else 2)


def test_a_person_who_gives_up_raises_an_error_that_the_program_may_catch(
    saver: Any, bank: Bank
) -> None:
    pay = paying(bank)

    @entrypoint(checkpointer=saver)
    def program(given: Any) -> Any:
        try:
            pay("ACME", 5).result()
        except EffectOutcomeUnknownError as unknown:
            return [unknown.task, interrupt("what now?")]

    bank.trouble = [Died()]
    with pytest.raises(Died):
        program.invoke(1, WHERE)
    program.invoke(None, WHERE)
    assert asks(program.invoke(Command(resume={"outcome": "give_up"}), WHERE)).value == "what now?"
    assert program.invoke(Command(resume="call them"), WHERE) == ["pay", "call them"]
    assert bank.calls == 1


def test_an_outcome_may_be_unknown_more_than_once_and_each_time_a_person_is_asked(
    saver: Any, bank: Bank
) -> None:
    bank.trouble = [Died(), Died()]
    with pytest.raises(Died):
        run(in_entrypoint, saver, bank, 1)
    first = asks(run(in_entrypoint, saver, bank, None))
    with pytest.raises(Died):
        run(in_entrypoint, saver, bank, Command(resume={"outcome": "not_done"}))
    second = asks(run(in_entrypoint, saver, bank, None))
    assert first.id != second.id
    assert bank.calls == 2
    done = {"outcome": "done", "result": {"number": 3}}
    run(in_entrypoint, saver, bank, Command(resume=done))
    assert run(in_entrypoint, saver, bank, Command(resume="yes"))["paid"] == 3
    assert bank.calls == 2


# --- exceptions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [in_entrypoint, in_async_node])
def test_an_exception_leaves_the_outcome_unknown_and_a_person_is_asked_at_once(
    saver: Any, bank: Bank, make: Make
) -> None:
    bank.trouble = [TimeoutError("no reply in 30 s")]
    asked = asks(run(make, saver, bank, {"paid": 0}))
    assert asked.value["error"] == "TimeoutError: no reply in 30 s"
    run(make, saver, bank, Command(resume={"outcome": "done", "result": {"number": 1}}))
    assert run(make, saver, bank, Command(resume="yes"))["paid"] == 1
    assert bank.calls == 1


def test_what_is_known_not_to_have_happened_is_raised_and_called_again_by_the_next_run(
    saver: Any, bank: Bank
) -> None:
    pay = paying(bank, not_done=(DeclinedError,))

    @entrypoint(checkpointer=saver)
    def program(given: Any) -> Any:
        return pay("ACME", 5).result().number

    bank.refusal = [DeclinedError("no money")]
    with pytest.raises(DeclinedError):
        program.invoke(1, WHERE)
    assert program.invoke(None, WHERE) == 1
    assert bank.calls == 2


@pytest.mark.parametrize("trouble", [DeclinedError(), ConnectionError()])
def test_a_retry_policy_tries_again_only_what_did_not_happen(
    saver: Any, bank: Bank, trouble: Exception
) -> None:
    retry = RetryPolicy(initial_interval=0, jitter=False, retry_on=Exception)
    pay = paying(bank, not_done=(DeclinedError,), retry_policy=retry)

    @entrypoint(checkpointer=saver)
    def program(given: Any) -> Any:
        return pay("ACME", 5).result().number

    bank.refusal = [trouble]
    result = program.invoke(1, WHERE)
    if isinstance(trouble, DeclinedError):
        assert (result, bank.calls) == (1, 2)
    else:
        assert asks(result).title == "Did `pay` happen?"
        assert bank.calls == 1


def test_a_node_that_is_tried_again_does_not_repeat_its_effect(saver: Any, bank: Bank) -> None:
    pay, failures = paying(bank), [ValueError("after the payment")]

    def node(state: Any) -> Any:
        receipt = pay("ACME", 5).result()
        if failures:
            raise failures.pop()
        return {"paid": receipt.number}

    retry = RetryPolicy(initial_interval=0, jitter=False, retry_on=Exception)
    graph = _graph(node, retry_policy=retry).compile(checkpointer=saver)
    assert graph.invoke({"paid": 0}, WHERE)["paid"] == 1
    assert bank.calls == 1


@pytest.mark.parametrize("after", [False, True])
def test_a_result_that_could_not_be_stored_is_asked_for(
    saver: Any, bank: Bank, after: bool
) -> None:
    pay = paying(bank)

    @entrypoint()
    def program(given: Any) -> Any:
        return pay("ACME", 5).result().number

    counting = FailingSaver(saver)
    program.copy({"checkpointer": counting}).invoke(1, {"configurable": {"thread_id": "0"}})
    puts = [op for op in counting.performed if isinstance(op, PutWrites)]
    result = next(op for op in puts if op.writes[0][0] == "__return__")
    broken = FailingSaver(saver, 1 + counting.performed.index(result), after=after)
    with pytest.raises(InjectedFailureError):
        program.copy({"checkpointer": broken}).invoke(1, WHERE)
    asked = program.copy({"checkpointer": saver}).invoke(None, WHERE)
    if after:
        assert asked == 2
    else:
        assert asks(asked).title == "Did `pay` happen?"
    assert bank.calls == 2


# --- what a person is asked ----------------------------------------------------------------------


def test_an_answer_without_the_declared_result_is_refused_and_the_question_stays_open(
    saver: Any, bank: Bank
) -> None:
    bank.trouble = [TimeoutError()]
    asked = asks(run(in_entrypoint, saver, bank, 1))
    for wrong in (
        "yes",
        {"outcome": "done"},
        {"outcome": "done", "result": {"number": "many"}},
        {"outcome": "give_up", "result": {"number": 1}},
    ):
        with pytest.raises(InvalidAnswerError):
            run(in_entrypoint, saver, bank, Command(resume=wrong))
    (row,) = saver.execute(FindInterrupts("thread-1"))
    assert row.id == asked.id
    assert bank.calls == 1


def test_the_result_is_only_asked_for_where_there_may_be_one(saver: Any) -> None:
    @task(effect=True)
    def sends() -> None:
        raise OSError

    @task(effect=True)
    def posts(letter):  # type: ignore[no-untyped-def]
        raise OSError

    @entrypoint(checkpointer=saver)
    def program(given: Any) -> Any:
        return [sends().result(), posts(given).result()]

    done = {"outcome": "done"}
    asked = asks(program.invoke(1, WHERE))
    assert asked.response_schema["oneOf"][0]["properties"].keys() == {"outcome"}
    asked = asks(program.invoke(Command(resume=done), WHERE))
    assert asked.response_schema["oneOf"][0]["required"] == ["outcome"]
    assert program.invoke(Command(resume={**done, "result": [1]}), WHERE) == [None, [1]]


# --- refusals ------------------------------------------------------------------------------------


def test_an_effect_is_refused_where_its_start_would_not_be_stored(saver: Any, bank: Bank) -> None:
    forgetful = _graph(in_node(False, bank)).compile(checkpointer=saver)
    with pytest.raises(EffectRefusedError, match="Compile the program with a checkpointer"):
        in_entrypoint(None, bank).invoke(1, WHERE)
    with pytest.raises(EffectRefusedError, match="stored too late"):
        in_entrypoint(saver, bank).invoke(1, WHERE, durability="exit")
    with pytest.raises(EffectRefusedError):
        forgetful.invoke({"paid": 0}, {"configurable": {"thread_id": "2"}})
    assert bank.calls == 0


def test_inside_an_effect_nothing_may_pause(saver: Any, bank: Bank) -> None:
    inner = in_node(None, bank)

    @task
    def other() -> None: ...

    @task(effect=True)
    def wants(what: int) -> Any:
        return [lambda: interrupt("?"), other, lambda: inner.invoke({"paid": 0})][what]()

    @entrypoint(checkpointer=saver)
    def program(given: int) -> Any:
        return wants(given).result()

    for what in range(3):
        with pytest.raises(EffectRefusedError):
            program.invoke(what, {"configurable": {"thread_id": f"{what}"}})
    assert bank.calls == 0
    assert saver.execute(FindInterrupts()) == []


@pytest.mark.parametrize("died", [True, False])
def test_an_effect_with_other_arguments_is_not_called_a_second_time(
    saver: Any, bank: Bank, died: bool
) -> None:
    pay, amounts = paying(bank), iter([5, 6])

    @entrypoint(checkpointer=saver)
    def program(given: Any) -> Any:
        return [pay("ACME", next(amounts)).result().number, interrupt("all right?")]

    bank.trouble = [Died()] if died else []
    if died:
        with pytest.raises(Died):
            program.invoke(1, WHERE)
    else:
        program.invoke(1, WHERE)
    with pytest.raises(TaskReplayMismatchError):
        program.invoke(None if died else Command(resume="yes"), WHERE)
    assert bank.paid == [("ACME", 5)]


@pytest.mark.parametrize(
    "how",
    [
        {"not_done": (OSError,)},
        {"effect": True, "retry_policy": RetryPolicy()},
        {"effect": True, "not_done": (KeyboardInterrupt,)},
        {"effect": True, "cache_policy": object()},
    ],
)
def test_options_that_could_make_an_effect_happen_twice_are_refused(how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"task\((effect|not_done)"):
        task(**how)


# --- several runs --------------------------------------------------------------------------------


def test_of_two_runs_on_one_thread_one_makes_the_call(saver: Any, bank: Bank) -> None:
    inside, leave = threading.Event(), threading.Event()
    became: Counter[str] = Counter()

    @task(effect=True)
    def pay(amount: int) -> int:
        inside.set()
        leave.wait(10)
        return bank.pay("ACME", amount).number

    def node(state: Any) -> Any:
        return {"paid": pay(5).result()}

    graph = _graph(node).compile(checkpointer=saver, interrupt_before=["node"])
    graph.invoke({"paid": 0}, WHERE)

    def runs() -> None:
        became[repr(graph.invoke(None, WHERE))] += 1

    first = threading.Thread(target=runs)
    first.start()
    inside.wait(10)
    with pytest.raises(EffectUnderWayError):
        graph.invoke(None, WHERE)
    leave.set()
    first.join()
    assert became == {"{'paid': 1}": 1}
    assert bank.calls == 1
    assert graph.get_state(WHERE).next == ()
    assert graph.get_state(WHERE).values == {"paid": 1}


@pytest.mark.parametrize("dies", ["in", "after"])
def test_a_run_that_read_the_thread_before_another_one_paid_does_not_pay_too(
    saver: Any, bank: Bank, dies: str
) -> None:
    """The other run begins and dies between this one's reading and its start of the call."""
    rivals: list[Callable[[], Any]] = []

    class Late(FailingSaver):
        def execute(self, op: Any) -> Any:
            if rivals and isinstance(op, PutWrites) and op.writes[0][0] == EFFECT:
                other = threading.Thread(target=rivals.pop())
                other.start()
                other.join()
            return super().execute(op)

    ends = {dies: Died()}

    @task(effect=True)
    def pay(amount: int) -> int:
        bank.trouble = [ends.pop("in")] if "in" in ends else []
        return bank.pay("ACME", amount).number

    def node(state: Any) -> Any:
        number = pay(5).result()
        if "after" in ends:
            raise ends.pop("after")
        return {"paid": number}

    def rival() -> None:
        with pytest.raises(Died):
            graph.compile(checkpointer=saver).invoke(None, WHERE)

    graph = _graph(node)
    graph.compile(checkpointer=saver, interrupt_before=["node"]).invoke({"paid": 0}, WHERE)
    rivals.append(rival)
    late = graph.compile(checkpointer=Late(saver))
    result = late.invoke(None, WHERE)
    if dies == "in":
        assert asks(result).title == "Did `pay` happen?"
    else:
        assert result["paid"] == 1
    assert bank.calls == 1


# --- other surroundings --------------------------------------------------------------------------


@pytest.mark.parametrize("make", [in_entrypoint, in_nested_graph, in_async_node])
def test_a_foreign_saver_carries_the_journal(bank: Bank, make: Make) -> None:
    saver = ForeignSaver()
    bank.trouble = [Died()]
    with pytest.raises(Died):
        run(make, saver, bank, {"paid": 0})
    assert asks(run(make, saver, bank, None)).title == "Did `pay` happen?"
    done = {"outcome": "done", "result": {"number": 7}}
    assert asks(run(make, saver, bank, Command(resume=done))).value == "all right?"
    assert run(make, saver, bank, Command(resume="yes")) == {"paid": 7, "said": "yes"}
    assert bank.calls == 1


def test_with_the_leniency_of_the_alias_an_unknown_outcome_is_asked_for_all_the_same(
    saver: Any, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Leniency, "enabled", True)
    bank.trouble = [Died()]
    with pytest.raises(Died):
        run(in_node, saver, bank, {"paid": 0})
    assert asks(run(in_node, saver, bank, None)).title == "Did `pay` happen?"
    run(in_node, saver, bank, Command(resume={"outcome": "not_done"}))
    assert run(in_node, saver, bank, Command(resume="yes"))["paid"] == 2


def test_a_cancelled_call_is_asked_for_by_the_next_run(saver: Any, bank: Bank) -> None:
    reached = asyncio.Event()

    @task(effect=True)
    async def pay() -> Receipt:
        bank.pay("ACME", 5)
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def node(state: Any) -> Any:
        return {"paid": (await pay()).number}

    async def program() -> Any:
        graph = _graph(node).compile(checkpointer=saver)
        running = asyncio.create_task(graph.ainvoke({"paid": 0}, WHERE))
        await reached.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return await graph.ainvoke(None, WHERE)

    assert asks(asyncio.run(program())).title == "Did `pay` happen?"
    assert bank.calls == 1
