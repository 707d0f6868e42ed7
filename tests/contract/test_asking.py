"""Asking people: keys, several questions at once, changed payloads, tools side by side."""

from __future__ import annotations

import contextvars
import operator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Literal, TypedDict

import pytest

from caesura.asking import Question
from caesura.checkpoint.operations import FindInterrupts
from caesura.config import Leniency
from caesura.errors import (
    AlreadyAnsweredError,
    AmbiguousResumeError,
    DuplicateInterruptKeyError,
    EmptyInputError,
    InterruptClosedError,
    InvalidAnswerError,
    NothingToResumeError,
    ResumeError,
    SwallowedInterruptError,
    UnknownInterruptError,
    UnknownThreadError,
)
from caesura.graph import START, StateGraph
from caesura.types import Command, interrupt, interrupts


class State(TypedDict):
    log: Annotated[list[Any], operator.add]


CFG: Any = {"configurable": {"thread_id": "1"}}


def one(node: Any, saver: Any) -> Any:
    """A graph of one node."""
    return StateGraph(State).add_node("n", node).add_edge(START, "n").compile(checkpointer=saver)


def rows(saver: Any) -> list[Any]:
    """Every interrupt of the thread, in order of asking."""
    return list(saver.execute(FindInterrupts("1", status=None)))


def ids(result: Any) -> dict[Any, str]:
    """Payload → id of what is open."""
    return {i.value: i.id for i in result["__interrupt__"]}


def test_an_answer_given_for_a_key_is_found_whatever_is_asked_before_it(saver: Any) -> None:
    """A question put in front of a keyed one does not take its answer."""
    extra: list[str] = []

    def node(state: State) -> Any:
        first = [interrupt(e, key=e) for e in extra]
        return {"log": [*first, interrupt("pay?", key="pay")]}

    graph = one(node, saver)
    graph.invoke({"log": []}, CFG)
    extra.append("new")
    asked = graph.invoke(Command(resume="yes"), CFG)
    assert list(ids(asked)) == ["new"]
    assert graph.invoke(Command(resume="first"), CFG) == {"log": ["first", "yes"]}


def test_two_open_questions_of_a_task_cannot_have_one_key(saver: Any) -> None:
    """The second is refused, and nothing is stored of either."""
    graph = one(
        lambda s: {"log": interrupts([Question("a", key="k"), Question("b", key="k")])}, saver
    )
    with pytest.raises(DuplicateInterruptKeyError):
        graph.invoke({"log": []}, CFG)
    assert rows(saver) == []


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_questions_asked_at_once_are_answered_in_any_order(saver: Any, order: Any) -> None:
    """The task runs twice in all: to ask, and when every answer is there."""
    ran = []

    def node(state: State) -> Any:
        ran.append(1)
        return {"log": interrupts(["a", "b", Question("c", response_schema=int)])}

    graph = one(node, saver)
    asked = graph.invoke({"log": []}, CFG)["__interrupt__"]
    given = ["A", "B", 3]
    for index in order:
        result = graph.invoke(Command(resume={asked[index].id: given[index]}), CFG)
    assert result == {"log": ["A", "B", 3]}
    assert len(ran) == 2


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize("order", ["ab", "ba"])
async def test_questions_asked_at_once_in_an_async_node_keep_their_keys_and_answers(
    saver: Any, order: str, lenient: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the node asks them in another order when it runs again; and with the alias."""
    monkeypatch.setattr(Leniency, "enabled", lenient)
    asking = ["a", "b"]

    async def node(state: State) -> Any:
        answers = interrupts([Question(f"{key}?", key=key) for key in asking])
        return {"log": sorted(zip(asking, answers, strict=True))}

    graph = one(node, saver)
    asked = {i.key: i.id for i in (await graph.ainvoke({"log": []}, CFG))["__interrupt__"]}
    asking.reverse()
    left = await graph.ainvoke(Command(resume={asked[order[0]]: order[0].upper()}), CFG)
    assert [i.id for i in left["__interrupt__"]] == [asked[order[1]]]
    result = await graph.ainvoke(Command(resume={asked[order[1]]: order[1].upper()}), CFG)
    assert result == {"log": [("a", "A"), ("b", "B")]}
    assert [row.status for row in rows(saver)] == ["answered", "answered"]


def test_of_questions_asked_at_once_only_the_one_that_changed_is_asked_again(saver: Any) -> None:
    """A key keeps the answer to the same payload; ``digest_of`` says what of it counts."""
    shown = {"amount": 1, "at": 10}

    def node(state: State) -> Any:
        pay = Question(dict(shown), key="pay", digest_of=lambda payload: payload["amount"])
        return {"log": interrupts([pay, Question("sure?", key="sure")])}

    graph = one(node, saver)
    pay, sure = (i.id for i in graph.invoke({"log": []}, CFG)["__interrupt__"])
    shown.update(amount=2, at=11)
    asked = graph.invoke(Command(resume={pay: "yes", sure: "yes"}), CFG)["__interrupt__"]
    assert [i.value for i in asked] == [{"amount": 2, "at": 11}]
    shown.update(at=12)
    assert graph.invoke(Command(resume={asked[0].id: "no"}), CFG) == {"log": ["no", "yes"]}
    assert [row.status for row in rows(saver)] == ["superseded", "answered", "answered"]


def test_a_changed_payload_is_asked_again_and_the_old_answer_is_not_used(saver: Any) -> None:
    """What was shown is what was approved: the old row is superseded and says what differs."""
    amount = [1]
    graph = one(lambda s: {"log": [interrupt({"pay": amount[0], "to": "ACME"})]}, saver)
    graph.invoke({"log": []}, CFG)
    amount[0] = 82_000
    asked = graph.invoke(Command(resume="approve"), CFG)
    assert asked["__interrupt__"][0].value == {"pay": 82_000, "to": "ACME"}
    old, new = rows(saver)
    assert (old.status, old.superseded_by, new.status) == ("superseded", new.id, "open")
    assert "/pay" in old.reason
    assert "/to" not in old.reason
    assert graph.invoke(Command(resume="no"), CFG) == {"log": ["no"]}


def test_volatile_fields_of_a_payload_may_differ(saver: Any) -> None:
    """A time in the payload does not make it another question."""
    at = [1]
    graph = one(lambda s: {"log": [interrupt({"pay": 1, "at": at[0]}, volatile=("/at",))]}, saver)
    graph.invoke({"log": []}, CFG)
    at[0] = 2
    assert graph.invoke(Command(resume="ok"), CFG) == {"log": ["ok"]}


def test_a_question_that_comes_back_after_it_was_superseded_is_open_anew(saver: Any) -> None:
    """a → b → a: the third is a row of its own."""
    payload = ["a"]
    graph = one(lambda s: {"log": [interrupt(payload[0])]}, saver)
    graph.invoke({"log": []}, CFG)
    for value in ("b", "a"):
        payload[0] = value
        asked = graph.invoke(Command(resume="x"), CFG)
        assert [i.value for i in asked["__interrupt__"]] == [value]
    assert graph.invoke(Command(resume="final"), CFG) == {"log": ["final"]}
    assert [r.status for r in rows(saver)] == ["superseded", "superseded", "answered"]


def test_two_asking_tools_in_one_node_are_both_shown_and_neither_is_repeated(saver: Any) -> None:
    """Threads of one node: both questions at once; the node runs again when both are answered."""
    effects = []

    def tool(name: str) -> str:
        answer = interrupt(name)
        effects.append(name)
        return f"{name}={answer}"

    def node(state: State) -> Any:
        with ThreadPoolExecutor() as pool:
            calls = [pool.submit(contextvars.copy_context().run, tool, name) for name in ("x", "y")]
        return {"log": sorted(call.result() for call in calls)}

    graph = one(node, saver)
    asked = ids(graph.invoke({"log": []}, CFG))
    assert set(asked) == {"x", "y"}
    graph.invoke(Command(resume={asked["y"]: "Y"}), CFG)
    assert effects == []
    assert graph.invoke(Command(resume={asked["x"]: "X"}), CFG) == {"log": ["x=X", "y=Y"]}
    assert sorted(effects) == ["x", "y"]


def test_each_refusal_has_its_own_error_and_lists_what_is_open(saver: Any) -> None:
    """Refused commands change nothing: the two questions stay open."""
    graph = one(lambda s: {"log": interrupts(["a", "b"])}, saver)
    with pytest.raises(UnknownThreadError):
        graph.invoke(Command(resume="x"), CFG)
    assert saver.get_tuple(CFG) is None
    asked = ids(graph.invoke({"log": []}, CFG))
    refusals: list[tuple[Any, type[Exception]]] = [
        ("x", AmbiguousResumeError),
        ({}, UnknownInterruptError),
        ({"0" * 32: "x"}, UnknownInterruptError),
        ({asked["a"]: "x", "0" * 32: "x"}, UnknownInterruptError),
    ]
    for resume, error in refusals:
        with pytest.raises(error) as refused:
            graph.invoke(Command(resume=resume), CFG)
        assert isinstance(refused.value, ResumeError)
        assert [i.value for i in refused.value.open_interrupts] == ["a", "b"]
    for command in (Command(), Command(resume=None)):
        with pytest.raises(EmptyInputError):
            graph.invoke(command, CFG)
    assert [r.status for r in rows(saver)] == ["open", "open"]
    graph.invoke(Command(resume={asked["a"]: None}), CFG)
    with pytest.raises(AlreadyAnsweredError) as second:
        graph.invoke(Command(resume={asked["a"]: "late"}), CFG)
    assert second.value.answer is None
    assert graph.invoke(Command(resume="B"), CFG) == {"log": [None, "B"]}
    with pytest.raises(NothingToResumeError):
        graph.invoke(Command(resume="more"), CFG)


def test_new_input_withdraws_what_was_open_and_says_why(saver: Any) -> None:
    """The old id takes no answer any more."""
    graph = one(lambda s: {"log": [interrupt(len(s["log"]))]}, saver)
    old = graph.invoke({"log": ["1"]}, CFG)["__interrupt__"][0].id
    graph.invoke({"log": ["2"]}, CFG)
    assert [(r.status, r.reason) for r in rows(saver)] == [
        ("withdrawn", "new input"),
        ("open", None),
    ]
    with pytest.raises(InterruptClosedError) as refused:
        graph.invoke(Command(resume={old: "x"}), CFG)
    assert [i.value for i in refused.value.open_interrupts] == [2]


def test_a_typed_answer_is_checked_before_anything_runs(saver: Any) -> None:
    """A wrong answer leaves the interrupt open and the node alone; a right one arrives typed."""
    ran = []

    def node(state: State) -> Any:
        ran.append(1)
        return {"log": [interrupt("?", response_schema=Literal["yes", "no"])]}

    graph = one(node, saver)
    shown = graph.invoke({"log": []}, CFG)["__interrupt__"][0]
    assert shown.response_schema["enum"] == ["yes", "no"]
    with pytest.raises(InvalidAnswerError) as refused:
        graph.invoke(Command(resume="maybe"), CFG)
    assert refused.value.errors[0]["pointer"] == ""
    assert ran == [1]
    assert rows(saver)[0].status == "open"
    assert graph.invoke(Command(resume="no"), CFG) == {"log": ["no"]}


@pytest.mark.parametrize("kind", [BaseException, Exception])
def test_a_pause_cannot_be_swallowed(saver: Any, kind: type[BaseException]) -> None:
    """`except Exception` does not see it; `except BaseException` makes the task fail, with the line."""

    def node(state: State) -> Any:
        try:
            interrupt("?")
        except kind:
            return {"log": ["went on without a person"]}

    graph = one(node, saver)
    if kind is Exception:
        assert "__interrupt__" in graph.invoke({"log": []}, CFG)
        return
    with pytest.raises(SwallowedInterruptError, match=r"test_asking\.py:\d+"):
        graph.invoke({"log": []}, CFG)
    assert graph.get_state(CFG).next == ("n",)


@pytest.mark.parametrize(
    "mode", ["values", "updates", "tasks", "debug", "custom", "checkpoints", "messages"]
)
async def test_every_stream_mode_shows_the_pause(saver: Any, mode: str) -> None:
    """Whatever is streamed, the ids of all open interrupts are in it, sync and async."""
    graph = one(lambda s: {"log": interrupts(["a", "b"])}, saver)
    chunks = list(graph.stream({"log": []}, CFG, stream_mode=mode))
    first, second = (i.id for i in graph.get_state(CFG).interrupts)
    assert {first in repr(chunks), second in repr(chunks)} == {True}
    again = [c async for c in graph.astream(None, CFG, stream_mode=mode)]
    assert {first in repr(again), second in repr(again)} == {True}


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_a_pause_is_stored_before_it_is_shown(saver: Any, durability: Any) -> None:
    """In every durability mode, when the chunk with the pause arrives its row is there."""
    graph = one(lambda s: {"log": [interrupt("?")]}, saver)
    for chunk in graph.stream({"log": []}, CFG, stream_mode="updates", durability=durability):
        if "__interrupt__" in chunk:
            assert [r.status for r in rows(saver)] == ["open"]
    assert graph.invoke(Command(resume="x"), CFG, durability=durability) == {"log": ["x"]}


def test_a_loop_asks_until_the_answer_is_good(saver: Any) -> None:
    """The same question asked again is a new interrupt with an id of its own."""

    def node(state: State) -> Any:
        while True:
            answer = interrupt("age?")
            if isinstance(answer, int):
                return {"log": [answer]}

    graph = one(node, saver)
    seen = {graph.invoke({"log": []}, CFG)["__interrupt__"][0].id}
    for wrong in ("x", "y"):
        seen.add(graph.invoke(Command(resume=wrong), CFG)["__interrupt__"][0].id)
    assert len(seen) == 3
    assert graph.invoke(Command(resume=7), CFG) == {"log": [7]}
