"""Debug events are task and checkpoint events in an envelope."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = (
        StateGraph(State)
        .add_sequence([(n, drive.node(lambda s, n=n: {"log": [n]})) for n in "ab"])
        .add_edge(START, "a")
    )
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    events = drive.stream(graph, {"log": ["in"]}, cfg, stream_mode="debug")
    record("envelopes", [[e["step"], e["type"], sorted(e)] for e in events])
    record("tasks", [e["payload"] for e in events if e["type"] != "checkpoint"])
    record(
        "checkpoints",
        [
            [e["payload"]["values"], e["payload"]["next"]]
            for e in events
            if e["type"] == "checkpoint"
        ],
    )
    record(
        "without a saver",
        [e["type"] for e in drive.stream(builder.compile(), {"log": []}, stream_mode="debug")],
    )
