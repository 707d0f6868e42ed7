"""A process that is killed: `python -m tests.faults.victim FOLDER`.

It imports everything, then obeys lines on its standard input: ``THREAD_ID MILLISECONDS`` forks a
child that runs the program on that thread, over the database that ``FOLDER/database`` names, and
kills it with SIGKILL after that
time (0: lets it end). It answers each line with ``killed``, ``done`` or ``failed``.

The program writes a line ``TASK_ID NAME`` to ``FOLDER/effects`` for every effect, and its result to
``FOLDER/THREAD_ID.json``. It answers its own questions, each attempt with another answer.
"""

from __future__ import annotations

import json
import operator
import os
import select
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Annotated, Any, TypedDict

from tests.databases import open_saver

from caesura.config import get_config
from caesura.func import task
from caesura.graph import START, StateGraph
from caesura.types import Command, interrupt

ROUNDS = 8
"""Loops of: two nodes side by side, one of which calls tasks, the other asks."""


class State(TypedDict, total=False):
    round: int
    log: Annotated[list[str], operator.add]
    answers: Annotated[list[str], operator.add]


def program(saver: Any, effects: int) -> Any:
    """The graph; its effects go to the file descriptor ``effects``."""

    def effect(name: str) -> None:
        task_id = get_config()["configurable"]["__pregel_task_id"]
        os.write(effects, f"{task_id} {name}\n".encode())

    @task
    def pay(round: int, number: int) -> str:
        name = f"pay-{round}-{number}"
        effect(name)
        return name

    def begin(state: State) -> State:
        round = state.get("round", 0)
        effect(f"begin-{round}")
        return {"log": [f"begin-{round}"]}

    def pays(state: State) -> State:
        calls = [pay(state.get("round", 0), number) for number in range(2)]
        return {"log": [call.result() for call in calls]}

    def asks(state: State) -> State:
        question = f"ask-{state.get('round', 0)}"
        answer = interrupt(question)
        effect(question)
        return {"log": [question], "answers": [answer]}

    def joins(state: State) -> State:
        effect(f"join-{state.get('round', 0)}")
        return {"round": state.get("round", 0) + 1}

    graph = StateGraph(State)
    for node in (begin, pays, asks, joins):
        graph.add_node(node)
    graph.add_edge(START, "begin")
    graph.add_edge("begin", "pays")
    graph.add_edge("begin", "asks")
    graph.add_edge(["pays", "asks"], "joins")
    graph.add_conditional_edges("joins", lambda s: "begin" if s["round"] < ROUNDS else "__end__")
    return graph.compile(checkpointer=saver)


EXPECTED_LOG = [
    name
    for round in range(ROUNDS)
    for name in (f"begin-{round}", f"ask-{round}", f"pay-{round}-0", f"pay-{round}-1")
]


def run(folder: Path, thread_id: str) -> None:
    """Run the program on a thread to its end, from wherever it stands."""
    effects = os.open(folder / "effects", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    saver = open_saver((folder / "database").read_text())
    graph = program(saver, effects)
    config: Any = {"configurable": {"thread_id": thread_id}}
    stands = graph.get_state(config)
    given: Any = {"log": [], "answers": []} if stands.metadata is None else None
    waiting = list(stands.interrupts)
    while True:
        if waiting:
            given = Command(resume={i.id: f"{i.value} by {os.getpid()}" for i in waiting})
        result = graph.invoke(given, config)
        waiting = result.get("__interrupt__", [])
        if not waiting:
            break
    unfinished = folder / f"{thread_id}.tmp"
    unfinished.write_text(json.dumps(result))
    unfinished.rename(folder / f"{thread_id}.json")
    saver.close()


def attempt(folder: Path, thread_id: str, milliseconds: float) -> str:
    """Run in a child and kill it in time; says how it ended."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            run(folder, thread_id)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    ended = os.pidfd_open(child)
    select.select([ended], [], [], milliseconds / 1000 if milliseconds else 30)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(ended)
    if os.WIFSIGNALED(status):
        return "killed"
    return "done" if os.WEXITSTATUS(status) == 0 else "failed"


def main() -> None:
    folder = Path(sys.argv[1])
    for line in sys.stdin:
        thread_id, milliseconds = line.split()
        began = time.perf_counter()
        said = attempt(folder, thread_id, float(milliseconds))
        print(said, f"{1000 * (time.perf_counter() - began):.1f}", flush=True)


if __name__ == "__main__":
    main()
