"""The text of the refusal when a scalar could mean several questions."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

DEVIATIONS = {
    "refusal": "the refusal has a class of its own (a RuntimeError) and lists what is open",
}


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = StateGraph(State)
    for name in "ab":
        builder.add_node(
            name, drive.node(lambda s, name=name: {"log": [interrupt(name)]})
        ).add_edge(START, name)
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    drive.invoke(graph, {"log": []}, cfg)
    record.raises("refusal", drive.invoke, graph, Command(resume=1), cfg)
    record("still open", drive.state(graph, cfg).interrupts)
    ids = {i.value: i.id for i in drive.state(graph, cfg).interrupts}
    record(
        "both by a map", drive.invoke(graph, Command(resume={ids["b"]: "B", ids["a"]: "A"}), cfg)
    )
