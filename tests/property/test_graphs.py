"""Random small programs: how, where and in what pieces they run changes nothing.

A `Shape` is drawn; `build` makes the graph of it, sync or async. Every node notes what it saw, so
that a difference in planning, joining or the order of writes shows in the result.
"""

from __future__ import annotations

import asyncio
import operator
import os
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypedDict

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.saver import EngineSaver
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.errors import AlreadyAnsweredError, EmptyInputError
from caesura.func import task
from caesura.graph import START, StateGraph
from caesura.storage.sqlite import connect
from caesura.testing.faults import FailingSaver, InjectedFailureError
from caesura.types import Command, Send, interrupt, interrupts

SOAK = bool(os.environ.get("CAESURA_SOAK"))
"""`make soak`: many more examples, and other ones every time."""


def few(max_examples: int) -> settings:
    """As many examples as an ordinary test run has time for."""
    return settings(
        max_examples=max_examples * (30 if SOAK else 1),
        derandomize=not SOAK,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    sum: Annotated[int, operator.add]


# --- shapes --------------------------------------------------------------------------------------

KINDS = ("plain", "ask", "call", "ask-call-ask", "ask-two", "fan", "fan-ask", "nested", "task-ask")


@dataclass(frozen=True)
class NodeShape:
    """A node: its name, what it does, and which nodes of the layer before it waits for."""

    name: str
    kind: str
    after: tuple[str, ...]


Shape = tuple[NodeShape, ...]


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """One to three layers of one to three nodes."""
    made: list[NodeShape] = []
    before: list[str] = []
    for layer in range(draw(st.integers(1, 3))):
        names = [f"n{layer}{place}" for place in range(draw(st.integers(1, 3)))]
        for name in names:
            after = draw(st.sets(st.sampled_from(before), min_size=1)) if before else set()
            made.append(NodeShape(name, draw(st.sampled_from(KINDS)), tuple(sorted(after))))
        before = names
    return tuple(made)


@dataclass
class Counts:
    """How often each task body ran, and each node's to its end."""

    ran: Counter[str] = field(default_factory=Counter)

    def note(self, name: str, state: Any, *parts: Any) -> dict[str, Any]:
        """What a node returns: what it saw and got."""
        self.ran[name] += 1
        seen = f"{len(state.get('log', ()))}/{state.get('sum', 0)}"
        return {"log": [":".join([name, seen, *map(str, parts)])], "sum": len(name) + len(parts)}


def build(shape: Shape, counts: Counts, saver: Any, *, asynchronous: bool) -> Any:
    """The graph of a shape."""
    graph = StateGraph(State)
    make = _async_node if asynchronous else _sync_node
    for node in shape:
        graph.add_node(node.name, make(node, counts))
        for name in node.after or (START,):
            if len(node.after) < 2:
                graph.add_edge(name, node.name)
        if len(node.after) > 1:
            graph.add_edge(list(node.after), node.name)
        if node.kind.startswith("fan"):
            _add_workers(graph, node, counts, asynchronous=asynchronous)
    return graph.compile(checkpointer=saver)


def _in_colour(function: Any, *, asynchronous: bool) -> Any:
    """The function, or an async one that does the same in the event loop."""

    async def awaited(value: Any) -> Any:
        return function(value)

    return awaited if asynchronous else function


def _add_workers(graph: Any, node: NodeShape, counts: Counts, *, asynchronous: bool) -> None:
    worker = f"{node.name}w"

    def work(item: Any) -> Any:
        answer = interrupt(f"{worker}-{item['item']}?") if node.kind == "fan-ask" else ""
        return counts.note(f"{worker}-{item['item']}", {}, answer)

    def fan(state: Any) -> list[Send]:
        return [Send(worker, {"item": number}) for number in range(2)]

    graph.add_node(worker, _in_colour(work, asynchronous=asynchronous))
    graph.add_conditional_edges(node.name, _in_colour(fan, asynchronous=asynchronous), [worker])


def _child(name: str, counts: Counts, *, asynchronous: bool) -> Any:
    def asks(state: Any) -> Any:
        return counts.note(f"{name}a", state, interrupt(f"{name}-child?"))

    def ends(state: Any) -> Any:
        return counts.note(f"{name}b", state)

    child = StateGraph(State)
    child.add_node("asks", _in_colour(asks, asynchronous=asynchronous), input_schema=State)
    child.add_node("ends", _in_colour(ends, asynchronous=asynchronous), input_schema=State)
    child.add_edge(START, "asks")
    child.add_edge("asks", "ends")
    return child.compile()


def _sync_node(node: NodeShape, counts: Counts) -> Any:
    name = node.name

    @task
    def work(number: int) -> int:
        counts.ran[f"{name}-{number}"] += 1
        return number * 10

    @task
    def asks(number: int) -> str:
        return f"{number}{interrupt(f'{name}-task-{number}?')}"

    def body(state: State) -> Any:
        if node.kind == "ask":
            return counts.note(name, state, interrupt(f"{name}?"))
        if node.kind == "call":
            return counts.note(name, state, *[one.result() for one in [work(1), work(2)]])
        if node.kind == "ask-call-ask":
            first = interrupt(f"{name}-first?")
            return counts.note(name, state, first, work(1).result(), interrupt(f"{name}-second?"))
        if node.kind == "ask-two":
            return counts.note(name, state, *interrupts([f"{name}-one?", f"{name}-other?"]))
        if node.kind == "task-ask":
            return counts.note(name, state, *[one.result() for one in [asks(1), asks(2)]])
        return counts.note(name, state)

    return _child(name, counts, asynchronous=False) if node.kind == "nested" else body


def _async_node(node: NodeShape, counts: Counts) -> Any:
    name = node.name

    @task
    async def work(number: int) -> int:
        counts.ran[f"{name}-{number}"] += 1
        await asyncio.sleep(0)
        return number * 10

    @task
    async def asks(number: int) -> str:
        return f"{number}{interrupt(f'{name}-task-{number}?')}"

    async def body(state: State) -> Any:
        if node.kind == "ask":
            return counts.note(name, state, interrupt(f"{name}?"))
        if node.kind == "call":
            return counts.note(name, state, *await asyncio.gather(work(1), work(2)))
        if node.kind == "ask-call-ask":
            first = interrupt(f"{name}-first?")
            return counts.note(name, state, first, await work(1), interrupt(f"{name}-second?"))
        if node.kind == "ask-two":
            return counts.note(name, state, *interrupts([f"{name}-one?", f"{name}-other?"]))
        if node.kind == "task-ask":
            calls = [asks(1), asks(2)]
            return counts.note(name, state, *[await call for call in calls])
        return counts.note(name, state)

    return _child(name, counts, asynchronous=True) if node.kind == "nested" else body


# --- running -------------------------------------------------------------------------------------

INPUT = {"log": ["in"], "sum": 1}
CONFIG: Any = {"configurable": {"thread_id": "thread-1"}}
MOST_CALLS = 100
Fresh = Callable[[], Any]
"""Gives the store as a new process would open it."""
Choose = Callable[[list[Any]], list[Any]]
"""Which of the open interrupts to answer now."""


def together(asked: list[Any]) -> list[Any]:
    return asked


def one_by_one(seed: int) -> Choose:
    """One at a time, in an order that depends on the seed."""
    chance = random.Random(seed)
    return lambda asked: [chance.choice(sorted(asked, key=lambda one: str(one.value)))]


def answers_to(asked: list[Any], choose: Choose) -> Command[Any]:
    return Command(resume={one.id: f"<{one.value[:-1]}>" for one in choose(asked)})


@contextmanager
def memory() -> Iterator[Fresh]:
    saver = InMemorySaver()
    yield lambda: saver


@contextmanager
def sqlite() -> Iterator[Fresh]:
    with tempfile.TemporaryDirectory() as folder:
        opened: list[SqliteSaver] = []

        def fresh() -> SqliteSaver:
            while opened:
                opened.pop().close()
            opened.append(SqliteSaver(connect(str(Path(folder) / "db"))))
            return opened[0]

        yield fresh
        with closing(opened.pop()):
            pass


Ended = tuple[dict[str, Any], Counter[str]]


def run(shape: Shape, fresh: Fresh, choose: Choose, *, in_pieces: bool = False) -> Ended:
    """Run to the end. ``in_pieces``: stop before every step and go on with everything new."""
    counts = Counts()
    graph = build(shape, counts, fresh(), asynchronous=False)
    stops: Any = "*" if in_pieces else None
    given: Any = INPUT
    for _ in range(MOST_CALLS):
        result = graph.invoke(given, CONFIG, interrupt_before=stops)
        if in_pieces:
            graph = build(shape, counts, fresh(), asynchronous=False)
        asked = result.pop("__interrupt__", [])
        if asked:
            given = answers_to(asked, choose)
        elif in_pieces and graph.get_state(CONFIG).next:
            given = None
        else:
            return result, counts.ran
    raise AssertionError("the program never came to its end")


async def arun(shape: Shape, fresh: Fresh, choose: Choose, *, in_pieces: bool = False) -> Ended:
    """`run`, async."""
    counts = Counts()
    graph = build(shape, counts, fresh(), asynchronous=True)
    stops: Any = "*" if in_pieces else None
    given: Any = INPUT
    for _ in range(MOST_CALLS):
        result = await graph.ainvoke(given, CONFIG, interrupt_before=stops)
        if in_pieces:
            graph = build(shape, counts, fresh(), asynchronous=True)
        asked = result.pop("__interrupt__", [])
        if asked:
            given = answers_to(asked, choose)
        elif in_pieces and (await graph.aget_state(CONFIG)).next:
            given = None
        else:
            return result, counts.ran
    raise AssertionError("the program never came to its end")


def reference(shape: Shape) -> Ended:
    """Sync, in memory, in one piece, all answers together."""
    with memory() as fresh:
        return run(shape, fresh, together)


# --- laws ----------------------------------------------------------------------------------------


@few(max_examples=60)
@given(shapes())
def test_sync_and_async_memory_and_sqlite_give_the_same_result(shape: Shape) -> None:
    expected = reference(shape)
    with sqlite() as fresh:
        assert run(shape, fresh, together) == expected
    with memory() as fresh:
        assert asyncio.run(arun(shape, fresh, together)) == expected
    with sqlite() as fresh:
        assert asyncio.run(arun(shape, fresh, together)) == expected


@few(max_examples=60)
@given(shapes(), st.integers(0, 10**6))
def test_answers_in_any_order_give_the_same_result_and_repeat_no_task(
    shape: Shape, seed: int
) -> None:
    expected = reference(shape)
    assert set(expected[1].values()) <= {1}
    with memory() as fresh:
        assert run(shape, fresh, one_by_one(seed)) == expected
    with memory() as fresh:
        assert asyncio.run(arun(shape, fresh, one_by_one(seed))) == expected


@few(max_examples=40)
@given(shapes(), st.integers(0, 10**6))
def test_a_stop_before_every_step_and_a_fresh_start_give_the_same_result(
    shape: Shape, seed: int
) -> None:
    expected = reference(shape)
    with sqlite() as fresh:
        assert run(shape, fresh, one_by_one(seed), in_pieces=True) == expected
    with sqlite() as fresh:
        assert asyncio.run(arun(shape, fresh, together, in_pieces=True)) == expected


class Jumbled(EngineSaver):
    """Before another saver: lets other coroutines go first, as a seed says."""

    def __init__(self, inner: Any, seed: int) -> None:
        super().__init__(serde=inner.serde)
        self.inner = inner
        self.chance = random.Random(seed)

    async def aexecute(self, op: Any) -> Any:
        for _ in range(self.chance.choice((0, 0, 1, 3, 9))):
            await asyncio.sleep(0)
        result = await self.inner.aexecute(op)
        for _ in range(self.chance.choice((0, 0, 1, 3, 9))):
            await asyncio.sleep(0)
        return result


async def answer_at_once(shape: Shape, seed: int) -> Ended:
    """Run to the end; each question that is open is answered by a run of its own, all at once."""
    counts = Counts()
    graph = build(shape, counts, Jumbled(InMemorySaver(), seed), asynchronous=True)
    await graph.ainvoke(INPUT, CONFIG)
    for _ in range(MOST_CALLS):
        state = await graph.aget_state(CONFIG)
        if not state.interrupts:
            assert state.next == (), "nobody goes on"
            return state.values, counts.ran
        people = [answers_to([one], together) for one in state.interrupts]
        await asyncio.gather(*[graph.ainvoke(answer, CONFIG) for answer in people])
    raise AssertionError("the program never came to its end")


@few(max_examples=300)
@given(shapes(), st.integers(0, 10**6))
@example((NodeShape("n00", "ask-two", ()),), 6)
@example((NodeShape("n00", "nested", ()), NodeShape("n01", "nested", ())), 35)
def test_all_questions_answered_at_the_same_moment_give_the_same_result(
    shape: Shape, seed: int
) -> None:
    assert asyncio.run(answer_at_once(shape, seed)) == reference(shape)


@few(max_examples=100)
@given(shapes(), st.integers(1, 40), st.booleans(), st.booleans())
def test_a_store_that_dies_at_any_operation_changes_no_result(
    shape: Shape, n: int, after: bool, for_good: bool
) -> None:
    expected, _ = reference(shape)
    inner = InMemorySaver()
    graph = build(
        shape, Counts(), FailingSaver(inner, n, after=after, for_good=for_good), asynchronous=False
    )
    given: Any = INPUT
    for _ in range(MOST_CALLS):
        try:
            result = graph.invoke(given, CONFIG)
        except InjectedFailureError:
            graph = build(shape, Counts(), inner, asynchronous=False)
            given = given if isinstance(given, Command) else None
        except EmptyInputError:
            given = INPUT
        except AlreadyAnsweredError as refusal:
            kept = given.resume[refusal.interrupt_id] == refusal.answer
            given = None
            if not kept:
                raise
        else:
            asked = result.pop("__interrupt__", [])
            if not asked:
                assert result == expected
                return
            given = answers_to(asked, together)
    raise AssertionError("the program never came to its end")
