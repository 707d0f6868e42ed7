"""Tasks of a step are planned by name; a state lists them as the nodes were added."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = StateGraph(State)
    for name in ("z", "m", "a"):
        builder.add_node(name, drive.node(lambda s, name=name: {"log": [interrupt(name)]}))
        builder.add_edge(START, name)
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    events = drive.stream(graph, {"log": []}, cfg, stream_mode="tasks")
    record("started", [event["name"] for event in events if "input" in event])
    record("in the state", drive.state(graph, cfg).next)
    record("in the history", drive.history(graph, cfg)[0].next)
    record("open", sorted(i.value for i in drive.state(graph, cfg).interrupts))
