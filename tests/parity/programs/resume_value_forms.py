"""Any value is an answer; a dict is a map only if all its keys look like ids."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    graph = (
        StateGraph(State)
        .add_node("ask", drive.node(lambda s: {"log": [interrupt("?")]}))
        .add_edge(START, "ask")
        .compile(checkpointer=make_saver())
    )
    answers = {
        "false": False,
        "zero": 0,
        "empty text": "",
        "empty list": [],
        "text": "yes",
        "a list": [1, 2],
        "a dict": {"type": "accept"},
        "hex-like, too short": {"ab" * 15: 1},
        "mixed keys": {"ab" * 16: 1, "x": 2},
        "nested": {"a": {"b": [1, None, True]}},
        "float": 1.5,
    }
    for name, answer in answers.items():
        cfg = {"configurable": {"thread_id": name}}
        drive.invoke(graph, {"log": []}, cfg)
        record(name, drive.invoke(graph, Command(resume=answer), cfg))
    cfg = {"configurable": {"thread_id": "by id"}}
    paused = drive.invoke(graph, {"log": []}, cfg)
    record(
        "none by id",
        drive.invoke(graph, Command(resume={paused["__interrupt__"][0].id: None}), cfg),
    )
