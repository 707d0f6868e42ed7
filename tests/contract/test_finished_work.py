"""What a task finished is stored, whatever happens after it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from caesura.checkpoint.sqlite import SqliteSaver
from caesura.graph import START, StateGraph


def refuse(value: list[str], write: list[str]) -> list[str]:
    """A reducer that fails on what the node writes."""
    if write == ["bad"]:
        raise ValueError("does not fold")
    return value + write


class State(TypedDict):
    log: Annotated[list[str], refuse]


CFG: Any = {"configurable": {"thread_id": "1"}}


def test_a_finished_task_whose_writes_do_not_fold_is_not_run_again(tmp_path: Path) -> None:
    """The error comes again, the effect does not, and the state stays readable."""
    ran = []

    def node(state: State) -> Any:
        ran.append(1)
        return {"log": ["bad"]}

    with SqliteSaver.from_conn_string(str(tmp_path / "t.sqlite")) as saver:
        graph = StateGraph(State).add_node("n", node).add_edge(START, "n").compile(saver)
        for given in ({"log": ["in"]}, None, None):
            with pytest.raises(ValueError, match="does not fold"):
                graph.invoke(given, CFG)
        assert graph.get_state(CFG).values == {"log": ["in"]}
        assert graph.get_state(CFG).next == ("n",)
    assert ran == [1]
