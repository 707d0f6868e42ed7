"""A kept result includes where the node went: its branches, its goto, its Sends, and nothing at all."""

import operator
from typing import Annotated, TypedDict

from langgraph.cache.memory import InMemoryCache
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy, Command, Send


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    calls = []

    def end(state):
        calls.append("end")
        return {"log": ["end"]}

    def worker(item):
        return {"log": [item]}

    def jump(state):
        calls.append("jump")
        return Command(update={"log": ["jump"]}, goto=["end", Send("worker", 7)])

    def step(state):
        calls.append("step")
        return {"log": ["step"]}

    def choose(state):
        calls.append("choose")
        return "end" if len(state["log"]) < 3 else "worker"

    def silent(state):
        calls.append("silent")

    def build(name, node):
        builder = StateGraph(State).add_node(name, drive.node(node), cache_policy=CachePolicy())
        builder.add_node("end", drive.node(end)).add_node("worker", drive.node(worker))
        return builder.add_edge(START, name)

    graphs = {
        "jump": build("jump", jump).compile(cache=InMemoryCache()),
        "branch": build("step", step)
        .add_conditional_edges("step", choose, ["end", "worker"])
        .compile(cache=InMemoryCache()),
        "silent": build("silent", silent).add_edge("silent", "end").compile(cache=InMemoryCache()),
    }
    for name, graph in graphs.items():
        calls.clear()
        record(f"{name}, first", drive.invoke(graph, {"log": []}))
        chunks = drive.stream(graph, {"log": []}, stream_mode=["updates", "values"])
        record(f"{name}, second", [chunk for mode, chunk in chunks if mode == "values"])
        record(f"{name}, hit", next(c for mode, c in chunks if mode == "updates"))
        record(f"{name}, calls", list(calls))
