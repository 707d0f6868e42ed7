"""Clearing from async programs, and without a cache."""

from typing import TypedDict

from langgraph.cache.memory import InMemoryCache
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy

SAVERS = ["memory"]


class State(TypedDict):
    n: int


async def run(make_saver, record):
    calls = []

    async def node(state):
        calls.append("node")
        return {"n": 1}

    @task(cache_policy=CachePolicy())
    async def step(n):
        calls.append("step")
        return n

    cache = InMemoryCache()

    @entrypoint(cache=cache)
    async def flow(n):
        return await step(n)

    builder = StateGraph(State).add_node("node", node, cache_policy=CachePolicy())
    graph = builder.add_edge(START, "node").compile(cache=cache)
    for _ in range(2):
        await graph.ainvoke({"n": 0})
        await flow.ainvoke(1)
    record("once each", list(calls))
    await graph.aclear_cache(["node"])
    await graph.ainvoke({"n": 0})
    await flow.ainvoke(1)
    record("node cleared", list(calls))
    await step.aclear_cache(cache)
    await graph.ainvoke({"n": 0})
    await flow.ainvoke(1)
    record("task cleared", list(calls))
    await record.raises_async("no cache", builder.compile().aclear_cache())
    record.raises("no cache, sync", builder.compile().clear_cache)
