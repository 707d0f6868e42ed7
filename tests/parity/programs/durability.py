"""What is stored in each durability mode."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = StateGraph(State)
    builder.add_node("a", drive.node(lambda s: {"log": ["a"]}))
    builder.add_node("ask", drive.node(lambda s: {"log": [interrupt("?")]}))
    builder.add_node("z", drive.node(lambda s: {"log": ["z"]}))
    builder.add_edge(START, "a").add_edge("a", "ask").add_edge("ask", "z")
    for mode in ("sync", "async", "exit"):
        graph = builder.compile(checkpointer=make_saver())
        cfg = {"configurable": {"thread_id": "1"}}
        paused = drive.invoke(graph, {"log": []}, cfg, durability=mode)
        record(f"{mode}: paused", paused)
        record(
            f"{mode}: stored while paused",
            [
                [s.metadata["step"], s.next, s.parent_config is None]
                for s in drive.history(graph, cfg)
            ],
        )
        record(f"{mode}: resumed", drive.invoke(graph, Command(resume="yes"), cfg, durability=mode))
        record(
            f"{mode}: stored",
            [
                [s.metadata["source"], s.metadata["step"], s.next, s.values]
                for s in drive.history(graph, cfg)
            ],
        )
    graph = builder.compile()
    record("no saver, exit", drive.invoke(graph, {"log": []}, durability="exit")["log"])
