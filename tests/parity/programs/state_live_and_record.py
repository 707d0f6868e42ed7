"""Without an id: the live view with finished siblings folded in. With an id: the step as recorded (B3)."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = StateGraph(State)
    builder.add_node("p1", drive.node(lambda s: {"log": [interrupt("one")]}))
    builder.add_node("p2", drive.node(lambda s: {"log": [interrupt("two")]}))
    builder.add_node("p3", drive.node(lambda s: {"log": ["p3"]}))
    for name in ("p1", "p2", "p3"):
        builder.add_edge(START, name)
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    drive.invoke(graph, {"log": ["in"]}, cfg)
    live = drive.state(graph, cfg)
    record("live", live)
    record("record", drive.state(graph, live.config))
    record("history", drive.history(graph, cfg))
    first = next(i for i in live.interrupts if i.value == "one")
    drive.invoke(graph, Command(resume={first.id: "answer"}), cfg)
    after = drive.state(graph, cfg)
    record("live, one answered", [after.values, after.next, after.interrupts])
    stored = drive.state(graph, after.config)
    record(
        "record, one answered",
        [
            stored.values,
            stored.next,
            stored.interrupts,
            [(t.name, t.result, t.interrupts) for t in stored.tasks],
        ],
    )
