"""Channels that keep the last value written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from caesura.channels.base import MISSING, BaseChannel, ValueChannel
from caesura.errors import (
    EmptyChannelError,
    ErrorCode,
    InvalidUpdateError,
    create_error_message,
)

Value = TypeVar("Value")


class LastValue(ValueChannel[Value, Value], Generic[Value]):
    """Keeps its value until the next write; takes one write a step."""

    __slots__ = ()
    per_step = False

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    __hash__ = object.__hash__

    def update(self, values: Sequence[Value]) -> bool:
        if not values:
            return False
        if len(values) != 1:
            raise InvalidUpdateError(
                create_error_message(
                    message=f"At key '{self.key}': Can receive only one value per step. "
                    "Use an Annotated key to handle multiple values.",
                    error_code=ErrorCode.INVALID_CONCURRENT_GRAPH_UPDATE,
                )
            )
        self.value = values[0]
        return True

    def after(self, values: Sequence[Value]) -> Any:
        if len(values) == 1 and type(self) is LastValue:  # a subclass may take it otherwise
            return values[0]
        return super().after(values)


class LastValueAfterFinish(BaseChannel[Value, Value, Any], Generic[Value]):
    """Keeps the last write, and shows it once nothing else is left to run (deferred nodes)."""

    __slots__ = ("finished", "value")
    per_step = False
    finishes = True
    consumes = True

    def __init__(self, typ: Any, key: str = "") -> None:
        super().__init__(typ, key)
        self.value: Any = MISSING
        self.finished = False

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    __hash__ = object.__hash__

    def from_checkpoint(self, checkpoint: Any) -> LastValueAfterFinish[Value]:
        fresh = self.__class__(self.typ, self.key)
        if checkpoint is not MISSING:
            fresh.value, fresh.finished = checkpoint
        return fresh

    def checkpoint(self) -> Any:
        return MISSING if self.value is MISSING else (self.value, self.finished)

    def get(self) -> Value:
        if self.value is MISSING or not self.finished:
            raise EmptyChannelError()
        return self.value  # type: ignore[no-any-return]

    def is_available(self) -> bool:
        return self.value is not MISSING and self.finished

    def update(self, values: Sequence[Value]) -> bool:
        if not values:
            return False
        self.finished = False
        self.value = values[-1]
        return True

    def consume(self) -> bool:
        if not self.finished:
            return False
        self.finished = False
        self.value = MISSING
        return True

    def finish(self) -> bool:
        if self.finished or self.value is MISSING:
            return False
        self.finished = True
        return True
