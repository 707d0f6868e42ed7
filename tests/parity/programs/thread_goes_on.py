"""New input on a finished thread goes on with its state; steps go on counting."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]
    plain: str


def run(make_saver, record, drive):
    builder = (
        StateGraph(State)
        .add_node("n", drive.node(lambda s: {"log": [len(s["log"])]}))
        .add_edge(START, "n")
    )
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("first", drive.invoke(graph, {"log": ["a"], "plain": "kept"}, cfg))
    record("second", drive.invoke(graph, {"log": ["b"]}, cfg))
    record("empty input", drive.invoke(graph, {}, cfg))
    record("none on a finished thread", drive.invoke(graph, None, cfg))
    record("other thread", drive.invoke(graph, {"log": []}, {"configurable": {"thread_id": 1.5}}))
    record(
        "history",
        [[s.metadata["source"], s.metadata["step"], s.next] for s in drive.history(graph, cfg)],
    )
    record("thread ids are strings", drive.state(graph, {"configurable": {"thread_id": 1}}).values)
    record(
        "versions of the result",
        drive.invoke(graph, {"log": []}, {"configurable": {"thread_id": "v"}}, version="v2"),
    )
