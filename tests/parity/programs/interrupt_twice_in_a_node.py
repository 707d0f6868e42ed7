"""Two questions in a node: answers are kept in order; each pause has its own id (B2)."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    runs = []

    def ask(state):
        runs.append(1)
        return {"log": [interrupt("Q1"), interrupt("Q2")]}

    graph = (
        StateGraph(State)
        .add_node("ask", drive.node(ask))
        .add_edge(START, "ask")
        .compile(checkpointer=make_saver())
    )
    cfg = {"configurable": {"thread_id": "1"}}
    first = drive.invoke(graph, {"log": []}, cfg)["__interrupt__"]
    second = drive.invoke(graph, Command(resume="A1"), cfg)["__interrupt__"]
    record("questions", [first, second])
    record("ids differ", first[0].id != second[0].id)
    writes = drive.saved(graph.checkpointer, cfg)[0].pending_writes
    record("pending writes of the task", [w for w in writes if w[0].strip("0-")])
    record("state", [drive.state(graph, cfg).next, drive.state(graph, cfg).interrupts])
    record("resumed", drive.invoke(graph, Command(resume="A2"), cfg))
    record("runs", len(runs))
    other = {"configurable": {"thread_id": "2"}}
    drive.invoke(graph, {"log": []}, other)
    record(
        "a list is one answer",
        drive.invoke(graph, Command(resume=["x", "y"]), other)["__interrupt__"],
    )
    record("second answer", drive.invoke(graph, Command(resume="z"), other))
