"""Async: a finished sibling is kept, a resume runs only what did not finish."""

import asyncio
import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


async def run(make_saver, record):
    runs = {"bad": 0, "quick": 0, "slow": 0}
    quick_done = asyncio.Event()

    async def bad(state):
        runs["bad"] += 1
        if runs["bad"] == 1:
            await quick_done.wait()
            await asyncio.sleep(0.1)
            raise ValueError("bad failed")
        return {"log": ["bad"]}

    async def quick(state):
        runs["quick"] += 1
        quick_done.set()
        return {"log": ["quick"]}

    async def slow(state):
        runs["slow"] += 1
        if runs["slow"] == 1:
            await asyncio.sleep(30)
        return {"log": ["slow"]}

    builder = StateGraph(State)
    for node in (bad, quick, slow):
        builder.add_node(node.__name__, node).add_edge(START, node.__name__)
    graph = builder.compile(checkpointer=await make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    await record.raises_async("failure", graph.ainvoke({"log": ["in"]}, cfg))
    state = await graph.aget_state(cfg)
    record("values", state.values)
    record("next", state.next)
    record("errors", [(t.name, t.error) for t in state.tasks])
    record("resumed", await graph.ainvoke(None, cfg))
    record("runs", runs)
