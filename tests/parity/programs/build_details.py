"""Names and attributes of a compiled graph; edits after compile do not reach it."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.pregel import Pregel


class State(TypedDict):
    log: Annotated[list, operator.add]
    a: str


class Context(TypedDict):
    user: str


def run(make_saver, record):
    builder = StateGraph(State, Context)
    builder.add_node("x", lambda s: {"log": ["x"]}).add_node("y", lambda s: {"log": ["y"]})
    builder.add_edge(START, "x").add_edge("x", "y").add_edge("y", END)
    graph = builder.compile(name="mine", interrupt_after=[])
    record("name", [graph.name, builder.compile().name])
    record("kinds", [isinstance(graph, Pregel), type(graph).__name__])
    record("nodes", [list(graph.nodes), list(builder.nodes)])
    record(
        "channels in and out",
        [graph.input_channels, graph.output_channels, graph.stream_channels, graph.stream_mode],
    )
    builder.add_node("late", lambda s: {"log": ["late"]}).add_edge("y", "late")
    record(
        "edited after compile", [graph.invoke({"log": []}), builder.compile().invoke({"log": []})]
    )
    record("edges", sorted(builder.edges))
    record("no subgraphs", list(graph.get_subgraphs()))
    entry = (
        StateGraph(State)
        .add_node("x", lambda s: {"log": ["x"]})
        .add_node("y", lambda s: {"log": ["y"]})
    )
    entry.set_conditional_entry_point(lambda s: "y", ["x", "y"])
    record("conditional entry", entry.compile().invoke({"log": []}))
    copied = graph.copy({"name": "copy"}) if hasattr(graph, "copy") else None
    record("copy", [copied.name, graph.name])
