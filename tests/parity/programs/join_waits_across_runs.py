"""A half-filled join survives a pause and a new process-like resume."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = StateGraph(State)
    builder.add_node("fast", drive.node(lambda s: {"log": ["fast"]}))
    builder.add_node("slow", drive.node(lambda s: {"log": ["slow"]}))
    builder.add_node("ask", drive.node(lambda s: {"log": [interrupt("?")]}))
    builder.add_node("both", drive.node(lambda s: {"log": ["both"]}))
    builder.add_edge(START, "fast").add_edge(START, "slow").add_edge("slow", "ask").add_edge(
        ["fast", "ask"], "both"
    )
    saver = make_saver()
    cfg = {"configurable": {"thread_id": "1"}}
    record("paused", drive.invoke(builder.compile(checkpointer=saver), {"log": []}, cfg))
    record(
        "resumed elsewhere",
        drive.invoke(builder.compile(checkpointer=saver), Command(resume="yes"), cfg),
    )
    record("second run", drive.invoke(builder.compile(checkpointer=saver), {"log": ["|"]}, cfg))
