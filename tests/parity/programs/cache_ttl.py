"""How long a result is used again: for ever, for a while, or not at all."""

import operator
from typing import Annotated, TypedDict

from langgraph.cache.memory import InMemoryCache
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    for ttl in (None, 3600, 0, -1):
        calls = []

        def node(state):
            calls.append(1)  # noqa: B023
            return {"log": ["ran"]}

        builder = StateGraph(State).add_node(
            "n", drive.node(node), cache_policy=CachePolicy(ttl=ttl)
        )
        graph = builder.add_edge(START, "n").compile(cache=InMemoryCache())
        drive.invoke(graph, {"log": []})
        record(f"second run, ttl {ttl}", drive.stream(graph, {"log": []}))
        record(f"calls, ttl {ttl}", len(calls))
    policy = CachePolicy()
    record("defaults", [policy.ttl, callable(policy.key_func)])
