"""A breakpoint inside a child, and one on the child."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    child = StateGraph(State)
    child.add_sequence(
        [(n, drive.node(lambda s, n=n: {"log": [n]})) for n in ("c1", "c2")]
    ).add_edge(START, "c1")
    parent = (
        StateGraph(State)
        .add_node("sub", child.compile(interrupt_before=["c2"]))
        .add_edge(START, "sub")
    )
    graph = parent.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("inside", drive.invoke(graph, {"log": []}, cfg))
    record(
        "state",
        [drive.state(graph, cfg).next, drive.state(graph, cfg, subgraphs=True).tasks[0].state.next],
    )
    record("going on", drive.invoke(graph, None, cfg))
    on = (
        StateGraph(State)
        .add_node("sub", child.compile())
        .add_edge(START, "sub")
        .compile(checkpointer=make_saver(), interrupt_before=["sub"])
    )
    record("on the child", [drive.invoke(on, {"log": []}, cfg), drive.invoke(on, None, cfg)])
