"""invoke(None) while paused reports the same pause."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

DEVIATIONS = {
    "runs": "a task is started again only if it can get further than last time",
    "custom events": "a task is started again only if it can get further than last time",
}


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    runs = []

    def ask(state, writer):
        runs.append(1)
        writer("asking")
        return {"log": [interrupt("?")]}

    graph = (
        StateGraph(State)
        .add_node("ask", drive.node(ask))
        .add_edge(START, "ask")
        .compile(checkpointer=make_saver())
    )
    cfg = {"configurable": {"thread_id": "1"}}
    record("paused", drive.invoke(graph, {"log": []}, cfg))
    record("none", drive.invoke(graph, None, cfg))
    record("custom events", drive.stream(graph, None, cfg, stream_mode="custom"))
    record("updates", drive.stream(graph, None, cfg, stream_mode="updates"))
    record("runs", len(runs))
    record("checkpoints", len(drive.history(graph, cfg)))
    record("resumed", drive.invoke(graph, Command(resume="yes"), cfg))
