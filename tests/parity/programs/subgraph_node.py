"""A compiled graph as a node shares keys by name; its whole output is written back."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class Parent(TypedDict, total=False):
    log: Annotated[list, operator.add]
    shared: str
    mine: str


class Child(TypedDict, total=False):
    log: Annotated[list, operator.add]
    shared: str
    theirs: str


def run(make_saver, record, drive):
    seen = []

    def inner(state):
        seen.append(dict(state))
        return {"log": ["i0"], "theirs": "t", "shared": state.get("shared", "") + "+"}

    child = (
        StateGraph(Child).add_node("inner", drive.node(inner)).add_edge(START, "inner").compile()
    )
    parent = StateGraph(Parent)
    parent.add_node("sub", child)
    parent.add_node("after", drive.node(lambda s: {"mine": "after " + s["shared"]}))
    parent.add_edge(START, "sub").add_edge("sub", "after")
    graph = parent.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record(
        "additive keys are doubled",
        drive.invoke(graph, {"log": ["x"], "shared": "s", "mine": "m"}, cfg),
    )
    record("seen by the child", seen)
    record("updates", drive.stream(graph, {"log": ["x"]}, {"configurable": {"thread_id": "2"}}))
    record("steps", [[s.metadata["step"], s.next] for s in drive.history(graph, cfg)])
    record("subgraphs", [name for name, _ in graph.get_subgraphs()])
    grand = (
        StateGraph(Parent).add_node("mid", graph.builder.compile()).add_edge(START, "mid").compile()
    )
    record("two levels", drive.invoke(grand, {"log": ["x"]}))
    record("recursive names", [name for name, _ in grand.get_subgraphs(recurse=True)])
