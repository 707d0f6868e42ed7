"""A graph as plain values, as JSON can hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caesura.drawing.graph import Edge, Node, is_random

if TYPE_CHECKING:
    from caesura.drawing.graph import Graph


def graph_as_plain(graph: Graph, *, with_schemas: bool) -> dict[str, list[dict[str, Any]]]:
    """See `Graph.to_json`. Nodes with random ids go by their position."""
    ids = {id: place if is_random(id) else id for place, id in enumerate(graph.nodes)}
    return {
        "nodes": [_node(node, ids[id], with_schemas) for id, node in graph.nodes.items()],
        "edges": [_edge(edge, ids) for edge in graph.edges],
    }


def _node(node: Node, id: Any, with_schemas: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": id}
    schema = getattr(node.data, "model_json_schema", None)
    if isinstance(node.data, type) and schema is not None:
        shown |= {"type": "schema", "data": schema() if with_schemas else node.name}
    elif node.data is not None:
        name = node.name if is_random(node.id) else node.id
        shown |= {"type": "runnable", "data": {"id": _origin(node.data), "name": name}}
    if node.metadata is not None:
        shown["metadata"] = node.metadata
    return shown


def _origin(data: Any) -> list[str]:
    """Module path and name of what runs: a function's own, otherwise its class's."""
    named = data if hasattr(data, "__qualname__") else type(data)
    module = getattr(named, "__module__", None) or "builtins"
    return [*module.split("."), named.__qualname__]


def _edge(edge: Edge, ids: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"source": ids.get(edge.source, edge.source)}
    shown["target"] = ids.get(edge.target, edge.target)
    if edge.data is not None:
        shown["data"] = edge.data
    if edge.conditional:
        shown["conditional"] = True
    return shown
