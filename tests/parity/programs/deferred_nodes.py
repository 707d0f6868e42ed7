"""A deferred node runs once, when nothing else is left to run."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


def nodes(drive, names, deferred):
    builder = StateGraph(State)
    for name in names:
        builder.add_node(
            name, drive.node(lambda s, name=name: {"log": [name]}), defer=name in deferred
        )
    return builder


def run(make_saver, record, drive):
    builder = nodes(drive, ("a", "b", "b2", "z"), {"z"})
    builder.add_edge(START, "a").add_edge("a", "z").add_edge("a", "b").add_edge("b", "b2").add_edge(
        "b2", "z"
    )
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("result", drive.invoke(graph, {"log": []}, cfg))
    record("history", [[s.metadata["step"], s.next] for s in drive.history(graph, cfg)])
    record("again", drive.invoke(graph, {"log": ["|"]}, cfg))
    joined = nodes(drive, ("a", "b", "c", "z"), {"z"})
    joined.add_edge(START, "a").add_edge(START, "b").add_edge("b", "c").add_edge(
        ["a", "b"], "z"
    ).add_edge("z", END)
    record("deferred join", drive.invoke(joined.compile(), {"log": []}))
    two = nodes(drive, ("a", "x", "y", "w"), {"x", "y"})
    two.add_edge(START, "a").add_edge("a", "x").add_edge("x", "y").add_edge("a", "w").add_edge(
        "w", "y"
    )
    record("two deferred", drive.invoke(two.compile(), {"log": []}))
