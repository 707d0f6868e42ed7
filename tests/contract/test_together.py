"""Results of tasks that finish together are stored together, and none is told of before it is stored."""

from __future__ import annotations

import asyncio
import operator
import threading
from collections import Counter
from collections.abc import Callable
from queue import SimpleQueue
from typing import Annotated, Any, TypedDict

import pytest

from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.operations import Commit, PutTogether, PutWrites
from caesura.constants import ERROR
from caesura.errors import GraphInterrupt, SerializationError
from caesura.execution import sync
from caesura.execution.gathering import Gathering
from caesura.func import entrypoint, task
from caesura.graph import START, StateGraph
from caesura.testing.faults import FailingSaver, InjectedFailureError
from caesura.types import Command, Send, interrupt

CFG: Any = {"configurable": {"thread_id": "1"}}
MANY = 20
PATIENCE = 20.0
"""Seconds after which a test has failed."""


class Log(TypedDict):
    log: Annotated[list[Any], operator.add]


def puts_of(op: Any) -> list[PutWrites]:
    """What an operation stores of tasks."""
    if isinstance(op, PutTogether):
        return list(op.puts)
    if isinstance(op, Commit):  # That of the input closes nothing that a task did.
        return list(op.closing) if op.metadata["step"] > 0 else []
    return [op] if isinstance(op, PutWrites) else []


def sizes(saver: FailingSaver) -> list[int]:
    """How many tasks' results each operation stored, where any were."""
    return [len(puts) for op in saver.performed if (puts := puts_of(op))]


def fan(saver: Any, work: Any, many: int = MANY) -> Any:
    """A graph of one step with many tasks."""
    builder = StateGraph(Log).add_node("work", work)
    builder.add_conditional_edges(START, lambda s: [Send("work", i) for i in range(many)], ["work"])
    return builder.compile(checkpointer=saver)


class Held(FailingSaver):
    """The first result is being stored until as many as are expected have been handed in."""

    def __init__(self, inner: Any, many: int = MANY) -> None:
        super().__init__(inner)
        self.storing, self.all_in = threading.Event(), threading.Event()
        self.left = many

    def handed_in(self) -> None:
        """One more."""
        self.left -= 1
        if not self.left:
            self.all_in.set()

    def execute(self, op: Any) -> Any:
        if isinstance(op, PutWrites) and not self.storing.is_set():
            self.storing.set()
            assert self.all_in.wait(PATIENCE)
        return super().execute(op)

    def after_the_first(self, first: bool) -> None:
        """Called in tasks: all but the first wait until that is being stored."""
        assert first or self.storing.wait(PATIENCE)


@pytest.fixture
def gathered(saver: Any, monkeypatch: pytest.MonkeyPatch) -> Held:
    """Sees what calls hand in."""
    held, lock = Held(saver), threading.Lock()
    add, lead = Gathering.add, Gathering.lead

    def adding(self: Gathering, ended: Any) -> bool:
        leads = add(self, ended)
        with lock:
            held.handed_in()
        return leads

    def leading(self: Gathering) -> bool:
        leads = lead(self)
        if leads:
            with lock:
                held.handed_in()
        return leads

    monkeypatch.setattr(Gathering, "add", adding)
    monkeypatch.setattr(Gathering, "lead", leading)
    return held


# --- in one operation ---------------------------------------------------------------------------


def test_calls_that_end_while_one_is_stored_are_stored_together(gathered: Held) -> None:
    @task
    def work(n: int) -> int:
        gathered.after_the_first(n == 0)
        return n

    @entrypoint(checkpointer=gathered)
    def flow(given: int) -> list[int]:
        return [future.result() for future in [work(n) for n in range(MANY)]]

    assert flow.invoke(0, CFG) == list(range(MANY))
    assert sizes(gathered) == [1, MANY - 1]


def test_tasks_that_end_while_one_is_stored_are_stored_with_the_checkpoint(
    saver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(saver)

    class Seen(SimpleQueue):  # type: ignore[type-arg]
        def put(self, item: Any, *args: Any) -> None:
            super().put(item, *args)
            held.handed_in()

    def work(n: int) -> Any:
        held.after_the_first(n == 0)
        return {"log": [n]}

    monkeypatch.setattr(sync, "SimpleQueue", Seen)
    assert fan(held, work).invoke({"log": []}, CFG) == {"log": list(range(MANY))}
    assert sizes(held) == [1, MANY - 1]


async def test_async_tasks_that_end_together_are_stored_with_the_checkpoint(saver: Any) -> None:
    async def work(n: int) -> Any:
        return {"log": [n]}

    watched = FailingSaver(saver)
    assert await fan(watched, work).ainvoke({"log": []}, CFG) == {"log": list(range(MANY))}
    assert sizes(watched) == [MANY]


async def test_async_calls_that_end_together_are_stored_together(saver: Any) -> None:
    @task
    async def work(n: int) -> int:
        return n

    watched = FailingSaver(saver)

    @entrypoint(checkpointer=watched)
    async def flow(given: int) -> list[int]:
        return list(await asyncio.gather(*[work(n) for n in range(MANY)]))

    assert await flow.ainvoke(0, CFG) == list(range(MANY))
    assert sizes(watched) == [MANY]


async def test_questions_asked_together_are_stored_together(saver: Any) -> None:
    async def work(n: int) -> Any:
        return {"log": [interrupt(n) if n % 2 else n]}

    watched = FailingSaver(saver)
    program = fan(watched, work)
    asked = (await program.ainvoke({"log": []}, CFG))["__interrupt__"]
    assert sizes(watched) == [MANY]
    answers: Any = Command(resume={each.id: -each.value for each in asked})
    wanted = [-n if n % 2 else n for n in range(MANY)]
    assert await program.ainvoke(answers, CFG) == {"log": wanted}


# --- before anybody is told ---------------------------------------------------------------------


async def test_a_call_goes_on_only_when_its_result_is_stored(saver: Any) -> None:
    watched, early = FailingSaver(saver), []

    @task
    async def work(n: int) -> int:
        return n

    async def goes_on(n: int) -> None:
        await work(n)
        stored = [dict(p.writes)["__return__"] for op in watched.performed for p in puts_of(op)]
        early.append(n not in stored)

    @entrypoint(checkpointer=watched)
    async def flow(given: int) -> None:
        await asyncio.gather(*map(goes_on, range(MANY)))

    await flow.ainvoke(0, CFG)
    assert early == [False] * MANY


async def test_of_what_a_stream_tells_only_the_last_may_be_unstored(saver: Any) -> None:
    async def work(n: int) -> Any:
        return {"log": [n]}

    watched, told = FailingSaver(saver), 0
    async for event in fan(watched, work).astream({"log": []}, CFG, stream_mode="updates"):
        told += "work" in event
        assert sum(sizes(watched)) >= min(told, MANY - 1)
    assert told == MANY


# --- what fails ---------------------------------------------------------------------------------


def test_results_that_could_not_be_stored_fail_their_calls_and_nothing_of_them_is_stored(
    gathered: Held,
) -> None:
    @task
    def work(n: int) -> int:
        gathered.after_the_first(n == 0)
        return n

    @entrypoint(checkpointer=gathered)
    def flow(given: int) -> list[Any]:
        futures = [work(n) for n in range(MANY)]
        return [type(future.exception(PATIENCE)).__name__ for future in futures]

    perform = gathered.inner.execute

    def fails(op: Any) -> Any:
        if isinstance(op, PutTogether):
            raise InjectedFailureError("Asked to fail.")
        return perform(op)

    gathered.inner.execute = fails  # type: ignore[method-assign]
    found = flow.invoke(0, CFG)
    assert Counter(found) == {"NoneType": 1, "InjectedFailureError": MANY - 1}
    assert sizes(gathered) == [1]


@pytest.mark.parametrize("ends", ["with the step", "before it"])
async def test_a_result_that_cannot_be_stored_takes_no_other_with_it(saver: Any, ends: str) -> None:
    runs: Counter[int] = Counter()
    last = asyncio.Event()

    async def work(n: int) -> Any:
        runs[n] += 1
        if n == MANY - 1 and ends == "before it":
            await last.wait()
        bad = n == 7 and runs[n] == 1
        return {"log": [object() if bad else n]}

    program = fan(saver, work)
    with pytest.raises(SerializationError):
        await program.ainvoke({"log": []}, CFG)
    last.set()
    assert await program.ainvoke(None, CFG) == {"log": list(range(MANY))}
    again = {n for n, count in runs.items() if count > 1}
    assert again == ({7} if ends == "with the step" else {7, MANY - 1})


async def test_a_call_whose_result_cannot_be_stored_takes_no_other_with_it(saver: Any) -> None:
    @task
    async def work(n: int) -> Any:
        return object() if n == 7 else n

    @entrypoint(checkpointer=saver)
    async def flow(given: int) -> list[Any]:
        found = await asyncio.gather(*[work(n) for n in range(MANY)], return_exceptions=True)
        return [type(each).__name__ for each in found]

    found = await flow.ainvoke(0, CFG)
    assert Counter(found) == {"int": MANY - 1, "SerializationError": 1}


@pytest.mark.parametrize("why", ["reducer", "state", "cancelled"])
async def test_a_step_that_cannot_be_saved_keeps_the_results_of_its_tasks(
    saver: Any, why: str
) -> None:
    runs: Counter[int] = Counter()
    trouble = [why]

    def add(before: list[Any], new: list[Any]) -> list[Any]:
        if new and trouble == ["reducer"]:
            raise ValueError(trouble.pop())
        if len(before) == MANY - 1 and trouble == ["state"]:
            return [*before, object()]
        return before + new

    async def work(n: int) -> Any:
        runs[n] += 1
        return {"log": [n]}

    class Cancels(FailingSaver):
        async def aexecute(self, op: Any) -> Any:
            if trouble == ["cancelled"] and isinstance(op, Commit) and op.closing:
                trouble.clear()
                raise asyncio.CancelledError
            return await super().aexecute(op)

    state: Any = TypedDict("state", {"log": Annotated[list[Any], add]})  # type: ignore[misc]
    builder = StateGraph(state).add_node("work", work)
    builder.add_conditional_edges(START, lambda s: [Send("work", i) for i in range(MANY)], ["work"])
    program = builder.compile(checkpointer=Cancels(saver))
    with pytest.raises((ValueError, SerializationError, asyncio.CancelledError)):
        await program.ainvoke({}, CFG)
    trouble.clear()
    assert await program.ainvoke(None, CFG) == {"log": list(range(MANY))}
    assert set(runs.values()) == {1}


async def test_failures_that_come_together_with_results_are_stored_and_told(saver: Any) -> None:
    watched = FailingSaver(saver)

    async def work(n: int) -> Any:
        if n % 2:
            raise LookupError(n)
        return {"log": [n]}

    with pytest.raises(LookupError):
        await fan(watched, work).ainvoke({"log": []}, CFG)
    stored = [put for op in watched.performed for put in puts_of(op)]
    assert sum(dict(put.writes).keys() == {ERROR} for put in stored) == MANY // 2
    assert sizes(watched) == [MANY]


# --- whoever stores ------------------------------------------------------------------------------


def test_a_callback_that_waits_for_another_call_holds_nobody_up(gathered: Held) -> None:
    heard: list[int] = []
    over = threading.Event()

    @task
    def work(n: int) -> int:
        gathered.after_the_first(n == 0)
        return n

    @entrypoint(checkpointer=gathered)
    def flow(given: int) -> int:
        futures = [work(n) for n in range(MANY)]

        def waits_for(other: Any) -> Callable[[Any], None]:
            def hear(done: Any) -> None:
                heard.append(other.result(PATIENCE))
                if len(heard) == MANY:
                    over.set()

            return hear

        for future, other in zip(futures, [*futures[1:], futures[0]], strict=True):
            future.add_done_callback(waits_for(other))
        assert over.wait(PATIENCE)
        return sum(future.result() for future in futures)

    assert flow.invoke(0, CFG) == sum(range(MANY))
    assert sorted(heard) == list(range(MANY))


def test_a_call_given_up_leaves_the_others_their_results(gathered: Held) -> None:
    @task
    def work(n: int) -> int:
        gathered.after_the_first(n == 0)
        return n

    @entrypoint(checkpointer=gathered)
    def flow(given: int) -> list[int]:
        futures = [work(n) for n in range(MANY)]
        assert futures[5].cancel()
        return [future.result(PATIENCE) for future in futures if not future.cancelled()]

    assert flow.invoke(0, CFG) == [n for n in range(MANY) if n != 5]


class Slow(FailingSaver):
    """What is stored together takes until it is let go."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.storing, self.go = asyncio.Event(), asyncio.Event()

    async def aexecute(self, op: Any) -> Any:
        if isinstance(op, PutTogether):
            self.storing.set()
            await self.go.wait()
        return await super().aexecute(op)


async def test_an_async_call_given_up_while_it_is_stored_takes_no_other_with_it() -> None:
    saver = Slow(InMemorySaver())

    @task
    async def work(n: int) -> int:
        return n

    @entrypoint(checkpointer=saver)
    async def flow(given: int) -> list[Any]:
        futures = [work(n) for n in range(MANY)]
        await saver.storing.wait()
        futures[0].cancel()
        await asyncio.sleep(0)
        saver.go.set()
        found = await asyncio.gather(*futures, return_exceptions=True)
        return [None if isinstance(each, BaseException) else each for each in found]

    assert await flow.ainvoke(0, CFG) == [None, *range(1, MANY)]


async def test_a_cancelled_run_ends_when_what_is_being_stored_is_stored() -> None:
    saver = Slow(InMemorySaver())

    @task
    async def work(n: int) -> int:
        return n

    @entrypoint(checkpointer=saver)
    async def flow(given: int) -> list[Any]:
        return list(await asyncio.gather(*[work(n) for n in range(MANY)]))

    run = asyncio.ensure_future(flow.ainvoke(0, CFG))
    await saver.storing.wait()
    run.cancel()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not run.done()
    saver.go.set()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert sizes(saver) == [MANY]


def test_calls_that_pause_together_are_all_asked(gathered: Held) -> None:
    @task
    def work(n: int) -> Any:
        gathered.after_the_first(n == 0)
        return interrupt(n) if n % 2 else n

    @entrypoint(checkpointer=gathered)
    def flow(given: int) -> list[Any]:
        futures, pause, found = [work(n) for n in range(MANY)], None, []
        for future in futures:
            try:
                found.append(future.result())
            except GraphInterrupt as signal:
                pause = signal
        if pause is not None:
            raise pause
        return found

    asked = flow.invoke(0, CFG)["__interrupt__"]
    assert sorted(each.value for each in asked) == list(range(1, MANY, 2))
    assert sizes(gathered)[:2] == [1, MANY - 1]
