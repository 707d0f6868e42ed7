"""Async v3 runs: projections that are read side by side, awaited results, abort."""

import asyncio
import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph

SAVERS = ("memory",)


class State(TypedDict):
    log: Annotated[list, operator.add]


async def run(make_saver, record):
    def node(name):
        async def body(state):
            return {"log": [name]}

        return body

    child = StateGraph(State).add_node("in", node("in")).add_edge(START, "in").compile()
    builder = StateGraph(State).add_node("a", node("a")).add_node("sub", child)
    builder.add_edge(START, "a").add_edge("a", "sub")
    graph = builder.compile(checkpointer=await make_saver())
    threads = iter(range(100))

    async def start(**how):
        config = {"configurable": {"thread_id": str(next(threads))}}
        return await graph.astream_events({"log": []}, config, version="v3", **how)

    async def all_of(items):
        return [item async for item in items]

    async with await start() as reader:
        values, lives, events = await asyncio.gather(
            all_of(reader.values), all_of(reader.lifecycle), all_of(reader)
        )
        record("side by side", [values, lives, [(e["seq"], e["method"]) for e in events]])
        record(
            "results",
            [await reader.output(), await reader.interrupted(), await reader.interrupts()],
        )
    reader = await start()
    nested = []
    async for sub in reader.subgraphs:
        nested.append(
            [sub.graph_name, sub.status, await all_of(sub.values), await sub.output(), sub.status]
        )
    record("subgraphs", nested)
    reader = await start()
    items = aiter(reader.values)
    first = await anext(items)
    await reader.abort()
    record("aborted", [first, await all_of(items), await reader.output()])
    reader = await start()
    await all_of(reader.values)
    await record.raises_async("twice", all_of(reader.values))
    for how in ({"stream_mode": "values"}, {"subgraphs": True}):

        async def refused(how=how):
            return await start(**how)

        await record.raises_async(f"refused: {how}", refused())
    waiting = asyncio.Event()

    async def hang(state):
        await waiting.wait()

    stuck = StateGraph(State).add_node("a", node("a")).add_node("h", hang)
    stuck = stuck.add_edge(START, "a").add_edge("a", "h").compile()
    async with await stuck.astream_events({"log": []}, version="v3") as reader:
        async for value in reader.values:
            if value["log"]:
                break
    record("left early", value)
