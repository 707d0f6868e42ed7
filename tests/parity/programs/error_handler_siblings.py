"""Failures side by side: those with a handler stop nobody, those without end the run."""

import asyncio
import operator
from typing import Annotated, TypedDict

from langgraph.errors import NodeError
from langgraph.graph import START, StateGraph

SAVERS = ("memory",)


class State(TypedDict):
    log: Annotated[list, operator.add]


async def run(make_saver, record):
    saver = await make_saver()
    new = {"log": []}
    order = []

    def thread(name):
        return {"configurable": {"thread_id": name}}

    def start(builder, *names):
        for name in names:
            builder.add_edge(START, name)
        return builder.compile(checkpointer=saver)

    failed, handled = asyncio.Event(), asyncio.Event()

    async def bad(state):
        order.append("bad")
        failed.set()
        raise ValueError("bad")

    async def patient(state):
        await handled.wait()
        order.append("patient")
        return {"log": ["patient"]}

    async def handle(state, error: NodeError):
        order.append("handler")
        handled.set()
        return {"log": ["handled"]}

    builder = StateGraph(State).add_node("bad", bad, error_handler=handle)
    builder.add_node("patient", patient)
    record(
        "the handler runs beside siblings",
        await start(builder, "bad", "patient").ainvoke(new, thread("1")),
    )
    record("order", list(order))

    async def handle_badly(state, error: NodeError):
        order.append("handler")
        raise KeyError("handler")

    async def endless(state):
        await asyncio.Event().wait()

    order.clear()
    builder = StateGraph(State).add_node("bad", bad, error_handler=handle_badly)
    graph = start(builder.add_node("endless", endless), "bad", "endless")
    await record.raises_async(
        "a handler that fails stops siblings", graph.ainvoke(new, thread("2"))
    )
    state = await graph.aget_state(thread("2"))
    record("state", [state.next, {t.name: t.error for t in state.tasks}])

    async def early(state):
        order.append("early")
        raise KeyError("early")

    async def late(state):
        await asyncio.Event().wait()

    order.clear()
    builder = StateGraph(State).add_node("early", early)
    graph = start(builder.add_node("late", late, error_handler=handle), "early", "late")
    await record.raises_async("a sibling without a handler fails", graph.ainvoke(new, thread("3")))
    record("a cancelled node is not handled", list(order))
    record("max_concurrency", await mixed(start, new))


async def mixed(start, new):
    async def bad(state):
        raise ValueError("bad")

    async def handle(state, error: NodeError):
        return {"log": ["handled"]}

    async def good(state):
        return {"log": ["good"]}

    builder = StateGraph(State).add_node("bad", bad, error_handler=handle).add_node("good", good)
    graph = start(builder, "bad", "good")
    return await graph.ainvoke(new, {"max_concurrency": 1, "configurable": {"thread_id": "m"}})
