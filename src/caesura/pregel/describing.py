"""What goes into a program and what comes out of it, as JSON Schemas and as pydantic models.

A side of a program is a `Shape`. JSON Schemas are made without pydantic; it is imported when a model is
asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, NamedTuple

from caesura.digests import plain_json
from caesura.schemas.kinds import JsonSchema, has_keys, is_typed_dict
from caesura.types import is_pydantic


class Shape(NamedTuple):
    """What one side of a program takes or gives: values of ``schema``, or a dict of ``keys``.

    ``named``: ``schema`` is the class that a `StateGraph` was made with.
    """

    schema: Any = None
    keys: Mapping[str, Any] | None = None
    named: bool = False


def suffixed(name: str, suffix: str) -> str:
    """``agent_state``, ``LangGraphState``: as the name is written, so is the whole."""
    return f"{name}{suffix.title()}" if name[:1].isupper() else f"{name}_{suffix}"


# --- JSON Schemas ----------------------------------------------------------------------------


def json_of(shape: Shape, title: str) -> JsonSchema:
    """The JSON Schema of a side; ``title`` for what has no name of its own."""
    from caesura.schemas.outward import keys_schema, type_schema

    if shape.named:
        return _of_declared(shape.schema, title)
    if shape.keys is None:
        return {**type_schema(shape.schema), "title": title}
    return _with_default(keys_schema(shape.keys, title, set()))


def _of_declared(schema: Any, title: str) -> JsonSchema:
    from caesura.schemas.outward import class_schema, type_schema

    if not has_keys(schema):
        return {"default": None, **type_schema(schema), "title": title}
    if is_typed_dict(schema) or is_pydantic(schema):
        return context_json(schema)
    described = class_schema(schema, title)
    for name, default in _made_defaults(schema):
        described["properties"][name]["default"] = default
    return described


def _made_defaults(schema: Any) -> list[tuple[str, Any]]:
    """The defaults of a dataclass that a factory makes, as JSON."""
    if not is_dataclass(schema):
        return []
    return [
        (field.name, plain_json(field.default_factory()))
        for field in fields(schema)
        if field.init and field.default_factory is not MISSING
    ]


def context_json(schema: Any) -> JsonSchema:
    """The JSON Schema of a class under its own name, with what its docstring says."""
    from caesura.schemas.outward import class_schema

    described = class_schema(schema, schema.__name__)
    text = _docstring(schema)
    return {"description": text, **described} if text else described


def _docstring(schema: Any) -> str | None:
    text = getattr(schema, "__doc__", None)
    if not text or text == dict.__doc__ or text.startswith(f"{schema.__name__}("):
        return None
    return str(text).strip()


def _with_default(schema: JsonSchema) -> JsonSchema:
    for described in schema.get("properties", {}).values():
        described.setdefault("default", None)
    return schema


# --- models ----------------------------------------------------------------------------------


def model_of(shape: Shape, title: str) -> Any:
    """The pydantic model of a side. Raises ImportError without pydantic."""
    from pydantic import RootModel, create_model

    if shape.keys is not None:
        optional: dict[str, Any] = {key: (tp, None) for key, tp in shape.keys.items()}
        return create_model(title, **optional)
    schema = Any if shape.schema is None else shape.schema
    if shape.named and isinstance(schema, type) and is_pydantic(schema):
        return schema
    whole: Any = RootModel
    return create_model(title, __base__=whole[schema])


def config_model(schema: Any, title: str) -> Any:
    """The pydantic model of a config, whose ``configurable`` is of the context class ``schema``."""
    from pydantic import create_model

    named: dict[str, Any] = {} if schema is None else {"configurable": (schema, None)}
    return create_model(title, **named)


def types_of(channels: Mapping[str, Any], keys: str | Sequence[str], attribute: str) -> Shape:
    """The side of a program that these channels are; ``attribute``: ``UpdateType`` or ``ValueType``."""
    if isinstance(keys, str):
        return Shape(getattr(channels[keys], attribute))
    return Shape(keys={key: getattr(channels[key], attribute) for key in keys})
