"""A channel that collects writes into a list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

from caesura.channels.base import MISSING, BaseChannel
from caesura.errors import EmptyChannelError

Value = TypeVar("Value")


def _flatten(values: Sequence[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from value
        else:
            yield value


class Topic(BaseChannel[Sequence[Value], "Value | list[Value]", list[Value]], Generic[Value]):
    """The writes of the last step; with ``accumulate`` those of all steps. Lists are flattened."""

    __slots__ = ("accumulate", "values")

    def __init__(self, typ: Any, accumulate: bool = False, key: str = "") -> None:
        super().__init__(typ, key)
        self.accumulate = accumulate
        self.values: list[Value] = []

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Topic) and other.accumulate == self.accumulate

    __hash__ = object.__hash__

    @property
    def ValueType(self) -> Any:
        return Sequence[self.typ]  # type: ignore[name-defined]

    def from_checkpoint(self, checkpoint: Any) -> Topic[Value]:
        fresh = self.__class__(self.typ, self.accumulate, self.key)
        if checkpoint is not MISSING:
            # Older checkpoints held (seen, values).
            items = checkpoint[1] if isinstance(checkpoint, tuple) else checkpoint
            fresh.values = list(items)
        return fresh

    def checkpoint(self) -> Any:
        return self.values if self.values else MISSING

    def get(self) -> Sequence[Value]:
        if not self.values:
            raise EmptyChannelError()
        return list(self.values)

    def is_available(self) -> bool:
        return bool(self.values)

    def update(self, values: Sequence[Value | list[Value]]) -> bool:
        new = list(_flatten(values))
        if self.accumulate:
            self.values = [*self.values, *new] if new else self.values
            return bool(new)
        changed = bool(self.values) or bool(new)
        self.values = new
        return changed
