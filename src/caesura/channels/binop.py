"""A channel with a reducer."""

from __future__ import annotations

import collections.abc
from collections.abc import Callable, Sequence
from typing import Any, Generic, NotRequired, Required, Self, TypeVar, get_args, get_origin

from caesura.channels.base import MISSING, ValueChannel
from caesura.errors import (
    ErrorCode,
    InvalidUpdateError,
    create_error_message,
)
from caesura.types import overwrite_of

Value = TypeVar("Value")

_CONCRETE: dict[Any, Any] = {
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Iterable: list,
    collections.abc.Collection: list,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
    collections.abc.Mapping: dict,
    collections.abc.MutableMapping: dict,
}


def empty_of(typ: Any) -> Any:
    """The empty value of a type, or `MISSING` if it cannot be made without arguments."""
    while get_origin(typ) in (Required, NotRequired):
        typ = get_args(typ)[0]
    typ = get_origin(typ) or typ
    typ = _CONCRETE.get(typ, typ)
    try:
        return typ()
    except Exception:
        return MISSING


def same_reducer(one: Any, other: Any) -> bool:
    """True for equal functions; lambdas, which never are, count as equal to all."""
    names = {getattr(function, "__name__", None) for function in (one, other)}
    return "<lambda>" in names or bool(one == other)


def single_overwrite(values: Sequence[Any]) -> tuple[bool, Any]:
    """Whether one of the writes of a step is an overwrite, and with what. Raises
    `InvalidUpdateError` if several are."""
    overwrites = [found for value in values if (found := overwrite_of(value))[0]]
    if len(overwrites) > 1:
        raise InvalidUpdateError(
            create_error_message(
                message="Can receive only one Overwrite value per super-step.",
                error_code=ErrorCode.INVALID_CONCURRENT_GRAPH_UPDATE,
            )
        )
    return overwrites[0] if overwrites else (False, None)


class BinaryOperatorAggregate(ValueChannel[Value, Value], Generic[Value]):
    """Folds the writes of a step into its value with ``operator(value, write)``, in task order."""

    __slots__ = ("operator",)
    per_step = False

    def __init__(self, typ: Any, operator: Callable[[Any, Any], Any], key: str = "") -> None:
        super().__init__(typ, key)
        self.operator = operator
        self.value = empty_of(typ)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BinaryOperatorAggregate):
            return False
        return same_reducer(self.operator, other.operator)

    __hash__ = object.__hash__

    def from_checkpoint(self, checkpoint: Any) -> Self:
        fresh = self.__class__.__new__(self.__class__)
        fresh.typ, fresh.key, fresh.operator = self.typ, self.key, self.operator
        fresh.value = empty_of(self.typ) if checkpoint is MISSING else checkpoint
        return fresh

    def update(self, values: Sequence[Value]) -> bool:
        if not values:
            return False
        found, replaced = single_overwrite(values)
        if found:
            self.value = replaced
            return True
        value = self.value
        for write in values:
            value = write if value is MISSING else self.operator(value, write)
        self.value = value
        return True
