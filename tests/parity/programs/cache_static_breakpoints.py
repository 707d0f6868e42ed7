"""Breakpoints stop before and after a cached node, whether it is run or not."""

import operator
from typing import Annotated, TypedDict

from langgraph.cache.memory import InMemoryCache
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    calls = []

    def node(state):
        calls.append("node")
        return {"log": ["node"]}

    def last(state):
        return {"log": ["last"]}

    builder = StateGraph(State).add_node("node", drive.node(node), cache_policy=CachePolicy())
    builder.add_node("last", drive.node(last)).add_edge(START, "node").add_edge("node", "last")
    graph = builder.compile(
        cache=InMemoryCache(),
        checkpointer=make_saver(),
        interrupt_before=["node"],
        interrupt_after=["node"],
    )
    for name in ("first", "second"):
        config = {"configurable": {"thread_id": name}}
        record(f"{name}: before", drive.stream(graph, {"log": []}, config))
        record(f"{name}: after", drive.stream(graph, None, config))
        record(f"{name}: next", drive.state(graph, config).next)
        record(f"{name}: end", drive.stream(graph, None, config, stream_mode=["updates", "values"]))
    record("calls", list(calls))
