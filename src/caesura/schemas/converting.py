"""An answer, checked against a type or JSON Schema and turned into what the program works with.

`check_json` judges first, so `_Convert` need only build. It treats the kinds of types that
`describing` describes, in the same order.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Sequence, Set
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin
from uuid import UUID

from caesura.digests import Path, plain_json, pointer_to
from caesura.errors import InvalidAnswerError
from caesura.schemas.by_pydantic import parse_by_pydantic, uses_pydantic
from caesura.schemas.checking import AnswerError, check_json
from caesura.schemas.describing import json_schema_of
from caesura.schemas.kinds import (
    JsonSchema,
    enum_json,
    fields_of,
    has_fields,
    is_hashable,
    is_typed_dict,
    unwrapped,
)


def parse_answer(schema: Any, value: Any) -> Any:
    """``value`` checked against ``schema`` (a type, a JSON Schema or None) and typed.

    Returns an instance where the schema is a type, plain data where it is a JSON Schema, and
    ``value`` itself where it is None. Raises InvalidAnswerError with all that does not fit.
    """
    if schema is None:
        return value
    described = json_schema_of(schema) or {}
    plain = plain_json(value)
    errors = check_json(described, plain)
    if errors:
        raise InvalidAnswerError(errors)
    if isinstance(schema, dict):
        return plain
    if uses_pydantic(schema):
        return parse_by_pydantic(schema, plain)
    convert = _Convert()
    typed = convert.value(schema, plain, ())
    if convert.errors:
        raise InvalidAnswerError(convert.errors)
    return typed


class _Convert:
    """Checked plain values to typed ones. What a class's own code objects to becomes an error."""

    def __init__(self) -> None:
        self.errors: list[AnswerError] = []

    def value(self, tp: Any, value: Any, path: Path) -> Any:
        if is_hashable(tp) and tp in _FROM_PLAIN:
            return self._call(path, _FROM_PLAIN[tp], value)
        origin, args = get_origin(tp), get_args(tp)
        if origin is Annotated:
            return self.value(args[0], value, path)
        if origin is Literal:
            return next(a for a in args if _same(plain_json(a), value) or _is_member(a, value))
        if origin in (Union, types.UnionType):
            return self.value(_fitting_arm(args, value), value, path)
        if isinstance(tp, type) and issubclass(tp, Enum):
            return next(member for member in tp if _same(enum_json(member), value))
        if has_fields(origin or tp):
            return self._object(origin or tp, value, path)
        plain = unwrapped(tp)
        if plain is not tp:
            return self.value(plain, value, path)
        return self._container(origin or tp, args, value, path)

    def _call(self, path: Path, build: Callable[..., Any], /, *args: Any, **fields: Any) -> Any:
        try:
            return build(*args, **fields)
        except (ValueError, TypeError, AssertionError, InvalidOperation) as error:
            self.errors.append(
                {"pointer": pointer_to(path), "message": str(error) or "is not valid"}
            )
            return None

    def _object(self, cls: Any, value: dict[str, Any], path: Path) -> Any:
        before = len(self.errors)
        fields = {
            f.name: self.value(f.type, value[f.name], (*path, f.name))
            for f in fields_of(cls)
            if f.name in value
        }
        if is_typed_dict(cls) or len(self.errors) > before:
            return fields
        return self._call(path, cls, **fields)

    def _container(self, kind: Any, args: tuple[Any, ...], value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            inner = args[1] if args else Any
            return {k: self.value(inner, v, (*path, k)) for k, v in value.items()}
        if issubclass(kind, tuple) and args and args[-1] is not Ellipsis:
            kinds: Iterable[Any] = args
        else:
            kinds = [args[0] if args else Any] * len(value)
        pairs = zip(kinds, value, strict=False)
        items = [self.value(t, v, (*path, i)) for i, (t, v) in enumerate(pairs)]
        build = next((b for b in (tuple, set, frozenset) if issubclass(kind, b)), None)
        if build is None and issubclass(kind, Set):
            build = frozenset
        return items if build is None else self._call(path, build, items)


def _as_is(value: Any) -> Any:
    return value


_FROM_PLAIN: Final[dict[Any, Callable[[Any], Any]]] = {
    Any: _as_is,
    object: _as_is,
    str: _as_is,
    bool: _as_is,
    type(None): _as_is,
    None: _as_is,
    int: int,
    float: float,
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
    UUID: UUID,
    Decimal: lambda value: Decimal(str(value)),
}


def _fitting_arm(arms: Sequence[Any], value: Any) -> Any:
    """The first arm of a union that takes ``value``; one does, since the union was checked."""
    return next(arm for arm in arms if not check_json(json_schema_of_arm(arm), value))


def json_schema_of_arm(arm: Any) -> JsonSchema:
    """As `json_schema_of`; but None, within a union, is the type of null."""
    return {"type": "null"} if arm in (None, type(None)) else json_schema_of(arm) or {}


def _same(a: Any, b: Any) -> bool:
    """Equality in JSON: true is not 1."""
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _is_member(a: Any, value: Any) -> bool:
    return isinstance(a, Enum) and _same(enum_json(a), value)
