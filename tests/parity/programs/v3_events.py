"""The events of a v3 run: the same numbered list whoever reads it."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.stream import (
    CheckpointsTransformer,
    CustomTransformer,
    DebugTransformer,
    TasksTransformer,
    UpdatesTransformer,
)
from langgraph.types import Command, interrupt

SAVERS = ("memory",)


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    def node(name):
        def body(state, writer):
            writer({"from": name})
            return {"log": [name]}

        return drive.node(body)

    def ask(state):
        return {"log": [interrupt("?")]}

    leaf = StateGraph(State).add_node("leaf", drive.node(ask)).add_edge(START, "leaf").compile()
    child = StateGraph(State).add_node("in", node("in")).add_node("deep", leaf)
    child.add_edge(START, "in").add_edge("in", "deep")
    builder = StateGraph(State).add_node("a", node("a")).add_node("sub", child.compile())
    builder.add_edge(START, "a").add_edge("a", "sub")
    graph = builder.compile(checkpointer=make_saver())

    def thread(name):
        return {"configurable": {"thread_id": name}}

    record("paused", drive.events(graph, {"log": ["x"]}, thread("1")))
    record("resumed", drive.events(graph, Command(resume="yes"), thread("1")))
    for kind in (CustomTransformer, UpdatesTransformer, TasksTransformer):
        name = kind.__name__
        record(name, drive.events(graph, {"log": []}, thread(name), transformers=[kind]))
    for kind, name in ((CheckpointsTransformer, "checkpoints"), (DebugTransformer, "debug")):
        events = drive.events(graph, {"log": []}, thread(name), transformers=[kind])
        record(name, [(e["seq"], e["method"], e["params"]["namespace"]) for e in events])
    for name in ("values", "lifecycle"):
        record(name, drive.projection(graph, name, {"log": []}, thread(f"p {name}")))
    for kind, name in ((CustomTransformer, "custom"), (TasksTransformer, "tasks")):
        items = drive.projection(graph, name, {"log": []}, thread(f"p {name}"), transformers=[kind])
        record(f"only the graph's own {name}", items)
    record("a part", sorted(drive.projection(graph, None, {"log": []}, thread("t"))[0]["params"]))
