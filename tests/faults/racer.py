"""A process that answers what others answer too: `python -m tests.faults.racer FOLDER WHO`.

It says ``ready``, waits for a line, answers every interrupt of the database that
``FOLDER/database`` names and that was listed in ``FOLDER/asked.json`` as ``WHO``, and prints what
became of each answer, as JSON.
"""

from __future__ import annotations

import json
import operator
import os
import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypedDict

from tests.databases import open_saver

from caesura.errors import ResumeError, StaleThreadError
from caesura.graph import START, StateGraph
from caesura.types import Command, interrupt


class State(TypedDict, total=False):
    name: str
    log: Annotated[list[str], operator.add]


def program(saver: Any, folder: Path) -> Any:
    """Asks one question and appends ``NAME ANSWER`` to ``FOLDER/effects``."""

    def asks(state: State) -> State:
        answer = interrupt(f"who takes {state['name']}?")
        line = f"{state['name']} {answer}\n".encode()
        file = os.open(folder / "effects", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.write(file, line)
        os.close(file)
        return {"log": [answer]}

    graph = StateGraph(State)
    graph.add_node("asks", asks)
    graph.add_edge(START, "asks")
    return graph.compile(checkpointer=saver)


def config(thread_id: str) -> Any:
    return {"configurable": {"thread_id": thread_id}}


def race(graph: Any, asked: Mapping[str, str], who: str) -> dict[str, str]:
    """Answer every interrupt (thread → id); thread → ``accepted`` or the name of the refusal."""
    became = {}
    order = list(asked)
    random.Random(who).shuffle(order)
    for thread_id in order:
        try:
            result = graph.invoke(Command(resume={asked[thread_id]: who}), config(thread_id))
        except (ResumeError, StaleThreadError) as refusal:
            became[thread_id] = type(refusal).__name__
        else:
            assert result["log"] == [who]
            became[thread_id] = "accepted"
    return became


def main() -> None:
    folder, who = Path(sys.argv[1]), sys.argv[2]
    asked = json.loads((folder / "asked.json").read_text())
    saver = open_saver((folder / "database").read_text())
    graph = program(saver, folder)
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(race(graph, asked, who)), flush=True)
    saver.close()


if __name__ == "__main__":
    main()
