"""The programs measured, written once for both packages, for sync and async.

A workload is a coroutine. Its sync form awaits nothing that waits, so that it is driven without an event
loop (see `benchmarks.worker`). It returns what it measured, in the units that `WORKLOADS` declares, and
a result, which must be the same on both packages.
"""

from __future__ import annotations

import asyncio
import operator
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Annotated, Any, NamedTuple, TypedDict

from benchmarks.packages import Package, Place

KEYS = 300
"""Of the wide state."""


class Count(TypedDict):
    """A counter."""

    n: int


class Log(TypedDict):
    """A list that grows."""

    log: Annotated[list[Any], operator.add]


class Took(NamedTuple):
    """Microseconds on the clock, and of the processor, all threads of this process taken together.

    The second leaves out the disk and Postgres, and what other processes took from this one.
    """

    wall: float
    cpu: float


class Outcome(NamedTuple):
    """What one run of a workload found: times; and what is no time, as numbers."""

    measures: dict[str, Took | float]
    result: Any


@dataclass
class Bench:
    """What a workload runs on."""

    package: Package
    saver: Any
    place: Place
    size: int

    @property
    def asynchronous(self) -> bool:
        """True if the program is async."""
        return self.place.asynchronous

    def colour(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The function, sync or async as the program is."""
        if not self.asynchronous:
            return function

        async def coloured(state: Any) -> Any:
            return function(state)

        return coloured

    async def invoke(self, graph: Any, given: Any, thread: Any) -> Any:
        """Run a graph."""
        if self.asynchronous:
            return await graph.ainvoke(given, config(thread))
        return graph.invoke(given, config(thread))

    async def stream(self, graph: Any, given: Any, mode: str) -> list[Any]:
        """Everything that a stream gives."""
        if self.asynchronous:
            return [each async for each in graph.astream(given, config(mode), stream_mode=mode)]
        return list(graph.stream(given, config(mode), stream_mode=mode))

    async def newest(self, limit: int) -> list[Any]:
        """Checkpoints of any thread."""
        if self.asynchronous:
            return [each async for each in self.saver.alist(None, limit=limit)]
        return list(self.saver.list(None, limit=limit))

    def builder(self, state: Any) -> Any:
        """A new graph."""
        return self.package.graph.StateGraph(state)

    def looping(self, steps: int, work: Callable[[Any], Any], state: Any = Count) -> Any:
        """A graph of one node, which runs again until ``n`` is ``steps``."""
        g, builder = self.package.graph, self.builder(state)
        builder.add_node("work", self.colour(work))
        builder.add_edge(g.START, "work")
        again = self.colour(lambda s: g.END if s["n"] >= steps else "work")
        builder.add_conditional_edges("work", again, ["work", g.END])
        return builder.compile(checkpointer=self.saver)


def config(thread: Any) -> dict[str, Any]:
    """The config of a thread."""
    return {"configurable": {"thread_id": str(thread)}, "recursion_limit": 1_000_000}


class Clock:
    """The time since it was made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def per(self, units: int) -> Took:
        """The time per unit."""
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        return Took(wall / units * 1e6, cpu / units * 1e6)


def typical(some: Sequence[Took]) -> Took:
    """The median of each clock."""
    return Took(median(each.wall for each in some), median(each.cpu for each in some))


def plus_one(state: Any) -> Any:
    """The work of most nodes here."""
    return {"n": state["n"] + 1}


# --- steps, tasks, pauses ------------------------------------------------------------------------


async def loop(bench: Bench) -> Outcome:
    """One node, over and over."""
    graph = bench.looping(bench.size, plus_one)
    clock = Clock()
    result = await bench.invoke(graph, {"n": 0}, 1)
    return Outcome({"a step": clock.per(bench.size)}, result)


async def wide(bench: Bench) -> Outcome:
    """Steps that change one of 300 keys."""
    keys: Any = {"n": int} | {f"k{i}": int for i in range(KEYS)}
    state: Any = TypedDict("state", keys)  # type: ignore[misc]

    def work(seen: Any) -> Any:
        n = seen["n"]
        return {"n": n + 1, f"k{n % KEYS}": n}

    graph = bench.looping(bench.size, work, state)
    given = {"n": 0} | {f"k{i}": 0 for i in range(KEYS)}
    clock = Clock()
    result = await bench.invoke(graph, given, 1)
    return Outcome({"a step": clock.per(bench.size)}, result)


def _fanning(bench: Bench) -> Any:
    g, send, builder = bench.package.graph, bench.package.types.Send, bench.builder(Log)
    builder.add_node("work", bench.colour(lambda s: {"log": [s["i"]]}))
    out = bench.colour(lambda s: [send("work", {"i": i}) for i in range(bench.size)])
    builder.add_conditional_edges(g.START, out, ["work"])
    return builder.compile(checkpointer=bench.saver)


async def fan_out(bench: Bench) -> Outcome:
    """Many `Send`s in one step."""
    graph = _fanning(bench)
    clock = Clock()
    result = await bench.invoke(graph, {"log": []}, 1)
    return Outcome({"a task": clock.per(bench.size)}, result)


def _flow(bench: Bench, at_once: bool) -> Any:
    """An entrypoint that calls a task ``size`` times."""
    func, size = bench.package.func, bench.size

    @func.task  # type: ignore[untyped-decorator]
    def work(n: int) -> int:
        return n + 1

    @func.task  # type: ignore[untyped-decorator]
    async def awork(n: int) -> int:
        return n + 1

    async def asynchronous(n: int) -> Any:
        if at_once:
            return list(await asyncio.gather(*[awork(i) for i in range(size)]))
        for _ in range(size):
            n = await awork(n)
        return n

    def synchronous(n: int) -> Any:
        if at_once:
            return [f.result() for f in [work(i) for i in range(size)]]
        for _ in range(size):
            n = work(n).result()
        return n

    chosen = asynchronous if bench.asynchronous else synchronous
    return func.entrypoint(checkpointer=bench.saver)(chosen)


async def _flowing(bench: Bench, at_once: bool) -> Outcome:
    flow = _flow(bench, at_once)
    clock = Clock()
    result = await bench.invoke(flow, 0, 1)
    return Outcome({"a task": clock.per(bench.size)}, result)


async def tasks(bench: Bench) -> Outcome:
    """Calls of a task, one after the other."""
    return await _flowing(bench, at_once=False)


async def tasks_at_once(bench: Bench) -> Outcome:
    """Calls of a task, then their results."""
    return await _flowing(bench, at_once=True)


def _asking(bench: Bench) -> Any:
    g, interrupt, builder = bench.package.graph, bench.package.types.interrupt, bench.builder(Log)
    builder.add_node("ask", bench.colour(lambda s: {"log": [interrupt({"pay": 1})]}))
    return builder.add_edge(g.START, "ask").compile(checkpointer=bench.saver)


async def _pause(bench: Bench, graph: Any, threads: Sequence[int]) -> Took:
    clock = Clock()
    for thread in threads:
        await bench.invoke(graph, {"log": []}, thread)
    return clock.per(len(threads))


async def _resume(bench: Bench, graph: Any, threads: Sequence[int]) -> tuple[Took, list[Any]]:
    command, found, clock = bench.package.types.Command, [], Clock()
    for thread in threads:
        found.append(await bench.invoke(graph, command(resume=f"yes {thread}"), thread))
    return clock.per(len(threads)), found


async def pause(bench: Bench) -> Outcome:
    """From input to a stored pause, and from answer to end, on many threads."""
    graph, threads = _asking(bench), range(bench.size)
    pausing = await _pause(bench, graph, threads)
    resuming, result = await _resume(bench, graph, threads)
    return Outcome({"a pause": pausing, "a resume": resuming}, result)


# --- programs ------------------------------------------------------------------------------------


async def nested(bench: Bench) -> Outcome:
    """A loop around a nested graph of two nodes."""
    g, inner = bench.package.graph, bench.builder(Count)
    inner.add_node("one", bench.colour(plus_one))
    inner.add_node("two", bench.colour(plus_one))
    inner.add_edge(g.START, "one").add_edge("one", "two")
    builder = bench.builder(Count)
    builder.add_node("inner", inner.compile())
    builder.add_edge(g.START, "inner")
    again = bench.colour(lambda s: g.END if s["n"] >= 2 * bench.size else "inner")
    builder.add_conditional_edges("inner", again, ["inner", g.END])
    graph = builder.compile(checkpointer=bench.saver)
    clock = Clock()
    result = await bench.invoke(graph, {"n": 0}, 1)
    return Outcome({"a turn": clock.per(bench.size)}, result)


async def streams(bench: Bench) -> Outcome:
    """The loop, read as a stream of values, and of updates."""
    graph, result = bench.looping(bench.size, plus_one), []
    found: dict[str, Took | float] = {}
    for mode in ("values", "updates"):
        clock = Clock()
        result.append(await bench.stream(graph, {"n": 0}, mode))
        found[f"{mode}, a step"] = clock.per(bench.size)
    return Outcome(found, result)


async def stream_messages(bench: Bench) -> Outcome:
    """The loop, each step of which returns a LangChain message, read as a stream of messages."""
    from langchain_core.messages import AIMessage

    add: Any = bench.package.load("graph.message").add_messages
    state: Any = TypedDict("state", {"n": int, "messages": Annotated[list[Any], add]})

    def work(seen: Any) -> Any:
        n = seen["n"]
        return {"n": n + 1, "messages": [AIMessage(content="reply", id=f"m{n}")]}

    graph = bench.looping(bench.size, work, state)
    clock = Clock()
    got = await bench.stream(graph, {"n": 0, "messages": []}, "messages")
    took = clock.per(bench.size)
    return Outcome({"messages, a step": took}, [message.id for message, _ in got])


async def concurrent(bench: Bench) -> Outcome:
    """Runs of five steps on threads of their own, all at once."""
    graph = bench.looping(5, plus_one)
    clock = Clock()
    result = await asyncio.gather(*[bench.invoke(graph, {"n": 0}, i) for i in range(bench.size)])
    return Outcome({"a run": clock.per(bench.size)}, result)


# --- growth --------------------------------------------------------------------------------------


async def chat(bench: Bench) -> Outcome:
    """A chat on one thread: each turn adds a question and an answer of 1 kB each."""
    g, builder = bench.package.graph, bench.builder(Log)
    builder.add_node("reply", bench.colour(lambda s: {"log": ["a" * 1000]}))
    graph = builder.add_edge(g.START, "reply").compile(checkpointer=bench.saver)
    took, result = [], {}
    for turn in range(bench.size):
        clock = Clock()
        result = await bench.invoke(graph, {"log": [f"{turn}".ljust(1000, "q")]}, "chat")
        took.append(clock.per(1))
    early, late = typical(took[5:15]), typical(took[-10:])
    found: dict[str, Took | float] = {"10th turn": early, "last turn": late}
    found |= {"last to 10th": late.cpu / early.cpu, "on disk": bench.place.bytes()}
    return Outcome(found, len(result["log"]))


async def long_thread(bench: Bench) -> Outcome:
    """One run of very many steps, then one more run on its thread."""
    took, clocks = [], [Clock()]

    def work(state: Any) -> Any:
        took.append(clocks[-1].per(1))
        clocks[-1] = Clock()
        return plus_one(state)

    graph, some = bench.looping(bench.size, work), bench.size // 100
    result = [await bench.invoke(graph, {"n": 0}, 1)]
    early, late = typical(took[some // 2 : some // 2 + some]), typical(took[-some:])
    clock = Clock()
    result.append(await bench.invoke(graph, {"n": bench.size - 1}, 1))
    found: dict[str, Took | float] = {"100th step": early, "last step": late}
    found |= {"last to 100th": late.cpu / early.cpu, "one more run": clock.per(1)}
    return Outcome(found | {"on disk": bench.place.bytes()}, result)


async def waiting(bench: Bench) -> Outcome:
    """A list of the newest, and a resume, with few and with many threads waiting in one file."""
    graph, few = _asking(bench), 30
    result: list[Any] = []
    found: dict[str, Took | float] = {}
    resumes = []
    for name, threads in (("few", range(few)), ("many", range(few, few + bench.size))):
        await _pause(bench, graph, threads)
        clock = Clock()
        result.append(len(await bench.newest(10)))
        found[f"list 10 of {name}"] = clock.per(1)
        taken, answers = await _resume(bench, graph, threads[:20])
        found[f"resume one of {name}"] = taken
        resumes.append(taken.cpu)
        result.append(answers)
    found["many to few, resume"] = resumes[1] / resumes[0]
    return Outcome(found, result)


# --- the table -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Workload:
    """A workload, what it measures (and in which unit), and where."""

    run: Callable[[Bench], Awaitable[Outcome]]
    title: str
    measures: dict[str, str]
    size: int
    short: int
    savers: tuple[str, ...]
    colours: tuple[str, ...] = ("sync", "async")
    concurrent: bool = False
    large: int | None = None
    memory: bool = False
    """Measured in a process of its own: the memory that it takes."""

    def sized(self, scale: str) -> int:
        """How large it is: short, full or large."""
        return self.short if scale == "short" else (scale == "large" and self.large) or self.size


ALL = ("none", "memory", "sqlite", "postgres")
STORED = ("memory", "sqlite", "sqlite-full", "postgres")
PAUSED = ("memory", "sqlite-default", "sqlite-full", "postgres")
_STEP, _TASK = {"a step": "µs"}, {"a task": "µs"}

WORKLOADS: dict[str, Workload] = {
    "loop": Workload(loop, "one node, {size} steps", _STEP, 300, 5, ("none", *STORED)),
    "fan-out": Workload(fan_out, "{size} `Send`s", _TASK, 500, 5, ALL),
    "tasks": Workload(tasks, "{size} tasks in sequence", _TASK, 200, 5, ALL),
    "tasks-at-once": Workload(tasks_at_once, "{size} tasks at once", _TASK, 200, 5, ALL),
    "pause": Workload(pause, "{size} threads", {"a pause": "µs", "a resume": "µs"}, 100, 3, PAUSED),
    "wide": Workload(wide, f"a state of {KEYS} keys, {{size}} steps", _STEP, 100, 3, ALL),
    "nested": Workload(nested, "a nested graph, {size} turns", {"a turn": "µs"}, 100, 2, ALL),
    "streams": Workload(
        streams,
        "stream, {size} steps",
        {"values, a step": "µs", "updates, a step": "µs"},
        300,
        5,
        ("none", "sqlite"),
    ),
    "concurrent": Workload(
        concurrent, "{size} runs at once", {"a run": "µs"}, 200, 3, ALL, ("async",), concurrent=True
    ),
    "chat": Workload(
        chat,
        "a chat of {size} turns of 2 kB",
        {"10th turn": "µs", "last turn": "µs", "last to 10th": "×", "on disk": "bytes"},
        400,
        16,
        ("sqlite",),
    ),
    "long-thread": Workload(
        long_thread,
        "a thread of {size} steps",
        {
            "100th step": "µs",
            "last step": "µs",
            "last to 100th": "×",
            "one more run": "µs",
            "on disk": "bytes",
        },
        10_000,
        200,
        ("sqlite",),
        ("sync",),
    ),
    "waiting": Workload(
        waiting,
        "{size} waiting threads",
        {
            "list 10 of few": "µs",
            "list 10 of many": "µs",
            "resume one of few": "µs",
            "resume one of many": "µs",
            "many to few, resume": "×",
        },
        10_000,
        60,
        ("sqlite",),
        ("sync",),
        large=100_000,
    ),
    "memory": Workload(
        fan_out,
        "{size} `Send`s, memory",
        {"peak of the run": "kB", "peak of the process": "kB"},
        500,
        5,
        ("none", "sqlite"),
        ("sync",),
        memory=True,
    ),
    # The last: from here on LangChain is imported, which Caesura does not do by itself.
    "stream-messages": Workload(
        stream_messages,
        "stream, {size} steps",
        {"messages, a step": "µs"},
        100,
        3,
        ("none", "sqlite"),
    ),
}
