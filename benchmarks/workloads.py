"""The programs measured, written once for both packages.

Run as ``python -m benchmarks.workloads PACKAGE``: prints one JSON object, workload → microseconds per
unit (or bytes). A process of its own per package and round keeps the two apart.
"""

from __future__ import annotations

import importlib
import json
import operator
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypedDict


class Count(TypedDict):
    """A counter."""

    n: int


class Log(TypedDict):
    """A list that grows."""

    log: Annotated[list[Any], operator.add]


class Package:
    """The names of one package."""

    def __init__(self, name: str) -> None:
        def load(module: str) -> Any:
            return importlib.import_module(f"{name}.{module}")

        self.graph, self.types, self.func = load("graph"), load("types"), load("func")
        self.memory = load("checkpoint.memory").InMemorySaver
        self.sqlite = load("checkpoint.sqlite").SqliteSaver

    @contextmanager
    def saver(self, kind: str) -> Iterator[Any]:
        """None, a saver in memory, or one on a new SQLite file."""
        if kind == "none":
            yield None
        elif kind == "memory":
            yield self.memory()
        else:
            with (
                tempfile.TemporaryDirectory() as folder,
                self.sqlite.from_conn_string(f"{folder}/b.sqlite") as saver,
            ):
                yield saver


def config(thread: Any) -> dict[str, Any]:
    """The config of a thread."""
    return {"configurable": {"thread_id": str(thread)}, "recursion_limit": 10_000}


def best(run: Callable[[int], Any], units: int, times: int = 3) -> float:
    """The shortest of some runs, in microseconds per unit."""
    found = []
    for number in range(times):
        start = time.perf_counter()
        run(number)
        found.append(time.perf_counter() - start)
    return min(found) / units * 1e6


def loop(package: Package, saver: Any) -> float:
    """One node, 300 steps; per step."""
    g = package.graph
    builder = g.StateGraph(Count)
    builder.add_node("loop", lambda s: {"n": s["n"] + 1})
    builder.add_edge(g.START, "loop")
    builder.add_conditional_edges("loop", lambda s: g.END if s["n"] >= 300 else "loop")
    graph = builder.compile(checkpointer=saver)
    return best(lambda i: graph.invoke({"n": 0}, config(i)), 300)


def fan_out(package: Package, saver: Any) -> float:
    """200 Sends at once; per task."""
    g, send = package.graph, package.types.Send
    builder = g.StateGraph(Log)
    builder.add_node("work", lambda s: {"log": [s["i"]]})
    builder.add_conditional_edges(
        g.START, lambda s: [send("work", {"i": i}) for i in range(200)], ["work"]
    )
    graph = builder.compile(checkpointer=saver)
    return best(lambda i: graph.invoke({"log": []}, config(i)), 200)


def tasks(package: Package, saver: Any) -> float:
    """An entrypoint that calls 200 tasks one after the other; per task."""

    @package.func.task  # type: ignore[untyped-decorator]
    def work(n: int) -> int:
        return n + 1

    @package.func.entrypoint(checkpointer=saver)  # type: ignore[untyped-decorator]
    def flow(n: int) -> int:
        for _ in range(200):
            n = work(n).result()
        return n

    return best(lambda i: flow.invoke(0, config(i)), 200)


def _asking(package: Package, saver: Any) -> Any:
    g, interrupt = package.graph, package.types.interrupt
    builder = g.StateGraph(Log)
    builder.add_node("ask", lambda s: {"log": [interrupt({"pay": 1})]})
    return builder.add_edge(g.START, "ask").compile(checkpointer=saver)


def pause(package: Package, saver: Any) -> float:
    """From input to a stored pause, on 50 threads; per thread."""
    graph = _asking(package, saver)

    def run(number: int) -> None:
        for thread in range(50):
            graph.invoke({"log": []}, config(f"{number}-{thread}"))

    return best(run, 50)


def resume(package: Package, saver: Any) -> float:
    """From answer to end, on 50 waiting threads; per thread."""
    graph, command = _asking(package, saver), package.types.Command
    for thread in range(150):
        graph.invoke({"log": []}, config(thread))

    def run(number: int) -> None:
        for thread in range(number * 50, number * 50 + 50):
            graph.invoke(command(resume="yes"), config(thread))

    return best(run, 50)


def chat_bytes(package: Package, saver: Any) -> float:
    """Bytes on disk after 400 turns of 2 kB (a question and an answer) on SQLite."""
    g = package.graph
    builder = g.StateGraph(Log)
    builder.add_node("reply", lambda s: {"log": ["a" * 1000]})
    builder.add_edge(g.START, "reply")
    with tempfile.TemporaryDirectory() as folder:
        with package.sqlite.from_conn_string(f"{folder}/chat.sqlite") as kept:
            graph = builder.compile(checkpointer=kept)
            for _ in range(400):
                graph.invoke({"log": ["q" * 1000]}, config("chat"))
        return float(sum(f.stat().st_size for f in Path(folder).iterdir()))


WORKLOADS: dict[str, tuple[Callable[[Package, Any], float], tuple[str, ...]]] = {
    "loop, a step": (loop, ("none", "memory", "sqlite")),
    "fan-out, a task": (fan_out, ("none", "memory", "sqlite")),
    "tasks in sequence, a task": (tasks, ("none", "memory", "sqlite")),
    "pause": (pause, ("memory", "sqlite")),
    "resume": (resume, ("memory", "sqlite")),
    "chat of 400 turns, bytes": (chat_bytes, ("sqlite",)),
}


def measure(name: str) -> dict[str, float]:
    """Every workload on every saver it is for."""
    package, found = Package(name), {}
    for title, (run, kinds) in WORKLOADS.items():
        for kind in kinds:
            with package.saver(kind) as saver:
                found[f"{title} | {kind}"] = run(package, saver)
    return found


if __name__ == "__main__":
    json.dump(measure(sys.argv[1]), sys.stdout)
