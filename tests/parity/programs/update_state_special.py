"""update_state as END, as input, as the start, as a copy."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

DEVIATIONS = {}


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = StateGraph(State)
    builder.add_node("ask", drive.node(lambda s: {"log": [interrupt("?")]}))
    builder.add_node("ok", drive.node(lambda s: {"log": ["ok"]}))
    builder.add_node("next", drive.node(lambda s: {"log": ["next"]}))
    builder.add_edge(START, "ask").add_edge(START, "ok").add_edge(["ask", "ok"], "next")
    cfg = {"configurable": {"thread_id": "1"}}

    def paused():
        graph = builder.compile(checkpointer=make_saver())
        drive.invoke(graph, {"log": ["in"]}, cfg)
        return graph

    for name, values, node in (
        ("end", None, END),
        ("input", {"log": ["new"]}, "__input__"),
        ("start", {"log": ["new"]}, "__start__"),
        ("copy", None, "__copy__"),
    ):
        graph = paused()
        record.raises(f"{name}: update", drive.update, graph, cfg, values, as_node=node)
        state = drive.state(graph, cfg)
        record(
            f"{name}: state",
            [
                state.values,
                state.metadata["source"],
                state.metadata["step"],
                state.interrupts,
            ],
        )
        record(f"{name}: next", state.next)
        history = drive.history(graph, cfg)
        record(
            f"{name}: parents",
            [s.parent_config and s.parent_config["configurable"]["checkpoint_id"] for s in history],
        )
