"""Graphs that share a cache share the results of one function under one name, and what each may clear."""

import operator
from typing import Annotated, TypedDict

from langgraph.cache.memory import InMemoryCache
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy

SAVERS = ["memory"]
COLOURS = ["sync"]


class State(TypedDict):
    log: Annotated[list, operator.add]


CALLS = []


def one(state):
    CALLS.append("one")
    return {"log": ["one"]}


def two(state):
    CALLS.append("two")
    return {"log": ["two"]}


def build(cache, *nodes):
    builder = StateGraph(State).set_node_defaults(cache_policy=CachePolicy())
    for name, node in nodes:
        builder.add_node(name, node).add_edge(START, name)
    return builder.compile(cache=cache)


def run(make_saver, record):
    CALLS.clear()
    cache = InMemoryCache()
    first = build(cache, ("a", one), ("b", two))
    second = build(cache, ("a", one), ("c", two))
    first.invoke({"log": []})
    record("filled", sorted(CALLS))
    CALLS.clear()
    second.invoke({"log": []})
    record("the same function under the same name", sorted(CALLS))
    CALLS.clear()
    first.clear_cache(["b", "unknown"])
    first.invoke({"log": []})
    record("one node cleared", sorted(CALLS))
    CALLS.clear()
    first.clear_cache()
    second.invoke({"log": []})
    record("a graph cleared", sorted(CALLS))
    CALLS.clear()
    build(InMemoryCache(), ("a", one)).invoke({"log": []})
    record("another cache", sorted(CALLS))

    @task(cache_policy=CachePolicy())
    def add(n, by=1):
        CALLS.append(n)
        return n + by

    @task(name="other name", cache_policy=CachePolicy(ttl=60))
    def other(n):
        CALLS.append("other")
        return n

    @entrypoint(cache=cache)
    def left(n):
        return add(n).result()

    @entrypoint(cache=cache)
    def right(n):
        return [add(n).result(), add(n, 1).result(), add(n, by=1).result(), other(n).result()]

    CALLS.clear()
    record("two entrypoints", [left.invoke(1), right.invoke(1), right.invoke(1), list(CALLS)])
    CALLS.clear()
    left.clear_cache()
    right.invoke(1)
    record("the entrypoint's cache holds its own result only", list(CALLS))
    other.clear_cache(cache)
    right.invoke(1)
    record("one task cleared", list(CALLS))
