"""Modes as a list, a tuple or a set; what invoke returns in each."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph

SAVERS = ("memory",)
DEVIATIONS = {
    "stream a tuple": "a tuple of modes is taken like a list: items name their mode",
    "nested tuple": "a tuple of modes is taken like a list: items name their mode",
}


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    graph = StateGraph(State).add_node("n", drive.node(lambda s: {"log": ["n"]}))
    graph = graph.add_edge(START, "n").compile()
    outer = StateGraph(State).add_node("sub", graph).add_edge(START, "sub").compile()
    for modes in ("values", ["updates"], ["values", "updates"], [], ["nope"], ["nope", "values"]):
        record(f"stream {modes}", drive.stream(graph, {"log": []}, stream_mode=modes))
        record(f"invoke {modes}", drive.invoke(graph, {"log": []}, stream_mode=modes))
        nested = drive.stream(outer, {"log": []}, stream_mode=modes, subgraphs=True)
        record(f"nested {modes}", nested)
    modes = ("values", "updates")
    record("stream a tuple", drive.stream(graph, {"log": []}, stream_mode=modes))
    record("nested tuple", drive.stream(outer, {"log": []}, stream_mode=modes, subgraphs=True))
    for version in ("v1", "v2"):
        record(f"no mode {version}", drive.stream(graph, {"log": []}, version=version))
