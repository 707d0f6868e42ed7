"""A graph as a cached node; a cached node in a nested graph, which has a cache of its own or none."""

import operator
from typing import Annotated, TypedDict

from langgraph.cache.memory import InMemoryCache
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy

SAVERS = ["memory"]


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    calls = []

    def node(state):
        calls.append("node")
        return {"log": ["node"]}

    def child(policy, cache):
        builder = StateGraph(State).add_node("node", drive.node(node), cache_policy=policy)
        return builder.add_edge(START, "node").compile(cache=cache)

    def parent(inner, policy, cache):
        builder = StateGraph(State).add_node("sub", inner, cache_policy=policy)
        return builder.add_edge(START, "sub").compile(cache=cache)

    def shapes(chunks):
        return [[len(ns), mode, chunk] for ns, mode, chunk in chunks]

    policy = CachePolicy()
    graphs = {
        "a graph as a cached node": parent(child(None, None), policy, InMemoryCache()),
        "a cache of its own": parent(child(policy, InMemoryCache()), None, None),
        "the outer cache": parent(child(policy, None), None, InMemoryCache()),
    }
    for name, graph in graphs.items():
        calls.clear()
        for turn in ("first", "second"):
            chunks = drive.stream(
                graph, {"log": []}, stream_mode=["updates", "values"], subgraphs=True
            )
            record(f"{name}, {turn}", shapes(chunks))
        record(f"{name}, calls", len(calls))
        record.raises(f"{name}, clear", graph.clear_cache)
        drive.invoke(graph, {"log": []})
        record(f"{name}, calls after clear", len(calls))
