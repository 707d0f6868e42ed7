"""interrupt_before stops without a question (B17)."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = StateGraph(State)
    builder.add_sequence([(n, drive.node(lambda s, n=n: {"log": [n]})) for n in "ABC"]).add_edge(
        START, "A"
    )
    graph = builder.compile(checkpointer=make_saver(), interrupt_before=["B"])
    cfg = {"configurable": {"thread_id": "1"}}
    record("stopped", drive.invoke(graph, {"log": []}, cfg))
    record(
        "state",
        [
            drive.state(graph, cfg).next,
            drive.state(graph, cfg).interrupts,
            drive.state(graph, cfg).tasks,
        ],
    )
    record("going on", drive.invoke(graph, None, cfg))
    two = {"configurable": {"thread_id": "2"}}
    record("stream", drive.stream(graph, {"log": []}, two, stream_mode=["values", "updates"]))
    record("resume value is ignored", drive.invoke(graph, Command(resume="x"), two))
    three = {"configurable": {"thread_id": "3"}}
    record("v2", drive.invoke(graph, {"log": []}, three, version="v2"))
    record(
        "per call replaces",
        drive.invoke(
            graph, {"log": []}, {"configurable": {"thread_id": "4"}}, interrupt_before=["C"]
        ),
    )
    record(
        "unknown name per call",
        drive.invoke(
            graph, {"log": []}, {"configurable": {"thread_id": "5"}}, interrupt_before=["zz"]
        ),
    )
    everything = builder.compile(checkpointer=make_saver(), interrupt_before="*")
    six = {"configurable": {"thread_id": "6"}}
    steps = [drive.invoke(everything, {"log": []}, six)]
    steps += [drive.invoke(everything, None, six) for _ in range(4)]
    record("star", steps)
    bare = builder.compile(interrupt_before=["B"])
    record("without a saver", drive.invoke(bare, {"log": []}))
