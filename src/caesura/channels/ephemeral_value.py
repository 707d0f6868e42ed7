"""A channel whose value lives for the next step only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from caesura.channels.base import MISSING, BaseChannel
from caesura.errors import EmptyChannelError, InvalidUpdateError

Value = TypeVar("Value")


class EphemeralValue(BaseChannel[Value, Value, Value], Generic[Value]):
    """Holds what the step before wrote. ``guard``: more than one write in a step is an error."""

    __slots__ = ("guard", "value")

    def __init__(self, typ: Any, guard: bool = True, key: str = "") -> None:
        super().__init__(typ, key)
        self.guard = guard
        self.value: Any = MISSING

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EphemeralValue) and other.guard == self.guard

    __hash__ = object.__hash__

    def from_checkpoint(self, checkpoint: Any) -> EphemeralValue[Value]:
        fresh = self.__class__(self.typ, self.guard, self.key)
        fresh.value = checkpoint
        return fresh

    def checkpoint(self) -> Any:
        return self.value

    def get(self) -> Value:
        if self.value is MISSING:
            raise EmptyChannelError()
        return self.value  # type: ignore[no-any-return]

    def is_available(self) -> bool:
        return self.value is not MISSING

    def update(self, values: Sequence[Value]) -> bool:
        if not values:
            had_value = self.value is not MISSING
            self.value = MISSING
            return had_value
        if self.guard and len(values) != 1:
            raise InvalidUpdateError(
                f"At key '{self.key}': EphemeralValue(guard=True) can receive only one value "
                "per step. Use guard=False if you want to store any one of multiple values."
            )
        self.value = values[-1]
        return True
