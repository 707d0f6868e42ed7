"""The interface of a channel: one key of the state and the rule by which writes change it.

A channel object holds one value. The engine makes a fresh one a thread (`from_checkpoint`), applies a
step's writes with `update`, and reads with `get`. `update`, `consume` and `finish` return True if the
value changed, which gives the channel a new version and triggers the nodes that listen to it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, Self, TypeVar

from caesura.errors import EmptyChannelError

Value = TypeVar("Value")
Update = TypeVar("Update")
Stored = TypeVar("Stored")


class _Missing:
    """The value of a channel that has none. Falsy, and prints as what it is."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()


class BaseChannel(Generic[Value, Update, Stored], ABC):
    """Base of all channels. Subclass it to make a kind of your own."""

    __slots__ = ("key", "typ")

    per_step = True
    """`update([])` is called for a step without a write. Kinds that keep their value say False."""
    finishes = False
    """`finish()` can make a value available when nothing else is left to run."""
    consumes = False
    """`consume()` can change the value when a node was triggered by the channel."""

    def __init__(self, typ: Any, key: str = "") -> None:
        self.typ = typ
        self.key = key

    @property
    def ValueType(self) -> Any:
        """The type of the value."""
        return self.typ

    @property
    def UpdateType(self) -> Any:
        """The type of one write."""
        return self.typ

    def checkpoint(self) -> Stored | Any:
        """What is stored of the value; `MISSING` if there is none."""
        try:
            return self.get()
        except EmptyChannelError:
            return MISSING

    @abstractmethod
    def from_checkpoint(self, checkpoint: Stored | Any) -> BaseChannel[Value, Update, Stored]:
        """A new channel of this kind holding what `checkpoint` returned (or nothing: `MISSING`)."""

    def copy(self) -> BaseChannel[Value, Update, Stored]:
        """A new channel with the same value."""
        return self.from_checkpoint(self.checkpoint())

    @abstractmethod
    def get(self) -> Value:
        """The value. Raises `EmptyChannelError` if there is none."""

    def is_available(self) -> bool:
        """True if there is a value."""
        try:
            self.get()
        except EmptyChannelError:
            return False
        return True

    @abstractmethod
    def update(self, values: Sequence[Update]) -> bool:
        """Apply the writes of one step, in task order. Raises `InvalidUpdateError`."""

    def after(self, values: Sequence[Update]) -> Any:
        """The value it would have after `update`, or `MISSING`. Raises as `update` does."""
        fresh = self.copy()
        fresh.update(values)
        return fresh.get() if fresh.is_available() else MISSING

    def consume(self) -> bool:
        """A node triggered by this channel ran."""
        return False

    def finish(self) -> bool:
        """Nothing else is left to run."""
        return False


class ValueChannel(BaseChannel[Value, Update, Any], Generic[Value, Update]):
    """Base of the kinds that hold one value, or `MISSING`."""

    __slots__ = ("value",)

    def __init__(self, typ: Any, key: str = "") -> None:
        super().__init__(typ, key)
        self.value: Any = MISSING

    __hash__ = object.__hash__

    def _like(self) -> Self:
        """A new channel made as this one was."""
        return self.__class__(self.typ, self.key)

    def from_checkpoint(self, checkpoint: Any) -> Self:
        fresh = self._like()
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

    def _take_last(self, values: Sequence[Update]) -> bool:
        """Keep the last write; without one, forget the value."""
        if values:
            self.value = values[-1]
            return True
        had_value = self.value is not MISSING
        self.value = MISSING
        return had_value
