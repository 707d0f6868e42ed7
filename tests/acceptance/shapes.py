"""Small graphs that the promises and the problems are shown on."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

from caesura.graph import START, StateGraph


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]
    ballast: str


def line(saver: Any, **nodes: Any) -> Any:
    """A graph of these nodes, one after the other."""
    graph = StateGraph(State)
    graph.add_sequence(list(nodes.items()))
    graph.add_edge(START, next(iter(nodes)))
    return graph.compile(checkpointer=saver)


def side_by_side(saver: Any, **nodes: Any) -> Any:
    """A graph of these nodes, all at once."""
    graph = StateGraph(State)
    for name, node in nodes.items():
        graph.add_node(name, node)
        graph.add_edge(START, name)
    return graph.compile(checkpointer=saver)
