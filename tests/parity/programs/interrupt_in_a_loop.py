"""A node met again is a new task: a new question, no memory of earlier answers."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = StateGraph(State).add_node(
        "ask", drive.node(lambda s: {"log": [interrupt(len(s["log"]))]})
    )
    builder.add_edge(START, "ask").add_conditional_edges(
        "ask", lambda s: END if s["log"][-1] == "stop" else "ask", ["ask", END]
    )
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("round 0", drive.invoke(graph, {"log": []}, cfg))
    for number, answer in enumerate(("a", "b", "stop"), 1):
        record(f"round {number}", drive.invoke(graph, Command(resume=answer), cfg))
    record(
        "history", [[s.metadata["step"], s.next, s.interrupts] for s in drive.history(graph, cfg)]
    )
