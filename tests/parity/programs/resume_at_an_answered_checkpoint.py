"""Command(resume) addressed to an old checkpoint whose question was answered."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

DEVIATIONS = {
    "the stored answer counts": "an answered question is not answered again: the refusal carries what was decided",
}


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = StateGraph(State).add_node("ask", drive.node(lambda s: {"log": [interrupt("?")]}))
    graph = builder.add_edge(START, "ask").compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    drive.invoke(graph, {"log": []}, cfg)
    at = drive.state(graph, cfg).config
    record("answered", drive.invoke(graph, Command(resume="A"), cfg))
    record.raises("the stored answer counts", drive.invoke, graph, Command(resume="B"), at)
    record("latest", drive.state(graph, cfg).values)
