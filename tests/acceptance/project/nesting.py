"""Graphs inside graphs: `sub` has a child that asks, `nested` a child whose child does."""

from __future__ import annotations

from graphs import S
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt


def inner_a(state: S) -> S:
    return {"log": ["inner_a"]}


def inner_ask(state: S) -> S:
    return {"decision": interrupt({"inner": True}), "log": ["inner_ask"]}


inner = (
    StateGraph(S)
    .add_node("inner_a", inner_a)
    .add_node("inner_ask", inner_ask)
    .add_edge(START, "inner_a")
    .add_edge("inner_a", "inner_ask")
    .add_edge("inner_ask", END)
    .compile()
)


def first(state: S) -> S:
    return {"log": ["first"]}


def last(state: S) -> S:
    return {"log": ["last"]}


sub = (
    StateGraph(S)
    .add_node("first", first)
    .add_node("child", inner)
    .add_node("last", last)
    .add_edge(START, "first")
    .add_edge("first", "child")
    .add_edge("child", "last")
    .add_edge("last", END)
    .compile()
)

middle = StateGraph(S).add_node("deep", inner).add_edge(START, "deep").add_edge("deep", END)
nested = (
    StateGraph(S)
    .add_node("mid", middle.compile())
    .add_edge(START, "mid")
    .add_edge("mid", END)
    .compile()
)
