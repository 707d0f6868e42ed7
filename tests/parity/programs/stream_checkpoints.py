"""Checkpoint events: one for each saved step, and the head again on resume."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = StateGraph(State)
    builder.add_node("a", drive.node(lambda s: {"log": ["a"]})).add_node(
        "ask", drive.node(lambda s: {"log": [interrupt("?")]})
    )
    graph = builder.add_edge(START, "a").add_edge("a", "ask").compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    run_events = drive.stream(graph, {"log": ["in"]}, cfg, stream_mode="checkpoints")
    resume_events = drive.stream(graph, Command(resume="yes"), cfg, stream_mode="checkpoints")
    for name, events in (("run", run_events), ("resume", resume_events)):
        record(f"{name}: keys", [sorted(event) for event in events])
        record(f"{name}: values", [[e["values"], e["metadata"], e["next"]] for e in events])
        record(f"{name}: tasks", [e["tasks"] for e in events])
        record(
            f"{name}: ids",
            [
                [
                    (c or {}).get("configurable", {}).get("checkpoint_id")
                    for c in (e["config"], e["parent_config"])
                ]
                for e in events
            ],
        )
    record(
        "head of the run is the head of the resume",
        run_events[-1]["config"]["configurable"]["checkpoint_id"]
        == resume_events[0]["config"]["configurable"]["checkpoint_id"],
    )
    record(
        "without a saver", drive.stream(builder.compile(), {"log": []}, stream_mode="checkpoints")
    )
