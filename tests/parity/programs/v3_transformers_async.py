"""Async transformers: awaited in order; what they schedule belongs to the run."""

import asyncio
import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.stream import StreamChannel, StreamTransformer

SAVERS = ("memory",)


class State(TypedDict):
    log: Annotated[list, operator.add]


class Own(StreamTransformer):
    heard: list = []

    def __init__(self, scope=()):
        super().__init__(scope)
        self.channel = StreamChannel("mine")

    def init(self):
        return {"mine": self.channel}


class Awaited(Own):
    async def aprocess(self, event):
        await asyncio.sleep(0)
        self.heard.append((self.scope, event["method"]))
        self.channel.push(event["method"])
        return event["method"] != "values"

    async def afinalize(self):
        self.heard.append(("finalize", self.scope))

    async def afail(self, err):
        self.heard.append(("fail", self.scope, err))


class Scheduling(Own):
    requires_async = True

    def process(self, event):
        async def later():
            await asyncio.sleep(0)
            self.channel.push(event["method"])

        self.schedule(later())
        return True


class Logged(Scheduling):
    def process(self, event):
        async def later():
            raise KeyError("later")

        self.schedule(later())
        return True


async def run(make_saver, record):
    async def node(state):
        return {"log": ["n"]}

    async def bad(state):
        raise ValueError("bad")

    def build(inner):
        child = StateGraph(State).add_node("in", inner).add_edge(START, "in").compile()
        return StateGraph(State).add_node("sub", child).add_edge(START, "sub").compile()

    async def read(graph, name, *transformers):
        Own.heard.clear()
        reader = await graph.astream_events(
            {"log": []}, version="v3", transformers=list(transformers)
        )
        items = []
        try:
            async for item in reader.extensions[name] if name else reader:
                items.append(item if name else (item["seq"], item["method"]))
        except ValueError as error:
            items.append(error)
        return items

    record("events", await read(build(node), None, Awaited))
    record("heard", list(Own.heard))
    record("failing", await read(build(bad), None, Awaited))
    record("heard while failing", list(Own.heard))
    record("scheduled", await read(build(node), "mine", Scheduling))
    record("errors are logged", await read(build(node), "values", Logged))
    graph = build(node)
    for kind in (Awaited, Scheduling):
        record.raises(
            f"sync: {kind.__name__}",
            graph.stream_events,
            {"log": []},
            version="v3",
            transformers=[kind],
        )
