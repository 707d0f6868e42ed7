"""Entrypoints and their tasks in a v3 run, and graphs called in them."""

import operator
from typing import Annotated, TypedDict

from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.stream import TasksTransformer, UpdatesTransformer
from langgraph.types import Command, interrupt

SAVERS = ("memory",)
COLOURS = ("sync",)
DEVIATIONS = {"paused": "the update of a pause names its question; LangGraph's is empty here"}


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    @task
    def double(x):
        return x * 2

    @entrypoint(checkpointer=make_saver())
    def asking(x):
        return double(x).result() + interrupt("more?")

    child = StateGraph(State).add_node("n", lambda s: {"log": ["n"]}).add_edge(START, "n").compile()

    @entrypoint()
    def inner(x):
        return double(x).result()

    @entrypoint()
    def outer(x):
        return [child.invoke({"log": []}), inner.invoke(x)]

    config = {"configurable": {"thread_id": "1"}}
    both = {"transformers": [UpdatesTransformer, TasksTransformer]}
    record("paused", drive.events(asking, 1, config, **both))
    record("resumed", drive.events(asking, Command(resume=3), config, **both))
    record("results", drive.results(asking, 2, {"configurable": {"thread_id": "2"}}))
    record("nested", drive.events(outer, 1, **both))
    record("nested: lifecycle", drive.projection(outer, "lifecycle", 1))
