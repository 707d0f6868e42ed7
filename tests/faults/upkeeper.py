"""Two processes that meet on a thread: one runs it, one keeps house.

`python -m tests.faults.upkeeper FOLDER DUTY COUNT`; the database is the one that ``FOLDER/database``
names. The ``runner`` takes `COUNT` threads through a program, one after another, and more of them until the
other has done more than `COUNT` deeds; it prints what became of each, as JSON. `FOLDER/current` names the
thread it is at, and `FOLDER/over` says that it is done. Any other duty is something that is done to the
current thread, at random moments, until then; how often is in `FOLDER/done`, and printed. Both say
``ready`` and wait for a line first.
"""

from __future__ import annotations

import json
import operator
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Annotated, Any, TypedDict
from uuid import UUID, uuid5

from tests.databases import open_saver

from caesura.config import get_config
from caesura.errors import ResumeError, StaleThreadError
from caesura.func import task
from caesura.graph import START, StateGraph
from caesura.types import Command, interrupt

ANSWERS = {"inside?": "I", "beside?": "B", "at last?": "L"}
LOG = ["first", "opened", "asked I", "left 10", "right B", "last L"]
STEPS = 3
BETWEEN = 0.004
"""Seconds between two deeds, at most."""
MOST = 20
"""How many times as many threads the runner takes at most, where the other is slow."""
_IDS = UUID(int=7)


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


def config(thread_id: str, run: int = 0) -> Any:
    """Where the n-th run of a thread takes place."""
    return {"configurable": {"thread_id": thread_id}, "run_id": run_id(thread_id, run)}


def run_id(thread_id: str, run: int) -> UUID:
    """The id of the n-th run of a thread."""
    return uuid5(_IDS, f"{thread_id} {run}")


def program(saver: Any, folder: Path) -> Any:
    """Asks inside of a nested graph, beside a task, and last; notes every effect in `FOLDER/effects`."""

    def effect(name: str) -> str:
        here = get_config()["configurable"]
        line = f"{here['thread_id']} {here['__pregel_task_id']} {name}\n".encode()
        file = os.open(folder / "effects", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.write(file, line)
        os.close(file)
        return name

    @task
    def price() -> int:
        effect("price")
        return 10

    def asks(question: str) -> str:
        answer: str = interrupt(question)
        return answer

    def node(make: Callable[[], str]) -> Any:
        return lambda state: {"log": [effect(make())]}

    inner = StateGraph(State)
    inner.add_node("opened", node(lambda: "opened"))
    inner.add_node("asked", node(lambda: f"asked {asks('inside?')}"))
    inner.add_edge(START, "opened").add_edge("opened", "asked")
    child = inner.compile()

    def around(state: State) -> State:
        return {"log": child.invoke({"log": []})["log"]}

    outer = StateGraph(State)
    outer.add_node("first", node(lambda: "first"))
    outer.add_node("around", around)
    outer.add_node("left", node(lambda: f"left {price().result()}"))
    outer.add_node("right", node(lambda: f"right {asks('beside?')}"))
    outer.add_node("last", node(lambda: f"last {asks('at last?')}"))
    outer.add_edge(START, "first").add_edge("first", "around")
    outer.add_edge("around", "left").add_edge("around", "right")
    outer.add_edge(["left", "right"], "last")
    return outer.compile(checkpointer=saver)


def finish(graph: Any, thread_id: str, given: Any, runs: Iterator[int]) -> list[str]:
    """Answer whatever is asked until the program ends; its log."""
    while True:
        result = graph.invoke(given, config(thread_id, next(runs)))
        if "__interrupt__" not in result:
            log: list[str] = result["log"]
            return log
        given = Command(resume={one.id: ANSWERS[one.value] for one in result["__interrupt__"]})


def walk(saver: Any) -> Any:
    """Appends who runs it to the log, `STEPS` times, one step each."""

    def step(state: State) -> State:
        return {"log": [str(os.getpid())]}

    graph = StateGraph(State)
    graph.add_sequence([(f"step {n}", step) for n in range(STEPS)])
    return graph.add_edge(START, "step 0").compile(checkpointer=saver)


def walk_all(saver: Any, folder: Path, threads: int) -> dict[str, Any]:
    """Thread → (who, the log or the name of the error); each thread is begun together with others."""
    graph, me = walk(saver), str(os.getpid())
    became: dict[str, Any] = {}
    for number in range(threads):
        thread_id = f"thread-{number}"
        (folder / f"{thread_id} {me}").touch()
        while len(list(folder.glob(f"{thread_id} *"))) < 2:
            pass
        try:
            became[thread_id] = me, graph.invoke({"log": []}, config(thread_id))["log"]
        except StaleThreadError as error:
            became[thread_id] = me, type(error).__name__
    return became


def note(folder: Path, name: str, text: str) -> None:
    """Write a file at once."""
    (folder / f"{name}.new").write_text(text)
    (folder / f"{name}.new").rename(folder / name)


def run_all(saver: Any, folder: Path, threads: int) -> dict[str, Any]:
    """Thread → the log of its program, or the name of the error that ended it."""
    graph = program(saver, folder)
    became: dict[str, Any] = {}
    for number in range(MOST * threads):
        if number >= threads and deeds_done(folder) > threads:
            break
        thread_id = f"thread-{number}"
        note(folder, "current", thread_id)
        try:
            became[thread_id] = finish(graph, thread_id, {"log": []}, count())
        except (StaleThreadError, ResumeError) as error:
            became[thread_id] = type(error).__name__
    note(folder, "over", "")
    return became


def deeds_done(folder: Path) -> int:
    """How often the other has done its duty."""
    done = folder / "done"
    return int(done.read_text()) if done.exists() else 0


def deeds(saver: Any) -> dict[str, Callable[[str, int], Any]]:
    """What can be done to a thread, for the n-th time."""
    return {
        "prune": lambda thread, n: saver.prune([thread]),
        "delete": lambda thread, n: saver.delete_thread(thread),
        "copy": lambda thread, n: saver.copy_thread(thread, f"{thread}-copy-{n}"),
        "delete_runs": lambda thread, n: saver.delete_for_runs([str(run_id(thread, n % 4))]),
    }


def keep_house(saver: Any, folder: Path, duty: str) -> int:
    """How often it was done."""
    do, chance = deeds(saver)[duty], random.Random(duty)
    for done in count():
        if (folder / "over").exists():
            return done
        do((folder / "current").read_text(), done)
        note(folder, "done", str(done + 1))
        time.sleep(chance.uniform(0, BETWEEN))
    raise AssertionError


def main() -> None:
    folder, duty, threads = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    with closing(open_saver((folder / "database").read_text())) as saver:
        saver.get_tuple(config("none"))
        print("ready", flush=True)
        sys.stdin.readline()
        if duty == "runner":
            became: Any = run_all(saver, folder, threads)
        elif duty == "walker":
            became = walk_all(saver, folder, threads)
        else:
            became = keep_house(saver, folder, duty)
        print(json.dumps(became), flush=True)


if __name__ == "__main__":
    main()
