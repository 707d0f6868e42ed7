"""A question in a child: events of the pause and of the resume (B8)."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    runs = []

    def counted(name, value):
        def body(state):
            runs.append(name)
            return {"log": [value() if callable(value) else value]}

        return drive.node(body)

    child = (
        StateGraph(State)
        .add_node("c1", counted("c1", "c1"))
        .add_node("c2", counted("c2", lambda: interrupt("?")))
    )
    child.add_edge(START, "c1").add_edge("c1", "c2")
    parent = (
        StateGraph(State).add_node("pre", counted("pre", "pre")).add_node("sub", child.compile())
    )
    parent.add_edge(START, "pre").add_edge("pre", "sub")
    graph = parent.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    modes = ["values", "updates"]
    record("pause", drive.stream(graph, {"log": []}, cfg, stream_mode=modes, subgraphs=True))
    record("state", [drive.state(graph, cfg).next, drive.state(graph, cfg).interrupts])
    record(
        "resume", drive.stream(graph, Command(resume="yes"), cfg, stream_mode=modes, subgraphs=True)
    )
    record("runs", runs)
    deep = (
        StateGraph(State)
        .add_node("mid", graph.builder.compile())
        .add_edge(START, "mid")
        .compile(checkpointer=make_saver())
    )
    record("two levels", drive.invoke(deep, {"log": []}, cfg))
    record(
        "two levels, state",
        drive.state(deep, cfg, subgraphs=True).tasks[0].state.tasks[0].state.next,
    )
    record("two levels, resumed", drive.invoke(deep, Command(resume="deep"), cfg))
