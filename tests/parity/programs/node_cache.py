"""A cached node is not run again for the same input."""

import operator
from typing import Annotated, TypedDict

from langgraph.cache.memory import InMemoryCache
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy


class State(TypedDict):
    log: Annotated[list, operator.add]
    key: str


def run(make_saver, record, drive):
    calls = []

    def slow(state):
        calls.append(state["key"])
        return {"log": [f"slow {state['key']}"]}

    def build(policy, cache):
        builder = StateGraph(State).add_node("slow", drive.node(slow), cache_policy=policy)
        return builder.add_edge(START, "slow").compile(cache=cache)

    graph = build(CachePolicy(), InMemoryCache())
    record("first", drive.stream(graph, {"log": [], "key": "a"}, stream_mode=["updates", "tasks"]))
    record("second", drive.stream(graph, {"log": [], "key": "a"}, stream_mode=["updates", "tasks"]))
    record("other input", drive.invoke(graph, {"log": [], "key": "b"}))
    record("calls", list(calls))
    graph.clear_cache()
    record("cleared", [drive.invoke(graph, {"log": [], "key": "a"}), len(calls)])
    by_key = build(CachePolicy(key_func=lambda state: state["key"][:1]), InMemoryCache())
    drive.invoke(by_key, {"log": [], "key": "xa"})
    record("own key", drive.invoke(by_key, {"log": [], "key": "xb"}))
    record.raises("no cache to clear", build(None, None).clear_cache)
