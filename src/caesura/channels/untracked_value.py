"""A channel that is never stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, Self, TypeVar

from caesura.channels.base import MISSING, ValueChannel
from caesura.errors import InvalidUpdateError

Value = TypeVar("Value")


class UntrackedValue(ValueChannel[Value, Value], Generic[Value]):
    """Keeps the last value in memory only. ``guard``: one write a step."""

    __slots__ = ("guard",)
    per_step = False

    def __init__(self, typ: Any, guard: bool = True, key: str = "") -> None:
        super().__init__(typ, key)
        self.guard = guard

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntrackedValue) and other.guard == self.guard

    __hash__ = object.__hash__

    def _like(self) -> Self:
        return self.__class__(self.typ, self.guard, self.key)

    def from_checkpoint(self, checkpoint: Any) -> Self:
        return self._like()

    def copy(self) -> Self:
        fresh = self._like()
        fresh.value = self.value
        return fresh

    def checkpoint(self) -> Any:
        return MISSING

    def update(self, values: Sequence[Value]) -> bool:
        if self.guard and len(values) > 1:
            raise InvalidUpdateError(
                f"At key '{self.key}': UntrackedValue(guard=True) can receive only one value "
                "per step. Use guard=False if you want to store any one of multiple values."
            )
        return bool(values) and self._take_last(values)
