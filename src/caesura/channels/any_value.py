"""A channel for several writers that write the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from caesura.channels.base import MISSING, BaseChannel
from caesura.errors import EmptyChannelError

Value = TypeVar("Value")


class AnyValue(BaseChannel[Value, Value, Value], Generic[Value]):
    """Keeps the last of several writes, taken to be equal; empty after a step without one."""

    __slots__ = ("value",)

    def __init__(self, typ: Any, key: str = "") -> None:
        super().__init__(typ, key)
        self.value: Any = MISSING

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AnyValue)

    __hash__ = object.__hash__

    def from_checkpoint(self, checkpoint: Any) -> AnyValue[Value]:
        fresh = self.__class__(self.typ, self.key)
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
        self.value = values[-1]
        return True
