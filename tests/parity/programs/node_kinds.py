"""Nodes may be functions, partials, callable objects, lambdas and generators."""

import functools
import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


def plain(state):
    return {"log": ["plain"]}


def with_extra(state, extra):
    return {"log": [extra]}


def generator(state):
    yield {"log": ["one"]}
    yield {"log": ["two"]}


class Callable:
    def __call__(self, state):
        return {"log": ["called"]}

    def method(self, state):
        return {"log": ["method"]}


def run(make_saver, record):
    builder = StateGraph(State)
    builder.add_node(plain)
    builder.add_node("partial", functools.partial(with_extra, extra="partial"))
    builder.add_node("object", Callable())
    builder.add_node("method", Callable().method)
    builder.add_node("lambda", lambda s: {"log": ["lambda"]})
    builder.add_node("log", lambda s: {"log": ["named like a key"]})
    builder.add_edge(START, "plain").add_edge("plain", "partial").add_edge("partial", "object")
    builder.add_edge("object", "method").add_edge("method", "lambda").add_edge("lambda", "log")
    record("result", builder.compile().invoke({"log": []}))
    record("names", list(builder.nodes))
    record.raises(
        "generator",
        StateGraph(State).add_node(generator).add_edge(START, "generator").compile().invoke,
        {"log": []},
    )
    unnamed = StateGraph(State).add_node(lambda s: {"log": ["x"]})
    record("a lambda's name", list(unnamed.nodes))
    named = StateGraph(State).add_node(Callable().method)
    record("a method's name", list(named.nodes))
    sequence = StateGraph(State).add_sequence([plain, ("second", plain), Callable().method])
    sequence.add_edge(START, "plain")
    record(
        "sequence",
        [sequence.compile().invoke({"log": []}), list(sequence.nodes), sorted(sequence.edges)],
    )
