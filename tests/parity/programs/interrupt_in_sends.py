"""Each copy of a Send asks for itself; one map answers all (B23)."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    def worker(arg):
        return {"log": [f"{arg} {interrupt({'for': arg})}"]}

    builder = (
        StateGraph(State)
        .add_node("worker", drive.node(worker))
        .add_node("end", drive.node(lambda s: {"log": ["end"]}))
    )
    builder.add_conditional_edges(START, lambda s: [Send("worker", n) for n in ("w2", "w1", "w3")])
    builder.add_edge("worker", "end")
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    paused = drive.invoke(graph, {"log": []}, cfg)
    record("questions", sorted(i.value["for"] for i in paused["__interrupt__"]))
    record("ids differ", len({i.id for i in paused["__interrupt__"]}))
    state = drive.state(graph, cfg)
    record("tasks", [(t.name, t.path, t.interrupts) for t in state.tasks])
    record("next", state.next)
    record(
        "result",
        drive.invoke(
            graph, Command(resume={i.id: f"to {i.value['for']}" for i in state.interrupts}), cfg
        ),
    )
