"""New input while paused drops the pause and the siblings' writes (B12)."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    runs = []

    def ask(state):
        runs.append("ask")
        return {"log": [interrupt("?")]}

    def ok(state):
        runs.append("ok")
        return {"log": ["ok"]}

    builder = StateGraph(State).add_node("ask", drive.node(ask)).add_node("ok", drive.node(ok))
    graph = builder.add_edge(START, "ask").add_edge(START, "ok").compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    first = drive.invoke(graph, {"log": ["one"]}, cfg)
    second = drive.invoke(graph, {"log": ["two"]}, cfg)
    record("first", first)
    record("second", second)
    record("a new question", first["__interrupt__"][0].id != second["__interrupt__"][0].id)
    record(
        "history",
        [
            [s.metadata["source"], s.metadata["step"], s.next, s.values]
            for s in drive.history(graph, cfg)
        ],
    )
    record("resumed", drive.invoke(graph, Command(resume="yes"), cfg))
    record("runs", sorted(runs))
