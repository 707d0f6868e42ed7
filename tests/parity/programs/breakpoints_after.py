"""interrupt_after stops even when nothing follows."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = StateGraph(State)
    builder.add_sequence([(n, drive.node(lambda s, n=n: {"log": [n]})) for n in "AB"]).add_edge(
        START, "A"
    )
    graph = builder.compile(checkpointer=make_saver(), interrupt_after=["A", "B"])
    cfg = {"configurable": {"thread_id": "1"}}
    record("after A", [drive.invoke(graph, {"log": []}, cfg), drive.state(graph, cfg).next])
    record("after B", [drive.stream(graph, None, cfg), drive.state(graph, cfg).next])
    record("at the end", drive.stream(graph, None, cfg, stream_mode=["updates", "values"]))
    star = builder.compile(checkpointer=make_saver(), interrupt_after="*")
    record(
        "star",
        [
            drive.invoke(star, {"log": []}, cfg),
            drive.invoke(star, None, cfg),
            drive.invoke(star, None, cfg),
        ],
    )
    both = builder.compile(checkpointer=make_saver(), interrupt_after=["A"], interrupt_before=["B"])
    record("both", [drive.invoke(both, {"log": []}, cfg), drive.invoke(both, None, cfg)])
    edited = builder.compile(checkpointer=make_saver(), interrupt_before=["B"])
    drive.invoke(edited, {"log": []}, cfg)
    drive.update(edited, cfg, {"log": ["edit"]})
    record("after an edit", [drive.invoke(edited, None, cfg), drive.state(edited, cfg).next])
    two = {"configurable": {"thread_id": "2"}}
    drive.invoke(edited, {"log": []}, two)
    record(
        "command with an update",
        [drive.invoke(edited, Command(update={"log": ["U"]}), two), drive.state(edited, two).next],
    )
