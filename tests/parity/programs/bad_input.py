"""Inputs a graph does not take."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    graph = (
        StateGraph(State)
        .add_node("n", drive.node(lambda s: {"log": ["n"]}))
        .add_edge(START, "n")
        .compile(checkpointer=make_saver())
    )
    for number, value in enumerate(("text", 3, [("log", 1)], [])):
        cfg = {"configurable": {"thread_id": str(number)}}
        record.raises(f"input {value!r}", drive.invoke, graph, value, cfg)
    cfg = {"configurable": {"thread_id": "9"}}
    record.raises("nothing on a new thread", drive.invoke, graph, None, cfg)
    record("nothing was started", [drive.state(graph, cfg).next, len(drive.history(graph, cfg))])
    record.raises("nothing, without a saver", drive.invoke, graph.builder.compile(), None)
    record.raises(
        "reducer fails on the input",
        drive.invoke,
        graph,
        {"log": 3},
        {"configurable": {"thread_id": "10"}},
    )
    record(
        "unknown keys only", drive.invoke(graph, {"zz": 1}, {"configurable": {"thread_id": "11"}})
    )
    record("empty", drive.invoke(graph, {}, {"configurable": {"thread_id": "12"}}))
