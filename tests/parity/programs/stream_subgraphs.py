"""Namespaces of children at every depth, in every mode."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    leaf = (
        StateGraph(State)
        .add_node("leaf", drive.node(lambda s: {"log": ["leaf"]}))
        .add_edge(START, "leaf")
        .compile()
    )
    mid = (
        StateGraph(State)
        .add_node("inner", leaf)
        .add_node("own", drive.node(lambda s: {"log": ["own"]}))
    )
    mid.add_edge(START, "inner").add_edge("inner", "own")
    top = (
        StateGraph(State)
        .add_node("mid", mid.compile())
        .add_node("last", drive.node(lambda s: {"log": ["last"]}))
    )
    graph = top.add_edge(START, "mid").add_edge("mid", "last").compile(checkpointer=make_saver())
    for number, mode in enumerate(("updates", "values", ["updates", "values"], "tasks")):
        cfg = {"configurable": {"thread_id": str(number)}}
        record(f"{mode}", drive.stream(graph, {"log": []}, cfg, stream_mode=mode, subgraphs=True))
    record(
        "not asked for",
        drive.stream(graph, {"log": []}, {"configurable": {"thread_id": "n"}}, stream_mode="tasks"),
    )
    events = drive.stream(
        graph,
        {"log": []},
        {"configurable": {"thread_id": "c"}},
        stream_mode="checkpoints",
        subgraphs=True,
    )
    record("checkpoints", [[ns, e["metadata"], e["next"], e["values"]] for ns, e in events])
