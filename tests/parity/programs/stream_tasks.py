"""Starts and ends of tasks."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = StateGraph(State)
    builder.add_node("src", drive.node(lambda s: {"log": ["src"]}), metadata={"kind": "source"})
    builder.add_node("w", drive.node(lambda arg: {"log": [arg]}))
    builder.add_node(
        "twice",
        drive.node(lambda s: [Command(update={"log": ["1"]}), Command(update={"log": ["2"]})]),
    )
    builder.add_node("ask", drive.node(lambda s: {"log": [interrupt("?")]}))
    builder.add_edge(START, "src").add_conditional_edges(
        "src", lambda s: [Send("w", "sent")], ["w"]
    )
    builder.add_edge("w", "twice").add_edge("twice", "ask")
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("run", drive.stream(graph, {"log": []}, cfg, stream_mode="tasks"))
    record("resume", drive.stream(graph, Command(resume="yes"), cfg, stream_mode="tasks"))
