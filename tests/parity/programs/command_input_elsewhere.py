"""Command as input on a finished and on a new thread."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command

DEVIATIONS = {
    "new thread: update": "the update of a Command on a new thread is applied once; LangGraph applies it twice",
}


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = (
        StateGraph(State)
        .add_node("n", drive.node(lambda s: {"log": ["n"]}))
        .add_node("other", drive.node(lambda s: {"log": ["other"]}))
    )
    graph = builder.add_edge(START, "n").compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    drive.invoke(graph, {"log": []}, cfg)
    record("finished: update", drive.invoke(graph, Command(update={"log": ["U"]}), cfg))
    record("finished: goto", drive.invoke(graph, Command(goto="other"), cfg))
    record("finished: both", drive.invoke(graph, Command(update={"log": ["V"]}, goto="other"), cfg))
    record("state", [drive.state(graph, cfg).values, drive.state(graph, cfg).next])
    record(
        "new thread: update",
        drive.invoke(graph, Command(update={"log": ["U"]}), {"configurable": {"thread_id": "2"}}),
    )
