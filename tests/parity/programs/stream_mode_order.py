"""The order in which several modes interleave."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    def node(state, writer):
        writer("custom")
        return {"log": ["n"]}

    builder = StateGraph(State).add_node("a", drive.node(node)).add_node("b", drive.node(node))
    graph = builder.add_edge(START, "a").add_edge("a", "b").compile(checkpointer=make_saver())
    modes = ["values", "updates", "custom", "tasks", "checkpoints", "debug"]

    def kinds(asked, thread):
        chunks = drive.stream(
            graph, {"log": []}, {"configurable": {"thread_id": thread}}, stream_mode=asked
        )
        return [mode if mode != "debug" else f"debug {chunk['type']}" for mode, chunk in chunks]

    record("all", kinds(modes, "1"))
    record("the order asked for does not matter", kinds(modes, "2") == kinds(modes[::-1], "3"))
    record(
        "pairs",
        [
            kinds(["tasks", "updates"], "4"),
            kinds(["checkpoints", "values"], "5"),
            kinds(["tasks", "checkpoints"], "6"),
        ],
    )
