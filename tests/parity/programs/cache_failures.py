"""A failure is not kept, what a sibling finished is; a key function's own failure fails the run."""

import operator
from typing import Annotated, TypedDict

from langgraph.cache.memory import InMemoryCache
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy


class State(TypedDict):
    log: Annotated[list, operator.add]


class Broken(InMemoryCache):
    def get(self, keys):
        raise OSError("no cache today")

    async def aget(self, keys):
        raise OSError("no cache today")


DEVIATIONS = {
    "a cache that fails": "a cache that fails is passed over with a warning; LangGraph fails the run",
    "a result that cannot be kept": "a cache that fails is passed over with a warning; LangGraph fails the run",
}


def run(make_saver, record, drive):
    calls, broken = [], []

    def good(state):
        calls.append("good")
        return {"log": ["good"]}

    def bad(state):
        calls.append("bad")
        if broken:
            raise ValueError("broken")
        return {"log": ["bad"]}

    def lonely(node, policy, cache):
        builder = StateGraph(State).add_node("n", drive.node(node), cache_policy=policy)
        return builder.add_edge(START, "n").compile(cache=cache)

    alone = lonely(bad, CachePolicy(), InMemoryCache())
    broken.append(1)
    record("failing", [drive.stream(alone, {"log": []}) for _ in range(2)])
    broken.clear()
    record("then fine", [drive.stream(alone, {"log": []}) for _ in range(2)])
    record("calls", list(calls))

    calls.clear()
    cache = InMemoryCache()
    builder = StateGraph(State).add_node("good", drive.node(good), cache_policy=CachePolicy())
    builder.add_node("bad", drive.node(bad)).add_edge(START, "good").add_edge(START, "bad")
    graph = builder.compile(cache=cache, checkpointer=make_saver())
    drive.invoke(graph, {"log": []}, {"configurable": {"thread_id": "1"}})
    broken.append(1)
    config = {"configurable": {"thread_id": "2"}}
    record("beside a failure", drive.stream(graph, {"log": []}, config, stream_mode="updates"))
    broken.clear()
    record("goes on", drive.invoke(graph, None, config))
    record("calls of both", sorted(calls))

    def no_key(state):
        raise RuntimeError("no key")

    record(
        "key function fails",
        drive.stream(lonely(good, CachePolicy(key_func=no_key), InMemoryCache()), {"log": []}),
    )
    record("a cache that fails", drive.stream(lonely(good, CachePolicy(), Broken()), {"log": []}))
    unkept = lonely(lambda state: {"log": [len]}, CachePolicy(), InMemoryCache())
    record("a result that cannot be kept", len(str(drive.stream(unkept, {"log": []}))) > 60)
