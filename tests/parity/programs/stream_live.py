"""Events of a node that still runs are delivered at once; closing the stream ends the run."""

import asyncio
import operator
import threading
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph

SAVERS = ("memory",)
COLOURS = ("sync",)


class State(TypedDict):
    log: Annotated[list, operator.add]


def chain(*nodes):
    return (
        StateGraph(State)
        .add_sequence([(n.__name__, n) for n in nodes])
        .add_edge(START, nodes[0].__name__)
    )


def live(record, modes, nested, **how):
    go_on = threading.Event()

    def slow(state, writer):
        writer("begun")
        return {"log": [go_on.wait(5)]}

    graph = chain(slow).compile()
    if nested:
        graph = StateGraph(State).add_node("sub", graph).add_edge(START, "sub").compile()
    seen = []
    for item in graph.stream({"log": []}, stream_mode=modes, subgraphs=nested, **how):
        seen.append(item)
        if "begun" in repr(item) or (nested and "custom" not in modes and "tasks" in repr(item)):
            go_on.set()
    record(f"{modes} {nested}", [item if not nested else item[1:] for item in seen][-1])


async def closed_async(record):
    ended = []

    async def first(state):
        return {"log": ["first"]}

    async def slow(state):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("slow")

    async def after(state):
        ended.append("after")

    graph = chain(first, slow, after).compile()
    stream = graph.astream({"log": []}, stream_mode=["updates", "custom"])
    await anext(stream)
    closing = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.05)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    await stream.aclose()
    record("cancelled", ended)


def run(make_saver, record, drive):
    live(record, ["custom", "values"], False)
    live(record, ["custom", "values"], True)
    asyncio.run(closed_async(record))
    go_on, ran = threading.Event(), []

    def first(state, writer):
        writer("first")
        return {"log": ["first"]}

    def slow(state, writer):
        writer("begun")
        go_on.wait(5)
        ran.append("slow")
        return {"log": ["slow"]}

    def after(state):
        ran.append("after")

    graph = chain(first, slow, after).compile(checkpointer=make_saver())
    config = {"configurable": {"thread_id": "1"}}
    stream = graph.stream({"log": []}, config, stream_mode="custom")
    record("seen", [next(stream), next(stream)])
    threading.Timer(0.05, go_on.set).start()
    stream.close()
    record("closing waits for the node", list(ran))
    record("and keeps what it did", graph.invoke(None, config)["log"])
    record("which is not done again", list(ran))
