"""Going back to an answered question: None asks again, under a new id."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = (
        StateGraph(State)
        .add_node("ask", drive.node(lambda s: {"log": [interrupt("?")]}))
        .add_node("z", drive.node(lambda s: {"log": ["z"]}))
    )
    graph = builder.add_edge(START, "ask").add_edge("ask", "z").compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    first = drive.invoke(graph, {"log": []}, cfg)["__interrupt__"][0].id
    at = drive.state(graph, cfg).config
    record("answered", drive.invoke(graph, Command(resume="A"), cfg))
    again = drive.invoke(graph, None, at)
    record("asked again", again)
    record("a new id", again["__interrupt__"][0].id != first)
    record("answered otherwise", drive.invoke(graph, Command(resume="B"), cfg))
    record(
        "history",
        [
            [s.metadata["source"], s.metadata["step"], s.next, s.values]
            for s in drive.history(graph, cfg)
        ],
    )
