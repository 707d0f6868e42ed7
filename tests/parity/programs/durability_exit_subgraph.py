"""In exit mode a paused child is stored with its parent (B16)."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


class Child(TypedDict):
    inner: Annotated[list, operator.add]


def run(make_saver, record, drive):
    runs = []

    def first(state):
        runs.append("first")
        return {"inner": ["first"]}

    def ask(state):
        runs.append("ask")
        return {"inner": [interrupt("?")]}

    child = StateGraph(Child).add_node("first", drive.node(first)).add_node("ask", drive.node(ask))
    child.add_edge(START, "first").add_edge("first", "ask")
    parent = (
        StateGraph(State)
        .add_node("before", drive.node(lambda s: {"log": ["before"]}))
        .add_node("sub", child.compile())
    )
    parent.add_edge(START, "before").add_edge("before", "sub")
    graph = parent.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    paused = drive.invoke(graph, {"log": []}, cfg, durability="exit")
    record("paused", paused)
    stored = drive.saved(graph.checkpointer, cfg)
    record(
        "stored",
        sorted(
            (
                t.config["configurable"]["checkpoint_ns"].split(":")[0],
                t.metadata["step"],
                t.parent_config is None,
            )
            for t in stored
        ),
    )
    record("resumed", drive.invoke(graph, Command(resume="yes"), cfg, durability="exit"))
    record("runs", runs)
    record(
        "history",
        [
            [s.metadata["step"], s.next, s.values, s.parent_config is None]
            for s in drive.history(graph, cfg)
        ],
    )
