"""An entrypoint or graph called inside an entrypoint."""

import operator
from typing import Annotated, TypedDict

from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record):
    calls = []

    @task
    def work(n):
        calls.append(f"work {n}")
        return n + 1

    @entrypoint()
    def child(n):
        calls.append("child")
        return [work(n).result(), interrupt("child?")]

    @entrypoint(checkpointer=make_saver())
    def parent(n):
        calls.append("parent")
        return {"child": child.invoke(n), "own": work(10).result()}

    graph = (
        StateGraph(State)
        .add_node("n", lambda s: {"log": [interrupt("graph?")]})
        .add_edge(START, "n")
        .compile()
    )

    @entrypoint(checkpointer=make_saver())
    def calls_graph(text):
        return graph.invoke({"log": [text]})["log"]

    cfg = {"configurable": {"thread_id": "1"}}
    record("paused", parent.invoke(1, cfg))
    record("resumed", parent.invoke(Command(resume="yes"), cfg))
    record("calls", calls)
    record("graph paused", calls_graph.invoke("x", cfg))
    record("graph resumed", calls_graph.invoke(Command(resume="yes"), cfg))
    simple = entrypoint()(lambda n: n * 2)
    twice = entrypoint()(lambda n: [simple.invoke(n), simple.invoke(n + 1)])
    record("streams of children", list(twice.stream(1, stream_mode=["updates"], subgraphs=True)))
