"""What goes into a graph, comes out, and lies in its state, as JSON Schemas; and the graph's picture.

The keys of the state are described one by one: a key whose type has no form in JSON takes anything, and
does not keep the others from being described.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, NotRequired, Required, get_args, get_origin, get_type_hints

from typing_extensions import TypedDict

from caesura.drawing import Graph
from caesura.func import EntrypointProgram, Final
from caesura.graph.injection import first_annotation, return_annotation
from caesura.graph.schema import has_keys
from caesura.graph.state import CompiledStateGraph
from caesura.pregel import Pregel
from caesura.schemas import JsonSchema, json_schema_of
from caesura.schemas.kinds import fields_of, is_typed_dict
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
        context = _of_class(graph.context_schema, graph.context_schema.__name__)
    return {**described, "config_schema": context or {}, "context_schema": context}


def _of_state_graph(graph: CompiledStateGraph, name: str) -> dict[str, Any]:
    builder = graph.builder
    return {
        "input_schema": _of_side(builder.input_schema, _suffixed(name, "input")),
        "output_schema": _of_side(builder.output_schema, _suffixed(name, "output")),
        "state_schema": _of_state(graph, _suffixed(name, "state")),
    }


def _of_side(schema: Any, title: str) -> JsonSchema:
    """Input or output: TypedDicts and models have a name of their own, all else is named for the graph."""
    named = is_typed_dict(schema) or is_pydantic(schema)
    if has_keys(schema):
        return _of_class(schema, schema.__name__ if named else title)
    return {**_of_type(schema), "title": title}


def _of_state(graph: CompiledStateGraph, title: str) -> JsonSchema:
    """All keys of the state. None is required: a thread's state begins empty."""
    if isinstance(graph.stream_channels, str):
        return {**_of_type(graph.builder.state_schema), "title": title}
    hints: dict[str, Any] = {}
    for schema in graph.builder.schemas:
        if has_keys(schema):
            hints = {**get_type_hints(schema, include_extras=True), **hints}
    schema = _of_keys({key: hints[key] for key in graph.stream_channels_list}, title, set())
    for described in schema.get("properties", {}).values():
        described.setdefault("default", None)
    return schema


def _of_entrypoint(graph: EntrypointProgram, name: str) -> dict[str, Any]:
    output = return_annotation(graph.function)
    if get_origin(output) is Final:
        output = get_args(output)[0]
    returned = _of_type(output)
    end = {"properties": {"__end__": {"default": None, "title": "End", **returned}}}
    return {
        "input_schema": {**_of_type(first_annotation(graph.function)), "title": f"{name}_input"},
        "output_schema": {**returned, "title": f"{name}_output"},
        "state_schema": {**end, "title": f"{name}_state", "type": "object"},
    }


def _suffixed(name: str, suffix: str) -> str:
    """``agent_state``, ``LangGraphState``: as the name is written, so is the whole."""
    return f"{name}{suffix.title()}" if name[:1].isupper() else f"{name}_{suffix}"


# --- describing ------------------------------------------------------------------------------


def _of_class(schema: Any, title: str) -> JsonSchema:
    """A class with keys. Models are described as a whole, so that their own notes are kept."""
    if isinstance(schema, type) and is_pydantic(schema):
        return _of_type(schema)
    if not has_keys(schema):
        return {**_of_type(schema), "title": title}
    if not (is_typed_dict(schema) or is_dataclass(schema)):
        return _of_keys(get_type_hints(schema, include_extras=True), title, set())
    fields = fields_of(schema)
    described = _of_keys(
        {field.name: field.type for field in fields},
        title,
        {field.name for field in fields if field.required},
    )
    for field in fields:
        described["properties"][field.name].update(field.notes)
    return described


def _of_keys(types: Mapping[str, Any], title: str, required: set[str]) -> JsonSchema:
    """An object with these keys, described together so that they share their definitions."""
    shape: dict[str, Any] = {}
    for key, tp in types.items():
        while get_origin(tp) in (Required, NotRequired):
            tp = get_args(tp)[0]
        tp = tp if _has_form(tp) else Any
        shape[key] = tp if key in required else NotRequired[tp]
    described = _of_type(TypedDict("State", shape))  # type: ignore[operator]
    described.pop("description", None)
    described.setdefault("properties", {})
    return {**described, "title": title}


def _has_form(tp: Any) -> bool:
    try:
        json_schema_of(tp)
    except Exception:  # Third-party types may raise anything when they are described.
        return False
    return True


def _of_type(tp: Any) -> JsonSchema:
    """A type as clients expect it: fields have titles, and unknown keys are not refused."""
    schema = json_schema_of(tp) if tp is not None and _has_form(tp) else None
    eased: JsonSchema = _eased(schema or {})
    return eased


def _eased(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_eased(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    eased = {
        key: value if key in ("default", "enum", "const", "examples") else _eased(value)
        for key, value in schema.items()
    }
    properties = eased.get("properties")
    if eased.get("type") == "object" and isinstance(properties, dict):
        if eased.get("additionalProperties") is False:
            del eased["additionalProperties"]
        for name, described in properties.items():
            if isinstance(described, dict) and "$ref" not in described:
                described.setdefault("title", name.replace("_", " ").strip().title())
    return eased
