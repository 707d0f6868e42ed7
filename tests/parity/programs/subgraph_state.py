"""The state of a paused child: addressed by namespace, nested, and editable."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class Parent(TypedDict):
    log: Annotated[list, operator.add]


class Child(TypedDict, total=False):
    text: str
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    child = StateGraph(Child)
    child.add_node("first", drive.node(lambda s: {"text": "first"}))
    child.add_node("ask", drive.node(lambda s: {"log": [f"{s['text']} {interrupt('?')}"]}))
    child.add_edge(START, "first").add_edge("first", "ask")
    parent = StateGraph(Parent).add_node("sub", child.compile()).add_edge(START, "sub")
    graph = parent.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    drive.invoke(graph, {"log": []}, cfg)
    flat = drive.state(graph, cfg)
    record("flat", [flat.next, flat.tasks])
    nested = drive.state(graph, cfg, subgraphs=True)
    record("nested", nested)
    address = flat.tasks[0].state
    inner = drive.state(graph, address)
    record("by namespace", [inner.values, inner.next, inner.metadata])
    record(
        "its history",
        [[s.metadata["step"], s.next, s.values] for s in drive.history(graph, address)],
    )
    returned = drive.update(graph, address, {"text": "edited"})
    record("returned config", sorted(returned["configurable"]))
    record("edited", drive.state(graph, address).values)
    record("resumed", drive.invoke(graph, Command(resume="yes"), cfg))
    record(
        "afterwards",
        [
            drive.state(graph, cfg).tasks,
            [s.metadata["step"] for s in drive.history(graph, address)],
        ],
    )
