"""Timeouts are for async nodes; the error is retryable and its writes are discarded."""

import asyncio
import operator
from datetime import timedelta
from typing import Annotated, TypedDict

from langgraph.errors import NodeTimeoutError
from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy

SAVERS = ("memory",)


class State(TypedDict):
    log: Annotated[list, operator.add]


async def run(make_saver, record):
    calls = []

    async def slow(state):
        calls.append(1)
        if len(calls) == 1:
            await asyncio.sleep(10)
        return {"log": [len(calls)]}

    def build(**options):
        return StateGraph(State).add_node("slow", slow, **options).add_edge(START, "slow").compile()

    try:
        await build(timeout=0.02).ainvoke({"log": []})
    except NodeTimeoutError as error:
        record(
            "kind",
            [error.kind, error.node, str(error).partition("(")[0], isinstance(error, TimeoutError)],
        )
    calls.clear()
    policy = RetryPolicy(initial_interval=0.001, jitter=False)
    record(
        "tried again",
        await build(timeout=timedelta(milliseconds=20), retry_policy=policy).ainvoke({"log": []}),
    )
    record("in time", await build(timeout=5).ainvoke({"log": []}))
    sync = StateGraph(State).add_node("x", lambda s: None, timeout=1).add_edge(START, "x")
    record.raises("a sync node", sync.compile)
    record.raises("zero", lambda: build(timeout=0))
