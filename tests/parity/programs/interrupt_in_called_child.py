"""A node that calls the same child twice: namespaces, and what is replayed (B9)."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


class Child(TypedDict):
    text: str


def run(make_saver, record):
    runs = []

    def prepare(state):
        runs.append("prepare")
        return {"text": state["text"] + "."}

    def ask(state):
        runs.append("ask")
        return {"text": state["text"] + interrupt(state["text"])}

    child = StateGraph(Child).add_node("prepare", prepare).add_node("ask", ask)
    child_graph = child.add_edge(START, "prepare").add_edge("prepare", "ask").compile()

    def call(state):
        runs.append("call")
        one = child_graph.invoke({"text": "one"})
        two = child_graph.invoke({"text": "two"})
        return {"log": [one["text"], two["text"]]}

    graph = (
        StateGraph(State)
        .add_node("call", call)
        .add_edge(START, "call")
        .compile(checkpointer=make_saver())
    )
    cfg = {"configurable": {"thread_id": "1"}}
    record("first pause", graph.invoke({"log": []}, cfg))
    record("second pause", graph.invoke(Command(resume="1"), cfg))
    stored = {t.config["configurable"]["checkpoint_ns"] for t in graph.checkpointer.list(cfg)}
    record("namespaces", sorted(stored, key=len))
    record("done", graph.invoke(Command(resume="2"), cfg))
    record("runs", runs)
