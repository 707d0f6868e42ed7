"""The twelve promises, as far as the library keeps them without a server: one test or more each."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.databases import stored_bytes

from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.operations import FindInterrupts, FindNamespaces, FindThreads, History
from caesura.checkpoint.serde.jsonplus import JsonPlusSerializer
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.errors import (
    AlreadyAnsweredError,
    CaesuraError,
    DeserializationError,
    GraphBubbleUp,
    StaleThreadError,
    SwallowedInterruptError,
)
from caesura.func import task
from caesura.graph import START, StateGraph
from caesura.storage.sqlite import connect
from caesura.testing.faults import FailingSaver
from caesura.types import Command, RetryPolicy, Send, interrupt

from .dies_when_paused import program as paused_program
from .shapes import State, line, side_by_side

WHERE: Any = {"configurable": {"thread_id": "thread-1"}}


def asking(question: Any) -> Callable[[State], State]:
    def node(state: State) -> State:
        return {"log": [f"{question} {interrupt(question)}"]}

    return node


def everything(saver: Any) -> list[Any]:
    """All that is stored."""
    spaces = sorted(saver.execute(FindNamespaces()))
    stored: list[Any] = list(spaces)
    for space in spaces:
        stored += [
            (loaded.checkpoint_id, loaded.metadata, loaded.values, loaded.writes, loaded.rows)
            for loaded in saver.execute(History(space.thread_id, space.ns))
        ]
    return stored + saver.execute(FindInterrupts(status=None))


# --- 1 One answer --------------------------------------------------------------------------------


def test_promise_01_an_interrupt_is_answered_at_most_once_and_losers_learn_what_was_decided(
    saver: Any,
) -> None:
    graph = line(saver, asks=asking("go?"))
    id = graph.invoke({"log": []}, WHERE)["__interrupt__"][0].id
    start = threading.Barrier(8)

    def answer(who: int) -> Any:
        start.wait()
        try:
            return graph.invoke(Command(resume={id: who}), WHERE)["log"][0]
        except AlreadyAnsweredError as refusal:
            return refusal.answer

    with ThreadPoolExecutor(8) as pool:
        heard = list(pool.map(answer, range(8)))
    decided = saver.execute(FindInterrupts("thread-1", status="answered"))[0].answer
    assert Counter(map(str, heard)) == {f"go? {decided}": 1, str(decided): 7}


# --- 2 The right question ------------------------------------------------------------------------


def test_promise_02_each_answer_reaches_the_interrupt_it_names(saver: Any) -> None:
    def one(item: Any) -> State:
        first = interrupt(f"{item['item']} first?")
        return {"log": [f"{item['item']} {first} {interrupt('the same question?')}"]}

    graph = StateGraph(State)
    graph.add_node("one", one)
    graph.add_conditional_edges(
        START, lambda state: [Send("one", {"item": item}) for item in "abc"], ["one"]
    )
    program = graph.compile(checkpointer=saver)
    result = program.invoke({"log": []}, WHERE)
    for _ in range(6):
        assert "__interrupt__" in result
        waiting = program.get_state(WHERE)
        asked = {i.id: t.id for t in waiting.tasks for i in t.interrupts}
        newest = max(asked)  # ids are digests: an order that is nobody's
        result = program.invoke(Command(resume={newest: f"<{asked[newest]}>"}), WHERE)
    tasks = [entry.split(" ")[1:] for entry in result["log"]]
    assert [entry[0] for entry in result["log"]] == ["a", "b", "c"]
    assert all(first == second for first, second in tasks)
    assert len({first for first, _ in tasks}) == 3


def test_promise_02_a_bare_answer_goes_to_the_one_question_open_when_it_is_handed_in(
    saver: Any,
) -> None:
    graph = line(saver, a=asking("a?"), b=asking("b?"))
    graph.invoke({"log": []}, WHERE)
    assert graph.invoke(Command(resume="yes"), WHERE)["__interrupt__"][0].value == "b?"
    answered = saver.execute(FindInterrupts("thread-1", status="answered"))
    assert [(row.payload, row.answer) for row in answered] == [("a?", "yes")]


# --- 3 Nothing acknowledged is lost --------------------------------------------------------------


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_promise_03_a_pause_that_was_told_survives_the_death_of_the_process(
    durability: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.acceptance.dies_when_paused"]
    command += [str(tmp_path / "db"), durability]
    told = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert told.returncode == -9
    with closing(SqliteSaver(connect(str(tmp_path / "db")))) as saver:
        graph = paused_program(saver)
        waiting = graph.get_state(WHERE).interrupts
        assert [one.id for one in waiting] == [told.stdout.strip()]
        assert graph.invoke(Command(resume="yes"), WHERE) == {"answer": "yes"}


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("mode", ["updates", "values", "tasks"])
def test_promise_03_a_stream_tells_of_a_pause_only_after_it_is_stored(
    saver: Any, mode: str, durability: str
) -> None:
    graph = line(saver, asks=asking("go?"))
    told = 0
    for event in graph.stream({"log": []}, WHERE, stream_mode=mode, durability=durability):
        if "__interrupt__" in event or event.get("interrupts"):
            told += 1
            assert len(saver.execute(FindInterrupts("thread-1"))) == 1
    assert told == 1


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_promise_03_an_answer_that_was_accepted_is_used_although_the_run_died(
    saver: Any, durability: str
) -> None:
    dying = True

    def asks(state: State) -> State:
        answer = interrupt("go?")
        if dying:
            raise MemoryError("the process is about to die")
        return {"log": [answer]}

    graph = line(saver, asks=asks)
    graph.invoke({"log": []}, WHERE, durability=durability)
    with pytest.raises(MemoryError):
        graph.invoke(Command(resume="yes"), WHERE, durability=durability)
    dying = False
    assert line(saver, asks=asks).invoke(None, WHERE, durability=durability) == {"log": ["yes"]}


# --- 4 Finished work is not repeated -------------------------------------------------------------


def test_promise_04_after_a_failure_only_what_failed_runs_again(saver: Any) -> None:
    ran: Counter[str] = Counter()
    broken = True

    @task
    def pay(what: str) -> str:
        ran[what] += 1
        return what

    def good(state: State) -> State:
        ran["good"] += 1
        return {"log": [pay("a").result()]}

    def bad(state: State) -> State:
        ran["bad"] += 1
        paid = pay("b").result()
        if broken:
            raise ValueError("not now")
        return {"log": [paid]}

    graph = side_by_side(saver, bad=bad, good=good)
    with pytest.raises(ValueError, match="not now"):
        graph.invoke({"log": []}, WHERE)
    broken = False
    assert graph.invoke(None, WHERE)["log"] == ["b", "a"]
    assert ran == {"a": 1, "b": 1, "good": 1, "bad": 2}


def test_promise_04_a_task_that_can_get_no_further_is_not_started(saver: Any) -> None:
    ran: Counter[str] = Counter()

    def noting(name: str) -> Callable[[State], State]:
        def node(state: State) -> State:
            ran[name] += 1
            return {"log": [interrupt(f"{name}?")]}

        return node

    graph = side_by_side(saver, a=noting("a"), b=noting("b"))
    first = graph.invoke({"log": []}, WHERE)["__interrupt__"]
    graph.invoke(None, WHERE)
    graph.invoke(Command(resume={first[0].id: 1}), WHERE)
    graph.invoke(None, WHERE)
    assert ran == {"a": 2, "b": 1}


# --- 5 No way past a person ----------------------------------------------------------------------


def _catches_everything() -> Any:
    try:
        return interrupt("go?")
    except BaseException:
        return "past"


def _suppresses() -> Any:
    with contextlib.suppress(BaseException):
        return interrupt("go?")
    return "past"


def _returns_in_finally() -> Any:
    try:
        return interrupt("go?")
    finally:
        return "past"  # noqa: B012, SIM107


def _raises_something_else() -> Any:
    try:
        return interrupt("go?")
    except BaseException:
        raise ValueError("past") from None


def _asks_in_a_thread() -> Any:
    import contextvars

    thread = ThreadPoolExecutor(1)
    with thread:
        thread.submit(contextvars.copy_context().run, interrupt, "go?")
    return "past"


@pytest.mark.parametrize(
    "way",
    [
        _catches_everything,
        _suppresses,
        _returns_in_finally,
        _raises_something_else,
        _asks_in_a_thread,
    ],
)
def test_promise_05_a_pause_cannot_be_swallowed(saver: Any, way: Any) -> None:
    ran: list[str] = []

    def asks(state: State) -> State:
        return {"log": [way()]}

    def acts(state: State) -> State:
        ran.append("acts")
        return {}

    graph = line(saver, asks=asks, acts=acts)
    with pytest.raises(SwallowedInterruptError):
        graph.invoke({"log": []}, WHERE)
    assert ran == []
    assert graph.get_state(WHERE).next == ("asks",)


def test_promise_05_the_pause_is_no_exception_and_is_not_retried(saver: Any) -> None:
    assert not issubclass(GraphBubbleUp, Exception)
    ran: list[str] = []

    def asks(state: State) -> State:
        ran.append("asks")
        return {"log": [interrupt("go?")]}

    graph = StateGraph(State)
    graph.add_node("asks", asks, retry_policy=RetryPolicy(max_attempts=3, retry_on=BaseException))
    graph.add_edge(START, "asks")
    assert "__interrupt__" in graph.compile(checkpointer=saver).invoke({"log": []}, WHERE)
    assert ran == ["asks"]


# --- 6 What was shown is what was approved -------------------------------------------------------


def test_promise_06_an_answer_to_another_payload_is_not_used(saver: Any) -> None:
    shown = {"pay": 1}

    def asks(state: State) -> State:
        return {"log": [interrupt(dict(shown), key="pay")]}

    graph = line(saver, asks=asks)
    first = graph.invoke({"log": []}, WHERE)["__interrupt__"][0]
    shown["pay"] = 82_000
    second = graph.invoke(Command(resume={first.id: "approve"}), WHERE)["__interrupt__"][0]
    assert second.value == {"pay": 82_000}
    assert second.digest != first.digest
    rows = saver.execute(FindInterrupts("thread-1", status=None))
    assert [(row.id, row.status) for row in rows] == [(first.id, "superseded"), (second.id, "open")]
    assert graph.invoke(Command(resume="reject"), WHERE)["log"] == ["reject"]


# --- 7 A refused command changes nothing ---------------------------------------------------------


def test_promise_07_a_refused_command_changes_nothing(saver: Any) -> None:
    def asks(state: State) -> State:
        return {"log": [interrupt("n?", response_schema=int)]}

    graph = side_by_side(saver, a=asks, b=asking("b?"))
    waiting = graph.invoke({"log": []}, WHERE)["__interrupt__"]
    one, two = (item.id for item in waiting)
    done: Any = {"configurable": {"thread_id": "done"}}
    graph.invoke({"log": []}, done)
    over = {item.id: 1 for item in graph.get_state(done).interrupts}
    graph.invoke(Command(resume=over), done)
    unknown: Any = {"configurable": {"thread_id": "unknown"}}
    refused = [
        (Command(resume="bare, but two wait"), WHERE),
        (Command(resume={"0" * 32: 1}), WHERE),
        (Command(resume={two: "fine", one: "no number"}), WHERE),
        (Command(resume={}), WHERE),
        (Command(), WHERE),
        (Command(resume="x"), done),
        (Command(resume=over), done),
        (Command(resume="x"), unknown),
        (Command(resume={one: 1}), unknown),
        (None, unknown),
    ]
    before = everything(saver)
    codes = []
    for given, where in refused:
        with pytest.raises(CaesuraError) as refusal:
            graph.invoke(given, where)
        codes.append(refusal.value.code)
        assert everything(saver) == before
    assert codes == [
        "ambiguous_resume",
        "unknown_interrupt",
        "invalid_answer",
        "unknown_interrupt",
        "empty_input",
        "nothing_to_resume",
        "already_answered",
        "unknown_thread",
        "unknown_thread",
        "empty_input",
    ]
    assert graph.invoke(Command(resume={one: 1, two: "fine"}), WHERE)["log"] == [1, "b? fine"]


# --- 8 Reading never executes --------------------------------------------------------------------


@dataclass
class Trap:
    """Notes when it is built."""

    built: ClassVar[list[int]] = []
    number: int

    def __post_init__(self) -> None:
        self.built.append(self.number)

    def __reduce__(self) -> Any:
        return (Trap, (self.number,))


def test_promise_08_reading_builds_no_class_that_was_not_allowed(saver: Any) -> None:
    line(saver, sets=lambda state: {"log": [Trap(1)]}).invoke({"log": []}, WHERE)
    Trap.built.clear()
    graph = line(saver, other=lambda state: {})
    read = graph.get_state(WHERE).values["log"]
    assert Trap.built == []
    assert not isinstance(read[0], Trap)


def test_promise_08_pickles_are_never_read() -> None:
    data = pickle.dumps(Trap(1))
    Trap.built.clear()
    for serde in (JsonPlusSerializer(), JsonPlusSerializer(allowed_msgpack_modules=True)):
        with pytest.raises(DeserializationError):
            serde.loads_typed(("pickle", data))
    with pytest.raises(ValueError, match="pickle"):
        JsonPlusSerializer(pickle_fallback=True)
    assert Trap.built == []


# --- 9 Waiting is free ---------------------------------------------------------------------------


def test_promise_09_threads_that_wait_hold_nothing_and_slow_nothing(saver: Any) -> None:
    counting = FailingSaver(saver)
    graph = line(counting, asks=asking("go?"))

    def operations(act: Callable[[], Any]) -> int:
        before = counting.count
        act()
        return counting.count - before

    def whole_life(name: str) -> tuple[int, int]:
        where: Any = {"configurable": {"thread_id": name}}
        asks = operations(lambda: graph.invoke({"log": []}, where))
        return asks, operations(lambda: graph.invoke(Command(resume="yes"), where))

    alone = whole_life("first")
    running = threading.active_count()
    for number in range(300):
        graph.invoke({"log": []}, {"configurable": {"thread_id": f"waits-{number}"}})
    assert threading.active_count() <= running
    assert whole_life("last") == alone
    assert len(saver.execute(FindInterrupts(status="open"))) == 300
    assert {t.open_interrupts for t in saver.execute(FindThreads())} == {0, 1}


async def test_promise_09_an_async_pause_leaves_no_task_behind(saver: Any) -> None:
    async def asks(state: State) -> State:
        return {"log": [interrupt("go?")]}

    graph = side_by_side(saver, a=asks, b=asks)
    await graph.ainvoke({"log": []}, WHERE)
    assert asyncio.all_tasks() == {asyncio.current_task()}


# --- 10 Storage is linear ------------------------------------------------------------------------


def test_promise_10_a_step_stores_what_it_changed_and_not_the_state(saver: Any) -> None:
    ballast = "x" * 200_000
    graph = StateGraph(State)
    graph.add_node("steps", lambda state: {"log": ["s"]})
    graph.add_edge(START, "steps")
    graph.add_conditional_edges(
        "steps", lambda state: "steps" if len(state["log"]) < 200 else "__end__"
    )
    program = graph.compile(checkpointer=saver)
    program.invoke({"log": [], "ballast": ballast}, {**WHERE, "recursion_limit": 300})
    assert len(list(program.get_state_history(WHERE))) > 200
    assert stored_bytes(saver) < 6 * len(ballast)


def test_promise_10_a_list_that_grows_is_stored_about_once(saver: Any) -> None:
    graph = line(saver, adds=lambda state: {"log": ["y" * 500]})
    sizes = []
    for _ in range(3):
        for _ in range(100):
            graph.invoke({"log": []}, WHERE)
        sizes.append(stored_bytes(saver))
    first, second, third = sizes[0], sizes[1] - sizes[0], sizes[2] - sizes[1]
    assert max(second, third) < 2 * first
    assert sizes[-1] < 12 * 300 * 500


# --- 11 One run per thread -----------------------------------------------------------------------


def test_promise_11_a_run_that_was_overtaken_cannot_commit(saver: Any) -> None:
    overtaken: list[bool] = []

    def slow(state: State) -> State:
        if not overtaken:
            overtaken.append(True)
            other = threading.Thread(target=graph.invoke, args=({"log": ["new"]}, WHERE))
            other.start()
            other.join()
            return {"log": ["stale"]}
        return {"log": ["fresh"]}

    graph = line(saver, slow=slow, ends=lambda state: {"log": ["end"]})
    with pytest.raises(StaleThreadError):
        graph.invoke({"log": ["old"]}, WHERE)
    assert graph.get_state(WHERE).values["log"] == ["old", "new", "fresh", "end"]
    assert graph.get_state(WHERE).next == ()


def test_promise_11_an_edit_overtakes_a_run_too(saver: Any) -> None:
    def slow(state: State) -> State:
        other = threading.Thread(target=graph.update_state, args=(WHERE, {"log": ["edit"]}, "slow"))
        other.start()
        other.join()
        return {"log": ["stale"]}

    graph = line(saver, slow=slow, ends=lambda state: {"log": ["end"]})
    with pytest.raises(StaleThreadError):
        graph.invoke({"log": []}, WHERE)
    assert graph.invoke(None, WHERE)["log"] == ["edit", "end"]


# --- 12 Same everywhere --------------------------------------------------------------------------


MOST_CALLS = 10


def everything_at_once(saver: Any) -> Any:
    """Sends, tasks, a nested graph and pauses side by side."""

    @task
    def double(number: int) -> int:
        return 2 * number

    def child_asks(state: State) -> State:
        return {"log": [f"child {interrupt('child?')}"]}

    child = line(None, child_asks=child_asks, child_ends=lambda state: {"log": ["child end"]})

    def plans(state: State) -> Command[Any]:
        return Command(update={"log": ["plan"]}, goto=[Send("works", {"n": n}) for n in (1, 2)])

    def works(item: Any) -> State:
        number = double(item["n"]).result()
        return {"log": [f"work {number} {interrupt(f'work {number}?')}"]}

    graph = StateGraph(State)
    graph.add_node("plans", plans, destinations=("works",))
    graph.add_node("works", works)
    graph.add_node("child", child)
    graph.add_node("ends", lambda state: {"log": [f"end {len(state['log'])}"]})
    graph.add_edge(START, "plans")
    graph.add_edge("plans", "child")
    graph.add_edge(["works", "child"], "ends")
    return graph.compile(checkpointer=saver)


def seen_sync(saver: Any) -> Any:
    graph, seen = everything_at_once(saver), []
    given: Any = {"log": []}
    for _ in range(MOST_CALLS):
        seen.append(
            sorted(map(str, _plain(list(graph.stream(given, WHERE, stream_mode="updates")))))
        )
        state = graph.get_state(WHERE)
        seen.append(_shape(state))
        if not state.interrupts:
            break
        asked = sorted(state.interrupts, key=lambda one: one.value)
        given = Command(resume={asked[0].id: f"<{asked[0].value}>"})
    return seen, [_shape(state) for state in graph.get_state_history(WHERE)]


async def seen_async(saver: Any) -> Any:
    graph, seen = everything_at_once(saver), []
    given: Any = {"log": []}
    for _ in range(MOST_CALLS):
        events = [event async for event in graph.astream(given, WHERE, stream_mode="updates")]
        seen.append(sorted(map(str, _plain(events))))
        state = await graph.aget_state(WHERE)
        seen.append(_shape(state))
        if not state.interrupts:
            break
        asked = sorted(state.interrupts, key=lambda one: one.value)
        given = Command(resume={asked[0].id: f"<{asked[0].value}>"})
    return seen, [_shape(state) async for state in graph.aget_state_history(WHERE)]


def _plain(events: list[Any]) -> list[Any]:
    """Events without ids, which differ from run to run."""
    return [
        {k: sorted(i.value for i in v) if k == "__interrupt__" else v for k, v in event.items()}
        for event in events
    ]


def _shape(state: Any) -> Any:
    """A snapshot without ids and times."""
    tasks = [
        (t.name, t.error, sorted(i.value for i in t.interrupts), t.result) for t in state.tasks
    ]
    step = state.metadata["step"], state.metadata["source"]
    return state.values, state.next, step, tasks


def test_promise_12_sync_and_async_memory_and_sqlite_behave_the_same(tmp_path: Path) -> None:
    expected = seen_sync(InMemorySaver())
    assert expected[0][-1][0]["log"][-1].startswith("end")
    results = {task[0]: task[-1] for state in expected[1] for task in state[-1]}
    assert results["ends"] == {"log": ["end 6"]}, "the record of the last task is missing"
    assert asyncio.run(seen_async(InMemorySaver())) == expected
    for name, see in (("sync", seen_sync), ("async", lambda s: asyncio.run(seen_async(s)))):
        with closing(SqliteSaver(connect(str(tmp_path / name)))) as saver:
            assert see(saver) == expected
