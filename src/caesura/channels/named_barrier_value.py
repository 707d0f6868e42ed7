"""Channels that wait for several named writers (join edges)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

from caesura.channels.base import MISSING, BaseChannel
from caesura.errors import EmptyChannelError, InvalidUpdateError

Value = TypeVar("Value")


class NamedBarrierValue(BaseChannel[Value, Value, Any], Generic[Value]):
    """Available once every one of ``names`` was written; starts anew when consumed."""

    __slots__ = ("names", "seen")
    per_step = False
    consumes = True

    def __init__(self, typ: Any, names: Iterable[Value], key: str = "") -> None:
        super().__init__(typ, key)
        self.names = set(names)
        self.seen: set[Value] = set()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamedBarrierValue) and other.names == self.names

    __hash__ = object.__hash__

    def from_checkpoint(self, checkpoint: Any) -> NamedBarrierValue[Value]:
        fresh = self.__class__(self.typ, self.names, self.key)
        if checkpoint is not MISSING:
            fresh.seen = set(checkpoint)
        return fresh

    def checkpoint(self) -> Any:
        return set(self.seen)

    def get(self) -> Value:
        if self.seen != self.names:
            raise EmptyChannelError()
        return None  # type: ignore[return-value]

    def is_available(self) -> bool:
        return self.seen == self.names

    def update(self, values: Sequence[Value]) -> bool:
        changed = False
        for value in values:
            if value not in self.names:
                raise InvalidUpdateError(f"At key '{self.key}': Value {value} not in {self.names}")
            if value not in self.seen:
                self.seen = self.seen | {value}
                changed = True
        return changed

    def consume(self) -> bool:
        if self.seen != self.names:
            return False
        self.seen = set()
        return True


class NamedBarrierValueAfterFinish(NamedBarrierValue[Value], Generic[Value]):
    """As `NamedBarrierValue`, but shows only when nothing else is left to run."""

    __slots__ = ("finished",)
    finishes = True

    def __init__(self, typ: Any, names: Iterable[Value], key: str = "") -> None:
        super().__init__(typ, names, key)
        self.finished = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamedBarrierValueAfterFinish) and other.names == self.names

    __hash__ = object.__hash__

    def from_checkpoint(self, checkpoint: Any) -> NamedBarrierValueAfterFinish[Value]:
        fresh = self.__class__(self.typ, self.names, self.key)
        if checkpoint is not MISSING:
            seen, fresh.finished = checkpoint
            fresh.seen = set(seen)
        return fresh

    def checkpoint(self) -> Any:
        return (set(self.seen), self.finished)

    def get(self) -> Value:
        if not self.is_available():
            raise EmptyChannelError()
        return None  # type: ignore[return-value]

    def is_available(self) -> bool:
        return self.finished and self.seen == self.names

    def consume(self) -> bool:
        if not self.is_available():
            return False
        self.finished = False
        self.seen = set()
        return True

    def finish(self) -> bool:
        if self.finished or self.seen != self.names:
            return False
        self.finished = True
        return True
