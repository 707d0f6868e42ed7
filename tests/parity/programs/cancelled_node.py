"""A node that raises CancelledError by itself fails; it does not cancel the caller."""

import asyncio
import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


async def run(make_saver, record):
    async def cn(state):
        raise asyncio.CancelledError

    started = asyncio.Event()
    seen = []

    async def waits(state):
        started.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    graph = StateGraph(State).add_node("cn", cn).add_edge(START, "cn").compile()
    await record.raises_async("by itself", graph.ainvoke({"log": []}))
    outer = (
        StateGraph(State)
        .add_node("waits", waits)
        .add_edge(START, "waits")
        .compile(checkpointer=await make_saver())
    )
    cfg = {"configurable": {"thread_id": "1"}}
    running = asyncio.create_task(outer.ainvoke({"log": []}, cfg))
    await started.wait()
    running.cancel()
    await record.raises_async("from outside", running)
    record("seen by the node", seen)
    record("next", (await outer.aget_state(cfg)).next)
