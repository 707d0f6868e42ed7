"""Tasks called inside the node of a graph; their results outlive a pause."""

import operator
from typing import Annotated, TypedDict

from langgraph.func import task
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record):
    calls = []

    @task
    def slow(n):
        calls.append(n)
        return n * 10

    def node(state):
        values = [f.result() for f in [slow(1), slow(2)]]
        answer = interrupt(values)
        return {"log": [*values, answer, slow(3).result()]}

    graph = (
        StateGraph(State)
        .add_node("node", node)
        .add_edge(START, "node")
        .compile(checkpointer=make_saver())
    )
    cfg = {"configurable": {"thread_id": "1"}}
    record("paused", graph.invoke({"log": []}, cfg))
    record("state", [graph.get_state(cfg).next, graph.get_state(cfg).interrupts])
    record("resumed", graph.invoke(Command(resume="yes"), cfg))
    record("calls", sorted(calls))
    record(
        "history", [[s.metadata["step"], s.next, s.values] for s in graph.get_state_history(cfg)]
    )
