"""One question, one answer; the node runs again from its start (B1)."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    runs = []

    def ask(state):
        runs.append("before")
        answer = interrupt({"question": "age?"})
        runs.append("after")
        return {"log": [answer]}

    builder = StateGraph(State)
    builder.add_node("first", drive.node(lambda s: runs.append("first") or {"log": ["first"]}))
    builder.add_node("ask", drive.node(ask)).add_node(
        "last", drive.node(lambda s: {"log": ["last"]})
    )
    builder.add_edge(START, "first").add_edge("first", "ask").add_edge("ask", "last")
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("paused", drive.invoke(graph, {"log": ["in"]}, cfg))
    record("state", drive.state(graph, cfg))
    record("resumed", drive.invoke(graph, Command(resume={"age": 7}), cfg))
    record("runs", runs)
    other = {"configurable": {"thread_id": "2"}}
    record(
        "paused, streamed",
        drive.stream(graph, {"log": []}, other, stream_mode=["values", "updates"]),
    )
    record(
        "resumed, streamed",
        drive.stream(graph, Command(resume=1), other, stream_mode=["values", "updates"]),
    )
    third = {"configurable": {"thread_id": "3"}}
    record("v2", drive.invoke(graph, {"log": []}, third, version="v2"))
    record("v2 resumed", drive.invoke(graph, Command(resume=1), third, version="v2"))
