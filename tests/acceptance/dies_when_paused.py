"""`python -m tests.acceptance.dies_when_paused FILE DURABILITY`: dies as soon as it has been told.

It asks a question, prints the id it was given, and kills itself, with no time to write anything more.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, TypedDict

from caesura.checkpoint.sqlite import SqliteSaver
from caesura.graph import START, StateGraph
from caesura.storage.sqlite import connect
from caesura.types import interrupt


class State(TypedDict, total=False):
    answer: str


def program(saver: Any) -> Any:
    def asks(state: State) -> State:
        return {"answer": interrupt("go on?")}

    graph = StateGraph(State)
    graph.add_node("asks", asks)
    graph.add_edge(START, "asks")
    return graph.compile(checkpointer=saver)


def main() -> None:
    path, durability = sys.argv[1:]
    graph = program(SqliteSaver(connect(path)))
    where: Any = {"configurable": {"thread_id": "thread-1"}}
    paused = graph.invoke({"answer": ""}, where, durability=durability)
    print(paused["__interrupt__"][0].id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
