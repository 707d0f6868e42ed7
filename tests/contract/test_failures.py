"""Failures, handlers and timeouts: what is stored of them, and that nobody gets past a person."""

from __future__ import annotations

import asyncio
import operator
import threading
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, TypedDict

import pytest

from caesura.callbacks import GraphCallbackHandler, GraphInterruptEvent
from caesura.checkpoint.operations import Commit, PutTogether, PutWrites
from caesura.errors import (
    GraphInterrupt,
    NodeError,
    NodeTimeoutError,
    RestoredError,
    SwallowedInterruptError,
)
from caesura.execution.clock import Clock, use_clock
from caesura.func import entrypoint, task
from caesura.graph import START, StateGraph
from caesura.testing.faults import FailingSaver
from caesura.types import Command, RetryPolicy, interrupt


class State(TypedDict):
    log: Annotated[list[str], operator.add]


CFG: Any = {"configurable": {"thread_id": "1"}}
NEW: Any = {"log": []}


def graph(saver: Any, handler: Any = None, /, **nodes: Any) -> Any:
    """Nodes that all run in the first step, with ``handler`` as the handler of each."""
    builder = StateGraph(State).set_node_defaults(error_handler=handler)
    for name, node in nodes.items():
        builder.add_node(name, node).add_edge(START, name)
    return builder.compile(checkpointer=saver)


def puts_of(op: Any) -> Sequence[PutWrites]:
    """What an operation stores of tasks, the checkpoint apart."""
    return op.puts if isinstance(op, PutTogether) else [op] if isinstance(op, PutWrites) else []


def says_ok(state: State) -> Any:
    return {"log": ["ok"]}


def test_a_task_that_failed_and_then_finished_is_not_run_again(saver: Any) -> None:
    runs: list[str] = []

    def fails_once(state: State) -> Any:
        runs.append("once")
        if runs.count("once") == 1:
            raise ConnectionError
        return {"log": ["once"]}

    def fails_twice(state: State) -> Any:
        runs.append("twice")
        if runs.count("twice") < 3:
            raise ConnectionError
        return {"log": ["twice"]}

    program = graph(saver, once=fails_once, twice=fails_twice)
    for given in (NEW, None):
        with pytest.raises(ConnectionError):
            program.invoke(given, CFG)
    assert program.invoke(None, CFG) == {"log": ["once", "twice"]}
    assert runs.count("once") == 2


# --- handlers ------------------------------------------------------------------------------------


def test_a_swallowed_pause_is_not_handled(saver: Any) -> None:
    handled: list[Any] = []

    def swallows(state: State) -> Any:
        try:
            interrupt("may I?")
        except GraphInterrupt:
            raise ValueError("instead of asking") from None

    def handle(state: State, error: NodeError) -> Any:
        handled.append(error)

    with pytest.raises(SwallowedInterruptError):
        graph(saver, handle, swallows=swallows).invoke(NEW, CFG)
    assert handled == []


def test_a_question_of_a_handler_is_listed_and_answered_by_its_id(saver: Any) -> None:
    def bad(state: State) -> Any:
        raise LookupError("gone")

    def asks(state: State, error: NodeError) -> Any:
        return {"log": [interrupt(f"{error.error}?")]}

    program = graph(saver, asks, bad=bad, good=says_ok)
    program.invoke(NEW, CFG)
    (task,) = (task for task in program.get_state(CFG).tasks if task.interrupts)
    (question,) = task.interrupts
    assert (task.name, question.value) == ("bad", "gone?")
    given = Command(resume={question.id: "found"})  # type: ignore[var-annotated]
    assert program.invoke(given, CFG) == {"log": ["found", "ok"]}


def test_a_handler_in_a_nested_graph_that_stores_nothing_gets_its_answer(saver: Any) -> None:
    def bad(state: State) -> Any:
        raise LookupError("gone")

    def asks(state: State, error: NodeError) -> Any:
        return {"log": [interrupt("found?")]}

    program = graph(saver, sub=graph(False, asks, bad=bad))
    program.invoke(NEW, CFG)
    assert program.invoke(Command(resume="yes"), CFG) == {"log": ["yes"]}


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_a_handler_in_a_step_after_a_resume_asks_and_is_answered(
    saver: Any, durability: Any
) -> None:
    def asks_first(state: State) -> Any:
        return {"log": [interrupt("first?")]}

    def bad(state: State) -> Any:
        raise LookupError("gone")

    def asks(state: State, error: NodeError) -> Any:
        return {"log": [interrupt("found?")]}

    builder = StateGraph(State).add_node("first", asks_first).add_edge(START, "first")
    builder.add_node("bad", bad, error_handler=asks).add_edge("first", "bad")
    watched = FailingSaver(saver)
    program = builder.compile(checkpointer=watched)
    program.invoke(NEW, CFG, durability=durability)
    program.invoke(Command(resume="A"), CFG, durability=durability)
    given = Command(resume="B")  # type: ignore[var-annotated]
    assert program.invoke(given, CFG, durability=durability) == {"log": ["A", "B"]}
    stored = set[str]()
    for op in watched.performed:
        if isinstance(op, Commit):
            stored.add(op.checkpoint_id)
        for put in puts_of(op):
            assert put.checkpoint_id in stored, "writes on a checkpoint that does not exist"


class ShopError(ConnectionError):
    """An error of the program's own."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code
        self.request = object()


def _error_seen_again(saver: Any, error: Exception) -> Exception:
    """What a handler is told when it runs a second time, in another run."""
    seen: list[Any] = []

    def bad(state: State) -> Any:
        raise error

    def handle(state: State, error: NodeError) -> Any:
        seen.append(error.error)
        interrupt("go on?")

    program = graph(saver, handle, bad=bad)
    program.invoke(NEW, CFG)
    program.invoke(Command(resume="yes"), CFG)
    first, second = seen
    assert first is error
    assert (type(second).__name__, str(second), repr(second)) == (
        type(error).__name__,
        str(error),
        repr(error),
    )
    return second  # type: ignore[no-any-return]


def test_a_restored_error_is_of_the_built_in_kind_and_keeps_plain_attributes(saver: Any) -> None:
    again = _error_seen_again(saver, ShopError("closed", 7))
    assert isinstance(again, RestoredError)
    assert isinstance(again, ConnectionError)
    assert not isinstance(again, ShopError)
    assert vars(again)["code"] == 7
    assert "request" not in vars(again)


def test_a_restored_timeout_says_which(saver: Any) -> None:
    again = _error_seen_again(saver, NodeTimeoutError("slow", 2.5, kind="run", run_timeout=2.0))
    assert isinstance(again, NodeTimeoutError)
    assert (again.node, again.kind, again.elapsed, again.timeout) == ("slow", "run", 2.5, 2.0)


def test_a_built_in_error_that_needs_arguments_is_restored_too(saver: Any) -> None:
    _error_seen_again(saver, UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"))


def test_a_handler_that_is_gone_leaves_the_node_to_run_again(saver: Any) -> None:
    runs: list[str] = []

    def flaky(state: State) -> Any:
        runs.append("node")
        if len(runs) == 1:
            raise LookupError
        return {"log": ["well"]}

    def fails(state: State, error: NodeError) -> Any:
        raise KeyError("handler")

    with pytest.raises(KeyError):
        graph(saver, fails, n=flaky).invoke(NEW, CFG)
    program = StateGraph(State).add_node("n", flaky).add_edge(START, "n").compile(saver)
    assert program.invoke(None, CFG) == {"log": ["well"]}
    assert runs == ["node", "node"]


def test_answers_given_before_a_failure_are_used_up_by_it(saver: Any) -> None:
    def asks_and_fails(state: State) -> Any:
        raise LookupError(interrupt("first?"))

    def asks(state: State, error: NodeError) -> Any:
        return {"log": [f"{error.error} {interrupt('second?')}"]}

    program = graph(saver, asks, n=asks_and_fails)
    program.invoke(NEW, CFG)
    (second,) = program.invoke(Command(resume="A"), CFG)["__interrupt__"]
    assert second.value == "second?"
    assert program.invoke(Command(resume="B"), CFG) == {"log": ["A B"]}


# --- time ----------------------------------------------------------------------------------------


async def test_a_pause_of_a_timed_node_is_not_lost_when_its_time_is_up(saver: Any) -> None:
    """The node asks while it is being stopped: the question is stored and can be answered."""

    async def asks_late(state: State) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            return {"log": [interrupt("late?")]}  # noqa: B012

    builder = StateGraph(State).add_node("n", asks_late, timeout=0.01).add_edge(START, "n")
    program = builder.compile(checkpointer=saver)
    (question,) = (await program.ainvoke(NEW, CFG))["__interrupt__"]
    assert question.value == "late?"


async def test_calls_that_a_timed_node_does_not_wait_for_end_with_it(saver: Any) -> None:
    ended: list[str] = []

    @task
    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("call")

    async def calls(state: State) -> Any:
        hangs()
        await asyncio.Event().wait()

    builder = StateGraph(State).add_node("n", calls, timeout=0.01).add_edge(START, "n")
    with pytest.raises(NodeTimeoutError):
        await builder.compile(checkpointer=saver).ainvoke(NEW, CFG)
    assert ended == ["call"]


async def test_a_run_that_is_cancelled_while_a_timeout_runs_is_cancelled(saver: Any) -> None:
    started = asyncio.Event()

    async def waits(state: State) -> Any:
        started.set()
        await asyncio.Event().wait()

    builder = StateGraph(State).add_node("n", waits, timeout=1000).add_edge(START, "n")
    run = asyncio.ensure_future(builder.compile(checkpointer=saver).ainvoke(NEW, CFG))
    await started.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_an_answer_survives_an_attempt_that_took_too_long(saver: Any) -> None:
    attempts: list[str] = []

    async def asks(state: State) -> Any:
        attempts.append(interrupt("?"))
        if len(attempts) == 1:
            await asyncio.Event().wait()
        return {"log": attempts}

    policy = RetryPolicy(initial_interval=0, jitter=False)
    builder = StateGraph(State).add_node("n", asks, timeout=0.05, retry_policy=policy)
    program = builder.add_edge(START, "n").compile(checkpointer=saver)
    await program.ainvoke(NEW, CFG)
    assert await program.ainvoke(Command(resume="A"), CFG) == {"log": ["A", "A"]}


class HeldClock(Clock):
    """Time passes when a test says so; notes when it is looked at after that."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.noticed = threading.Event()

    def ticks(self) -> float:
        if self.passed:
            self.noticed.set()
        return self.passed


@pytest.fixture
def held_clock() -> Iterator[HeldClock]:
    held = HeldClock()
    before = use_clock(held)
    yield held
    use_clock(before)


def test_what_finishes_after_the_time_of_its_step_is_stored(
    saver: Any, held_clock: HeldClock
) -> None:
    runs: list[str] = []
    late = threading.Event()

    def slow(state: State) -> Any:
        runs.append("slow")
        held_clock.passed = 2.0
        late.set()
        assert held_clock.noticed.wait(10)
        return {"log": ["slow"]}

    def quick(state: State) -> Any:
        assert late.wait(10)
        return {"log": ["quick"]}

    program = graph(saver, slow=slow, quick=quick)
    program.step_timeout = 1.0
    with pytest.raises(TimeoutError, match="Timed out"):
        program.invoke(NEW, CFG)
    assert program.invoke(None, CFG) == {"log": ["quick", "slow"]}
    assert runs == ["slow"]


# --- being told ----------------------------------------------------------------------------------


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_a_pause_is_stored_before_callbacks_are_told(saver: Any, durability: Any) -> None:
    stored: list[Any] = []

    class Looks(GraphCallbackHandler):
        def on_interrupt(self, event: GraphInterruptEvent) -> None:
            stored.append(program.get_state(CFG).interrupts)

    def asks(state: State) -> Any:
        return {"log": [interrupt("?")]}

    program = graph(saver, asks=asks)
    result = program.invoke(NEW, {**CFG, "callbacks": [Looks()]}, durability=durability)
    assert stored == [tuple(result["__interrupt__"])]


class Hears(GraphCallbackHandler):
    def __init__(self) -> None:
        self.questions: list[Any] = []

    def on_interrupt(self, event: GraphInterruptEvent) -> None:
        self.questions += [item.value for item in event.interrupts]


def test_callbacks_are_told_of_a_pause_though_the_stream_is_left_there(saver: Any) -> None:
    hears = Hears()

    def asks(state: State) -> Any:
        return {"log": [interrupt("?")]}

    stream = graph(saver, asks=asks).stream(NEW, {**CFG, "callbacks": [hears]})
    assert "__interrupt__" in next(stream)
    stream.close()
    assert hears.questions == ["?"]


async def test_callbacks_are_told_of_a_pause_though_an_async_stream_is_left_there(
    saver: Any,
) -> None:
    hears = Hears()

    async def asks(state: State) -> Any:
        return {"log": [interrupt("?")]}

    stream = graph(saver, asks=asks).astream(NEW, {**CFG, "callbacks": [hears]})
    assert "__interrupt__" in await anext(stream)
    await stream.aclose()
    assert hears.questions == ["?"]


async def test_the_failure_of_a_call_that_was_awaited_is_not_logged_as_lost(
    saver: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @task
    async def fails() -> None:
        raise LookupError

    @entrypoint(checkpointer=saver)
    async def flow(given: int) -> str:
        try:
            await fails()
        except LookupError:
            return "caught"
        return "lost"

    assert await flow.ainvoke(1, CFG) == "caught"
    assert caplog.records == []
