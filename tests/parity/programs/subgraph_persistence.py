"""What a child keeps between calls: nothing (inherit), everything (True), or not even a pause (False)."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class Parent(TypedDict):
    log: Annotated[list, operator.add]


class Child(TypedDict):
    log: Annotated[list, operator.add]
    count: Annotated[int, operator.add]


def run(make_saver, record, drive):
    def build(kind):
        runs = []

        def first(state):
            runs.append("first")
            return {"count": 1}

        def ask(state):
            runs.append("ask")
            return {"log": [f"{interrupt('?')} {state['count']}"]}

        child = (
            StateGraph(Child).add_node("first", drive.node(first)).add_node("ask", drive.node(ask))
        )
        child.add_edge(START, "first").add_edge("first", "ask")
        parent = (
            StateGraph(Parent)
            .add_node("sub", child.compile(checkpointer=kind))
            .add_edge(START, "sub")
        )
        return parent.compile(checkpointer=make_saver()), runs

    for kind in (None, True, False):
        graph, runs = build(kind)
        cfg = {"configurable": {"thread_id": "1"}}
        outcomes = []
        for answer in ("a", "b"):
            outcomes.append(drive.invoke(graph, {"log": []}, cfg).get("__interrupt__") is not None)
            outcomes.append(drive.invoke(graph, Command(resume=answer), cfg))
        record(f"outcomes {kind}", outcomes)
        record(f"runs {kind}", runs)
        namespaces = {
            t.config["configurable"]["checkpoint_ns"].split(":")[0]
            for t in drive.saved(graph.checkpointer, cfg)
        }
        record(f"stored namespaces {kind}", sorted(namespaces))
        own = {"configurable": {"thread_id": "1", "checkpoint_ns": "sub"}}
        if kind:
            record(f"lasting state {kind}", drive.state(graph, own).values)
