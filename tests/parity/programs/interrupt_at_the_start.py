"""A question in the conditional entry."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

DEVIATIONS = {
    "paused": "a question asked by a conditional entry is shown; LangGraph hides it",
    "streamed": "a question asked by a conditional entry is shown; LangGraph hides it",
}


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = StateGraph(State).add_node("b", drive.node(lambda s: {"log": ["b"]}))
    builder.add_conditional_edges(START, lambda s: interrupt("where?"), ["b"])
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("paused", drive.invoke(graph, {"log": ["in"]}, cfg))
    record("next", drive.state(graph, cfg).next)
    record("resumed", drive.invoke(graph, Command(resume="b"), cfg))
    record("streamed", drive.stream(graph, {"log": []}, {"configurable": {"thread_id": "2"}}))
