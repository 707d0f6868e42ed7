"""A process that is killed around its effects: `python -m tests.faults.effects_victim FOLDER`.

It obeys lines ``THREAD_ID sync|async MOMENT``: it forks a child that runs the program on that thread,
over ``FOLDER/db``, and kills itself with SIGKILL at the moment with that number (0: never). Moments are
before and after each operation of the saver, and before and after each effect. It answers each line
with ``killed`` or ``done NUMBER``, the number of moments there were.

The program appends ``THREAD_ID NAME`` to ``FOLDER/effects`` for every effect, and to ``FOLDER/asked``
for every question about one. It answers those questions as somebody who can look: by what is in
``FOLDER/effects``.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, TypedDict

from caesura.checkpoint.saver import EngineSaver
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.func import task
from caesura.graph import START, StateGraph
from caesura.storage.sqlite import connect
from caesura.types import Command, interrupt


class State(TypedDict, total=False):
    receipts: list[str]


class Fate:
    """Counts moments, and kills the process at one of them."""

    def __init__(self, at: int) -> None:
        self.at, self.count = at, 0

    def moment(self) -> None:
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


class FatefulSaver(EngineSaver):
    """Performs operations with another saver; each has a moment before and one after it."""

    def __init__(self, inner: SqliteSaver, fate: Fate) -> None:
        super().__init__(serde=inner.serde)
        self.inner, self.fate = inner, fate

    def execute(self, op: Any) -> Any:
        self.fate.moment()
        result = self.inner.execute(op)
        self.fate.moment()
        return result

    async def aexecute(self, op: Any) -> Any:
        self.fate.moment()
        result = await self.inner.aexecute(op)
        self.fate.moment()
        return result


def program(saver: Any, fate: Fate, folder: Path, thread_id: str) -> Any:
    """Pays from a node and from a task, asks, and pays once more, all in one step."""

    @task(effect=True)
    def pay(name: str) -> str:
        fate.moment()
        append(folder / "effects", f"{thread_id} {name}")
        fate.moment()
        return f"receipt of {name}"

    @task
    def settles(name: str) -> str:
        receipt: str = pay(name).result()
        return receipt

    def node(state: State) -> State:
        receipts = [pay("rent").result(), settles("power").result()]
        interrupt("pay the tax too?")
        return {"receipts": [*receipts, pay("tax").result()]}

    inner = StateGraph(State).add_node("node", node).add_edge(START, "node").compile()
    graph = StateGraph(State).add_node("inner", inner).add_edge(START, "inner")
    return graph.compile(checkpointer=saver)


NAMES = ("rent", "power", "tax")
EXPECTED = {"receipts": [f"receipt of {name}" for name in NAMES]}


def append(file: Path, line: str) -> None:
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def answer(folder: Path, thread_id: str, question: Any) -> Any:
    if not isinstance(question, dict):
        return "yes"
    name = question["arguments"]["name"]
    append(folder / "asked", f"{thread_id} {name}")
    if f"{thread_id} {name}" in lines(folder / "effects"):
        return {"outcome": "done", "result": f"receipt of {name}"}
    return {"outcome": "not_done"}


def run(folder: Path, thread_id: str, colour: str, fate: Fate) -> None:
    """Run the program on a thread to its end, from wherever it stands."""
    inner = SqliteSaver(connect(str(folder / "db")))
    graph = program(FatefulSaver(inner, fate), fate, folder, thread_id)
    config: Any = {"configurable": {"thread_id": thread_id}}
    stands = graph.get_state(config)
    given: Any = {"receipts": []} if stands.metadata is None else None
    waiting = list(stands.interrupts)
    while True:
        if waiting:
            resume = {i.id: answer(folder, thread_id, i.value) for i in waiting}
            given = Command(resume=resume)
        sync = colour == "sync"
        result = graph.invoke(given, config) if sync else asyncio.run(graph.ainvoke(given, config))
        waiting = result.get("__interrupt__", [])
        if not waiting:
            break
    inner.close()
    (folder / f"{thread_id}.json").write_text(json.dumps(result))
    (folder / f"{thread_id}.moments").write_text(f"{fate.count}")


def attempt(folder: Path, thread_id: str, colour: str, at: int) -> str:
    """Run in a child; says how it ended."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            run(folder, thread_id, colour, Fate(at))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "killed"
    if os.WEXITSTATUS(status):
        return "failed"
    return f"done {(folder / f'{thread_id}.moments').read_text()}"


def main() -> None:
    folder = Path(sys.argv[1])
    for line in sys.stdin:
        thread_id, colour, at = line.split()
        print(attempt(folder, thread_id, colour, int(at)), flush=True)


if __name__ == "__main__":
    main()
