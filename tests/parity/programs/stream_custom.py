"""What nodes write themselves."""

import operator
from typing import Annotated, TypedDict

from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    def inner(state, writer):
        writer({"inner": 1})

    def one(state, writer):
        writer("a")
        writer(None)
        return {"log": ["one"]}

    def two(state):
        get_stream_writer()([1, {"b": 2}])

    child = (
        StateGraph(State).add_node("inner", drive.node(inner)).add_edge(START, "inner").compile()
    )
    builder = (
        StateGraph(State)
        .add_node("one", drive.node(one))
        .add_node("two", drive.node(two))
        .add_node("sub", child)
    )
    graph = builder.add_edge(START, "one").add_edge("one", "two").add_edge("two", "sub").compile()
    record("custom", drive.stream(graph, {"log": []}, stream_mode="custom"))
    record("with updates", drive.stream(graph, {"log": []}, stream_mode=["updates", "custom"]))
    record("with children", drive.stream(graph, {"log": []}, stream_mode="custom", subgraphs=True))
    record("not asked for", drive.stream(graph, {"log": []}, stream_mode="updates"))
