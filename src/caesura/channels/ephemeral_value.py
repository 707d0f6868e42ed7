"""A channel whose value lives for the next step only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, Self, TypeVar

from caesura.channels.base import ValueChannel
from caesura.errors import InvalidUpdateError

Value = TypeVar("Value")


class EphemeralValue(ValueChannel[Value, Value], Generic[Value]):
    """Holds what the step before wrote. ``guard``: more than one write in a step is an error."""

    __slots__ = ("guard",)

    def __init__(self, typ: Any, guard: bool = True, key: str = "") -> None:
        super().__init__(typ, key)
        self.guard = guard

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EphemeralValue) and other.guard == self.guard

    __hash__ = object.__hash__

    def _like(self) -> Self:
        return self.__class__(self.typ, self.guard, self.key)

    def update(self, values: Sequence[Value]) -> bool:
        if self.guard and len(values) > 1:
            raise InvalidUpdateError(
                f"At key '{self.key}': EphemeralValue(guard=True) can receive only one value "
                "per step. Use guard=False if you want to store any one of multiple values."
            )
        return self._take_last(values)
