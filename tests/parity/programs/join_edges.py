"""A list edge waits for all its sources; single edges do not (B7)."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


def nodes(drive, names):
    builder = StateGraph(State)
    for name in names:
        builder.add_node(name, drive.node(lambda s, name=name: {"log": [name]}))
    return builder


def run(make_saver, record, drive):
    joined = nodes(drive, ("p", "q", "q2", "r"))
    joined.add_edge(START, "p").add_edge(START, "q").add_edge("q", "q2").add_edge(["p", "q2"], "r")
    graph = joined.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("join", drive.invoke(graph, {"log": []}, cfg, durability="sync"))
    record("join again", drive.invoke(graph, {"log": []}, cfg, durability="sync"))
    record("history", [[s.metadata["step"], s.next] for s in drive.history(graph, cfg)])
    single = nodes(drive, ("p", "q", "q2", "r"))
    single.add_edge(START, "p").add_edge(START, "q").add_edge("q", "q2").add_edge(
        "p", "r"
    ).add_edge("q2", "r")
    record("single edges", drive.invoke(single.compile(), {"log": []}))
    loop = nodes(drive, ("a", "b", "c", "d"))
    loop.add_edge(START, "a").add_edge(START, "b").add_edge(["a", "b"], "c").add_edge("c", "d")
    loop.add_conditional_edges(
        "d", lambda s: ["a", "b"] if len(s["log"]) < 8 else END, ["a", "b", END]
    )
    record("in a loop", drive.invoke(loop.compile(), {"log": []}))
    stuck = nodes(drive, ("a", "b", "c"))
    stuck.add_edge(START, "a").add_edge(["a", "b"], "c")
    record("half a join", drive.invoke(stuck.compile(), {"log": []}))
    to_end = (
        nodes(drive, ("a", "b")).add_edge(START, "a").add_edge(START, "b").add_edge(["a", "b"], END)
    )
    record("join to the end", drive.invoke(to_end.compile(), {"log": []}))
