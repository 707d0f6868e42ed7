"""A question's answer schema → the flat form that MCP clients show, and the form's content → an answer.

MCP's forms are objects of plain fields: texts, numbers, yes or no, a choice of texts. A schema of that
kind is asked as it is; a single value is asked as the field ``answer``; for everything else ``answer`` is
a text in which the person writes JSON. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from caesura.schemas.fields import resolved

Json = dict[str, Any]
FIELD: Final = "answer"
_KEPT: Final = {
    "string": ("type", "title", "description", "minLength", "maxLength", "format", "default"),
    "number": ("type", "title", "description", "minimum", "maximum", "default"),
    "integer": ("type", "title", "description", "minimum", "maximum", "default"),
    "boolean": ("type", "title", "description", "default"),
}
_FORMATS: Final = frozenset({"email", "uri", "date", "date-time"})


def form_of(schema: Any) -> Json:
    """The ``requestedSchema`` for a question with this answer schema (None: any answer)."""
    if not isinstance(schema, Mapping):
        return _single({"type": "string", "title": "Answer"})
    flat = _flat_object(schema)
    if flat is not None:
        return flat
    plain = _plain(resolved(schema, schema))
    if plain is not None:
        return _single({"title": "Answer", **plain})
    text = f"JSON that fits this schema: {msgspec.json.encode(schema).decode()}"
    return _single({"type": "string", "title": "Answer (JSON)", "description": text})


def answer_of(schema: Any, content: Mapping[str, Any]) -> Any:
    """The answer that a filled-in form gives. What does not fit is refused where answers are checked."""
    if isinstance(schema, Mapping):
        if _flat_object(schema) is not None:
            return dict(content)
        if _plain(resolved(schema, schema)) is None:
            return _from_json(content.get(FIELD))
    return content.get(FIELD)


def _from_json(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _single(field: Json) -> Json:
    return {"type": "object", "properties": {FIELD: field}, "required": [FIELD]}


def _flat_object(schema: Mapping[str, Any]) -> Json | None:
    """The schema as a form, if it is an object of plain fields."""
    root = resolved(schema, schema)
    properties = root.get("properties")
    if root.get("type") != "object" or not isinstance(properties, Mapping) or not properties:
        return None
    fields: Json = {}
    for name, described in properties.items():
        field = _plain(resolved(described, schema)) if isinstance(described, Mapping) else None
        if field is None:
            return None
        fields[name] = field
    required = [name for name in root.get("required", ()) if name in fields]
    return {"type": "object", "properties": fields, "required": required}


def _plain(schema: Mapping[str, Any]) -> Json | None:
    """One field of a form, or None if MCP has none for it."""
    if "const" in schema:
        schema = {**schema, "enum": [schema["const"]]}
    choices = schema.get("enum")
    if choices is not None:
        if not all(isinstance(choice, str) for choice in choices):
            return None
        kept = {k: schema[k] for k in ("title", "description", "default") if k in schema}
        return {"type": "string", "enum": list(choices), **kept}
    kind = schema.get("type")
    if not isinstance(kind, str) or kind not in _KEPT or {"anyOf", "oneOf", "allOf"} & set(schema):
        return None
    field = {name: schema[name] for name in _KEPT[kind] if name in schema}
    if field.get("format") not in _FORMATS:
        field.pop("format", None)
    return field
