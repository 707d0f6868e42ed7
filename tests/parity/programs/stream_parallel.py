"""Events of parallel siblings: one of each, whatever the order."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Send, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = StateGraph(State)
    for name in "ab":
        builder.add_node(name, drive.node(lambda s, name=name: {"log": [name]})).add_edge(
            START, name
        )
    builder.add_node("ask", drive.node(lambda s: {"log": [interrupt("?")]})).add_edge(START, "ask")
    builder.add_node("w", drive.node(lambda arg: {"log": [arg]}))
    builder.add_conditional_edges(START, lambda s: [Send("w", "1"), Send("w", "2")])
    graph = builder.compile(checkpointer=make_saver())
    chunks = drive.stream(
        graph, {"log": []}, {"configurable": {"thread_id": "1"}}, stream_mode=["values", "updates"]
    )
    updates = [chunk for mode, chunk in chunks if mode == "updates"]
    record("updates", sorted((u for u in updates if "__interrupt__" not in u), key=repr))
    record("pause", [u for u in updates if "__interrupt__" in u])
    values = [chunk["log"] for mode, chunk in chunks if mode == "values"]
    record("first and last values", [values[0], values[-1]])
    tasks = drive.stream(
        graph, {"log": []}, {"configurable": {"thread_id": "2"}}, stream_mode="tasks"
    )
    record("starts, in order", [t["name"] for t in tasks if "input" in t])
    record("ends", sorted((t["name"], repr(t["result"])) for t in tasks if "result" in t))
