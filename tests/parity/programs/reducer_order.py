"""Writes of a step are folded by node name, whatever the order of nodes, edges and finishing (B5)."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]
    last: Annotated[str, lambda left, right: right]


def run(make_saver, record, drive):
    builder = StateGraph(State)
    for name in ("z", "m", "a1", "B"):
        builder.add_node(name, drive.node(lambda state, name=name: {"log": [name], "last": name}))
        builder.add_edge(START, name)
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("result", drive.invoke(graph, {"log": ["in"]}, cfg))
    record("second input", drive.invoke(graph, {"log": ["in2"]}, cfg))
    record("steps", [s.metadata["step"] for s in drive.history(graph, cfg)])
