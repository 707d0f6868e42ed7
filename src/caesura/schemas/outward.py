"""Types as the JSON Schemas that clients of a program expect.

Every field has a title, and unknown keys are not refused. The keys of a class are described one by one: a
key whose type has no form in JSON takes anything, and does not keep the others from being described.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, NotRequired, Required, get_args, get_origin, get_type_hints

from typing_extensions import TypedDict

from caesura.schemas.describing import json_schema_of
from caesura.schemas.kinds import JsonSchema, fields_of, has_keys, is_typed_dict
from caesura.types import is_pydantic


def class_schema(schema: Any, title: str) -> JsonSchema:
    """A class with keys. Models are described as a whole, so that their own notes are kept."""
    if isinstance(schema, type) and is_pydantic(schema):
        return type_schema(schema)
    if not has_keys(schema):
        return {**type_schema(schema), "title": title}
    if not (is_typed_dict(schema) or is_dataclass(schema)):
        return keys_schema(get_type_hints(schema, include_extras=True), title, set())
    fields = fields_of(schema)
    described = keys_schema(
        {field.name: field.type for field in fields},
        title,
        {field.name for field in fields if field.required},
    )
    for field in fields:
        described["properties"][field.name].update(field.notes)
    return described


def keys_schema(types: Mapping[str, Any], title: str, required: set[str]) -> JsonSchema:
    """An object with these keys, described together so that they share their definitions."""
    shape: dict[str, Any] = {}
    for key, tp in types.items():
        while get_origin(tp) in (Required, NotRequired):
            tp = get_args(tp)[0]
        tp = tp if _has_form(tp) else Any
        shape[key] = tp if key in required else NotRequired[tp]
    described = type_schema(TypedDict("State", shape))  # type: ignore[operator]
    described.pop("description", None)
    described.setdefault("properties", {})
    return {**described, "title": title}


def _has_form(tp: Any) -> bool:
    try:
        json_schema_of(tp)
    except Exception:  # Third-party types may raise anything when they are described.
        return False
    return True


def type_schema(tp: Any) -> JsonSchema:
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
    _open(eased)
    properties = eased.get("properties")
    if eased.get("type") == "object" and isinstance(properties, dict):
        if eased.get("additionalProperties") is False:
            del eased["additionalProperties"]
        for name, described in properties.items():
            if isinstance(described, dict) and "$ref" not in described:
                described.setdefault("title", name.replace("_", " ").strip().title())
    return eased


def _open(schema: JsonSchema) -> None:
    """Of lists and dicts of anything, say that."""
    if schema.get("type") == "array" and not schema.keys() & {"items", "prefixItems"}:
        schema["items"] = {}
    if schema.get("type") == "object" and not schema.keys() & {
        "properties",
        "additionalProperties",
    }:
        schema["additionalProperties"] = True
