"""What goes into a graph, comes out, and lies in its state, as JSON Schemas; and the graph's picture."""

from __future__ import annotations

from typing import Any, get_type_hints

from caesura.drawing import Graph
from caesura.func import EntrypointProgram
from caesura.graph.state import CompiledStateGraph
from caesura.pregel import Pregel
from caesura.pregel.describing import suffixed
from caesura.schemas.kinds import JsonSchema, has_keys, is_typed_dict
from caesura.schemas.outward import class_schema, keys_schema, type_schema
from caesura.types import is_pydantic

_DEFAULT_NAME = "LangGraph"


def schemas_of(graph: Pregel, graph_id: str) -> dict[str, Any]:
    """``graph_id`` and the schemas: ``{input,output,state,config,context}_schema``, or None for one."""
    name = graph_id if graph.name == _DEFAULT_NAME else graph.name
    return {"graph_id": graph_id, **_schemas(graph, name)}


def subgraph_schemas(
    graph: Pregel, *, namespace: str | None = None, recurse: bool = False
) -> dict[str, dict[str, Any]]:
    """Name → schemas of each nested graph (``a|b`` for those deeper); empty if there are none."""
    found = graph.get_subgraphs(namespace=namespace, recurse=recurse)
    return {name: _schemas(inner, inner.name) for name, inner in found}


def drawing_of(graph: Pregel, *, xray: bool | int = False) -> dict[str, list[dict[str, Any]]]:
    """``{"nodes": [{id, type?, data?}], "edges": [{source, target, data?, conditional?}]}``."""
    picture: Graph = graph.get_graph(xray=xray)
    drawn = picture.to_json()
    for node in drawn["nodes"]:
        if "data" in node:
            node["data"] = {"name": node["data"]["name"]}
    return drawn


def _schemas(graph: Pregel, name: str) -> dict[str, Any]:
    described = {"input_schema": None, "output_schema": None, "state_schema": None}
    if isinstance(graph, CompiledStateGraph):
        described = _of_state_graph(graph, name)
    elif isinstance(graph, EntrypointProgram):
        described = _of_entrypoint(graph, name)
    context = None
    if graph.context_schema is not None:
        context = class_schema(graph.context_schema, graph.context_schema.__name__)
    return {**described, "config_schema": context or {}, "context_schema": context}


def _of_state_graph(graph: CompiledStateGraph, name: str) -> dict[str, Any]:
    builder = graph.builder
    return {
        "input_schema": _of_side(builder.input_schema, suffixed(name, "input")),
        "output_schema": _of_side(builder.output_schema, suffixed(name, "output")),
        "state_schema": _of_state(graph, suffixed(name, "state")),
    }


def _of_side(schema: Any, title: str) -> JsonSchema:
    """Input or output: TypedDicts and models have a name of their own, all else is named for the graph."""
    named = is_typed_dict(schema) or is_pydantic(schema)
    if has_keys(schema):
        return class_schema(schema, schema.__name__ if named else title)
    return {**type_schema(schema), "title": title}


def _of_state(graph: CompiledStateGraph, title: str) -> JsonSchema:
    """All keys of the state. None is required: a thread's state begins empty."""
    if isinstance(graph.stream_channels, str):
        return {**type_schema(graph.builder.state_schema), "title": title}
    hints: dict[str, Any] = {}
    for schema in graph.builder.schemas:
        if has_keys(schema):
            hints = {**get_type_hints(schema, include_extras=True), **hints}
    schema = keys_schema({key: hints[key] for key in graph.stream_channels_list}, title, set())
    for described in schema.get("properties", {}).values():
        described.setdefault("default", None)
    return schema


def _of_entrypoint(graph: EntrypointProgram, name: str) -> dict[str, Any]:
    returned = type_schema(graph.shape_of("output").schema)
    end = {"properties": {"__end__": {"default": None, "title": "End", **returned}}}
    return {
        "input_schema": {**type_schema(graph.shape_of("input").schema), "title": f"{name}_input"},
        "output_schema": {**returned, "title": f"{name}_output"},
        "state_schema": {**end, "title": f"{name}_state", "type": "object"},
    }
