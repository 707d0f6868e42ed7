"""A Python type as JSON Schema.

Types that involve pydantic are described by pydantic, all others by `_Describe`. `converting` treats
the same kinds in the same order.
"""

from __future__ import annotations

import json
import types
from collections.abc import Mapping, Set
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin
from uuid import UUID

from caesura.schemas.by_pydantic import pydantic_adapter, uses_pydantic
from caesura.schemas.kinds import (
    JsonSchema,
    enum_json,
    fields_of,
    has_fields,
    is_hashable,
    no_form,
    unwrapped,
)


def json_schema_of(tp: Any) -> JsonSchema | None:
    """The JSON Schema (draft 2020-12) of values of ``tp``; None for None; a dict is one already.

    Takes pydantic models, dataclasses, TypedDicts, enums, ``Literal``, unions, ``Annotated``,
    lists, tuples, sets, dicts with string keys, numbers, strings, dates, UUID and Decimal.
    Raises TypeError for a type whose values have no form in JSON.
    """
    if tp is None or isinstance(tp, dict):
        return tp
    if uses_pydantic(tp):
        return pydantic_adapter(tp).json_schema()  # type: ignore[no-any-return]
    describe = _Describe()
    schema = describe.schema(tp)
    return _with_definitions(schema, describe.definitions)


def _with_definitions(schema: JsonSchema, definitions: dict[str, JsonSchema]) -> JsonSchema:
    """The root inlined, unless something refers back to it."""
    name = schema.get("$ref", "").removeprefix("#/$defs/")
    if name and json.dumps(definitions).count(json.dumps(schema["$ref"])) == 0:
        schema = definitions.pop(name)
    return {**schema, "$defs": definitions} if definitions else schema


_PRIMITIVES: Final[dict[Any, JsonSchema]] = {
    Any: {},
    object: {},
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    time: {"type": "string", "format": "time"},
    UUID: {"type": "string", "format": "uuid"},
    Decimal: {
        "anyOf": [
            {"type": "number"},
            {"type": "string", "pattern": r"^[+-]?\d*\.?\d+([eE][+-]?\d+)?$"},
        ]
    },
}
_CONSTRAINTS: Final = {
    "ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf", "pattern": "pattern",
}  # fmt: skip


class _Describe:
    """Types to schemas. Classes with fields become definitions, so that they may recur."""

    def __init__(self) -> None:
        self.definitions: dict[str, JsonSchema] = {}
        self._names: dict[Any, str] = {}

    def schema(self, tp: Any) -> JsonSchema:
        if is_hashable(tp) and tp in _PRIMITIVES:
            return dict(_PRIMITIVES[tp])
        origin, args = get_origin(tp), get_args(tp)
        if tp is None:
            return {"type": "null"}
        if origin is Annotated:
            return self._annotated(args[0], args[1:])
        if origin is Literal:
            return {"enum": [enum_json(a) if isinstance(a, Enum) else a for a in args]}
        if origin in (Union, types.UnionType):
            return {"anyOf": [self.schema(arm) for arm in args]}
        if isinstance(tp, type) and issubclass(tp, Enum):
            return {"title": tp.__name__, "enum": [enum_json(member) for member in tp]}
        if has_fields(origin or tp):
            return self._reference(origin or tp)
        plain = unwrapped(tp)
        return self.schema(plain) if plain is not tp else self._container(origin or tp, args)

    def _annotated(self, tp: Any, notes: tuple[Any, ...]) -> JsonSchema:
        schema = self.schema(tp)
        sized = {"array": "Items", "object": "Properties"}.get(schema.get("type", ""), "Length")
        for note in notes:
            for name, keyword in _CONSTRAINTS.items():
                if (value := getattr(note, name, None)) is not None:
                    schema[keyword] = value
            for name, keyword in (("min_length", "min"), ("max_length", "max")):
                if (value := getattr(note, name, None)) is not None:
                    schema[keyword + sized] = value
            text = note if isinstance(note, str) else getattr(note, "documentation", None)
            if isinstance(text, str):
                schema["description"] = text
        return schema

    def _reference(self, cls: Any) -> JsonSchema:
        if cls not in self._names:
            name, n = cls.__name__, 1
            while name in self.definitions:
                n += 1
                name = f"{cls.__name__}_{n}"
            self._names[cls] = name
            self.definitions[name] = {}
            self.definitions[name].update(self._object(cls))
        return {"$ref": f"#/$defs/{self._names[cls]}"}

    def _object(self, cls: Any) -> JsonSchema:
        required = []
        properties = {}
        for field in fields_of(cls):
            properties[field.name] = {**self.schema(field.type), **field.notes}
            if field.required:
                required.append(field.name)
        schema: JsonSchema = {"title": cls.__name__, "type": "object"}
        doc = cls.__doc__
        if doc and not doc.startswith(f"{cls.__name__}(") and cls.__doc__ is not dict.__doc__:
            schema["description"] = doc.strip()
        schema["properties"] = properties
        if required:
            schema["required"] = required
        return {**schema, "additionalProperties": False}

    def _container(self, kind: Any, args: tuple[Any, ...]) -> JsonSchema:
        if not isinstance(kind, type) or issubclass(kind, (str, bytes)):
            raise TypeError(no_form(kind))
        if issubclass(kind, tuple):
            return self._tuple(args)
        if issubclass(kind, Mapping):
            if args and args[0] not in (str, Any):
                raise TypeError(f"{no_form(kind)}: the keys of an object in JSON are strings")
            extra = {"additionalProperties": self.schema(args[1])} if args else {}
            return {"type": "object", **extra}
        if issubclass(kind, (list, set, frozenset)) or kind.__module__ == "collections.abc":
            items = {"items": self.schema(args[0])} if args else {}
            unique = {"uniqueItems": True} if issubclass(kind, Set) else {}
            return {"type": "array", **items, **unique}
        raise TypeError(no_form(kind))

    def _tuple(self, args: tuple[Any, ...]) -> JsonSchema:
        if not args:
            return {"type": "array"}
        if args[-1] is Ellipsis:
            return {"type": "array", "items": self.schema(args[0])}
        items = [self.schema(arg) for arg in args]
        size = {"minItems": len(items), "maxItems": len(items)}
        return {"type": "array", "prefixItems": items, "items": False, **size}
