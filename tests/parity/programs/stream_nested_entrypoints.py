"""Streams of entrypoints in entrypoints, of graphs in entrypoints and of entrypoints in graphs."""

import operator
from typing import Annotated, TypedDict

from langgraph.config import get_stream_writer
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

SAVERS = ("memory",)
COLOURS = ("sync",)
MODES = ["values", "updates", "tasks", "custom"]


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    @task
    def add(x):
        get_stream_writer()(f"add {x}")
        return x + 1

    @entrypoint()
    def inner(x):
        return add(x).result() * 10

    graph = StateGraph(State).add_node("n", lambda s: {"log": ["n"]}).add_edge(START, "n").compile()

    @entrypoint()
    def outer(x):
        return [inner.invoke(x), graph.invoke({"log": []}), add(x).result()]

    @entrypoint(checkpointer=make_saver())
    def asking(x):
        return [inner.invoke(x), interrupt("?"), add(x).result()]

    around = StateGraph(State).add_node("call", lambda s: {"log": [inner.invoke(1)]})
    around = around.add_edge(START, "call").compile()
    for name, program, given in (("outer", outer, 1), ("around", around, {"log": []})):
        for nested in (False, True):
            shown = drive.stream(program, given, stream_mode=MODES, subgraphs=nested)
            record(f"{name} {nested}", shown)
    for nested in (False, True):
        config = {"configurable": {"thread_id": str(nested)}}
        how = {"stream_mode": MODES, "subgraphs": nested}
        record(f"asking {nested}", drive.stream(asking, 1, config, **how))
        record(f"answered {nested}", drive.stream(asking, Command(resume="y"), config, **how))
    record("default mode", [drive.stream(inner, 1), drive.stream(outer, 1)])
