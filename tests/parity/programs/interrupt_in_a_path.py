"""A question in a conditional edge: the source node runs again on resume."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

DEVIATIONS = {
    "values shown": "writes of a task that waits are not shown as if it had finished",
}


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    runs = []

    def src(state):
        runs.append("src")
        return {"log": ["src"]}

    builder = (
        StateGraph(State)
        .add_node("src", drive.node(src))
        .add_node("b", drive.node(lambda s: {"log": ["b"]}))
    )
    builder.add_edge(START, "src").add_conditional_edges(
        "src", lambda s: interrupt(s["log"]), ["b", END]
    )
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    paused = drive.invoke(graph, {"log": ["in"]}, cfg)
    record("question", paused["__interrupt__"])
    record("values shown", paused["log"])
    record("state", [drive.state(graph, cfg).values, drive.state(graph, cfg).next])
    record("resumed", drive.invoke(graph, Command(resume="b"), cfg))
    record("runs", runs)
