"""A channel that is never stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from caesura.channels.base import MISSING, BaseChannel
from caesura.errors import EmptyChannelError, InvalidUpdateError

Value = TypeVar("Value")


class UntrackedValue(BaseChannel[Value, Value, Value], Generic[Value]):
    """Keeps the last value in memory only. ``guard``: one write a step."""

    __slots__ = ("guard", "value")
    per_step = False

    def __init__(self, typ: Any, guard: bool = True, key: str = "") -> None:
        super().__init__(typ, key)
        self.guard = guard
        self.value: Any = MISSING

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntrackedValue) and other.guard == self.guard

    __hash__ = object.__hash__

    def from_checkpoint(self, checkpoint: Any) -> UntrackedValue[Value]:
        return self.__class__(self.typ, self.guard, self.key)

    def copy(self) -> UntrackedValue[Value]:
        fresh = self.__class__(self.typ, self.guard, self.key)
        fresh.value = self.value
        return fresh

    def checkpoint(self) -> Any:
        return MISSING

    def get(self) -> Value:
        if self.value is MISSING:
            raise EmptyChannelError()
        return self.value  # type: ignore[no-any-return]

    def is_available(self) -> bool:
        return self.value is not MISSING

    def update(self, values: Sequence[Value]) -> bool:
        if not values:
            return False
        if self.guard and len(values) != 1:
            raise InvalidUpdateError(
                f"At key '{self.key}': UntrackedValue(guard=True) can receive only one value "
                "per step. Use guard=False if you want to store any one of multiple values."
            )
        self.value = values[-1]
        return True
