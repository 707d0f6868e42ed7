"""Questions about types that describing and converting both ask."""

from __future__ import annotations

import dataclasses
import typing
from enum import Enum
from typing import Any, TypeVar, get_args, get_origin

from caesura.digests import plain_json

JsonSchema = dict[str, Any]


def no_form(tp: Any) -> str:
    """The message for a type without a form in JSON."""
    return f"{getattr(tp, '__qualname__', tp)!s} cannot be described as JSON Schema"


def is_hashable(tp: Any) -> bool:
    """True for what may be looked up in a table of plain types."""
    return getattr(type(tp), "__hash__", None) is not None and get_origin(tp) is None


def unwrapped(tp: Any) -> Any:
    """What a ``NewType``, a type alias, ``Required`` or a type variable stands for."""
    if get_origin(tp) in (typing.Required, typing.NotRequired):
        return get_args(tp)[0]
    if isinstance(tp, TypeVar):
        return tp.__bound__ or Any
    for name in ("__supertype__", "__value__"):
        if not isinstance(tp, type) and hasattr(tp, name):
            return getattr(tp, name)
    return tp


def has_fields(tp: Any) -> bool:
    """True for dataclasses and TypedDicts."""
    return isinstance(tp, type) and (dataclasses.is_dataclass(tp) or is_typed_dict(tp))


def is_typed_dict(tp: Any) -> bool:
    """True for TypedDicts."""
    return isinstance(tp, type) and issubclass(tp, dict) and hasattr(tp, "__required_keys__")


def has_keys(schema: Any) -> bool:
    """True if ``schema`` declares keys; otherwise a state of it is one bare value."""
    return isinstance(schema, type) and bool(
        getattr(schema, "__annotations__", None) or _fields(schema)
    )


def _fields(schema: Any) -> Any:
    if hasattr(schema, "model_fields"):
        return schema.model_fields
    if any(getattr(base, "__annotations__", None) for base in schema.__mro__[:-1]):
        return typing.get_type_hints(schema, include_extras=True)
    return None


def enum_json(member: Enum) -> Any:
    """The value, where JSON has it, else the name."""
    kind = type(member)
    simple = all(isinstance(m.value, (str, int, float, type(None))) for m in kind)
    return member.value if simple else member.name


class Field(typing.NamedTuple):
    """A field of a class: ``notes`` are its title, description and default."""

    name: str
    type: Any
    required: bool
    notes: JsonSchema


def fields_of(cls: Any) -> list[Field]:
    """The fields of a dataclass or TypedDict. Raises TypeError if a type they name is not found."""
    try:
        hints = typing.get_type_hints(cls, localns={cls.__name__: cls}, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"{no_form(cls)}: {error}. Define the types it names at the top of the module."
        ) from None
    if is_typed_dict(cls):
        return [
            Field(name, _stripped(hint), _is_required(cls, name, hint), {})
            for name, hint in hints.items()
        ]
    return [
        Field(f.name, hints[f.name], _lacks_default(f), _notes(f))
        for f in dataclasses.fields(cls)
        if f.init
    ]


def _is_required(cls: Any, name: str, hint: Any) -> bool:
    # Postponed annotations hide `NotRequired` from the class itself; the resolved hint shows it.
    if get_origin(hint) in (typing.Required, typing.NotRequired):
        return get_origin(hint) is typing.Required
    return name in cls.__required_keys__


def _stripped(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) in (typing.Required, typing.NotRequired) else hint


def _lacks_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _notes(field: dataclasses.Field[Any]) -> JsonSchema:
    """Title and description from the field's metadata, and its default."""
    notes = {k: field.metadata[k] for k in ("title", "description") if k in field.metadata}
    if field.default is not dataclasses.MISSING:
        notes["default"] = plain_json(field.default)
    return notes
