"""A channel whose reducer is handed all writes of a step at once.

LangGraph stores of such a channel what was written, and its whole value now and then only. Here the
value of every channel is stored as the difference from the one before (`caesura.core.patch`), so it
needs no way of its own. What LangGraph stored can still be read: `DeltaChannel.from_checkpoint` takes a
snapshot, and `DeltaChannel.replay_writes` the writes after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, Self, TypeVar

from caesura.channels.base import MISSING, ValueChannel
from caesura.channels.binop import empty_of, same_reducer, single_overwrite

Value = TypeVar("Value")


class _DeltaSnapshot(NamedTuple):
    """A stored full value of a channel whose other stored values are changes."""

    value: Any


class DeltaChannel(ValueChannel[Value, Any], Generic[Value]):
    """Folds the writes of a step with ``reducer(value, [write, ...])``, in task order.

    ``typ``: the type of the value, whose empty value is where a thread starts; in a state's
    annotation it is the annotated type. ``snapshot_frequency`` is accepted, and changes nothing.

    The reducer must be the same for writes taken one after the other as for all at once.
    """

    __slots__ = ("reducer", "snapshot_frequency")
    per_step = False

    def __init__(
        self,
        reducer: Callable[[Any, Sequence[Any]], Any],
        typ: Any = None,
        *,
        snapshot_frequency: int = 100,
        key: str = "",
    ) -> None:
        """Raises ValueError if ``snapshot_frequency`` is no positive int."""
        if snapshot_frequency < 1:
            raise ValueError(
                f"snapshot_frequency must be a positive int, got {snapshot_frequency!r}"
            )
        super().__init__(list if typ is None else typ, key)
        self.reducer = reducer
        self.snapshot_frequency = snapshot_frequency

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, DeltaChannel)
            and other.snapshot_frequency == self.snapshot_frequency
            and same_reducer(self.reducer, other.reducer)
        )

    __hash__ = object.__hash__

    def _like(self) -> Self:
        return self.__class__(
            self.reducer, self.typ, snapshot_frequency=self.snapshot_frequency, key=self.key
        )

    def copy(self) -> Self:
        fresh = self._like()
        fresh.value = self.value
        return fresh

    def from_checkpoint(self, checkpoint: Any) -> Self:
        fresh = self._like()
        stored = checkpoint.value if isinstance(checkpoint, _DeltaSnapshot) else checkpoint
        fresh.value = empty_of(self.typ) if stored is MISSING else stored
        return fresh

    def update(self, values: Sequence[Any]) -> bool:
        if not values:
            return False
        found, replaced = single_overwrite(values)
        if found:
            self.value = empty_of(self.typ) if replaced is None else replaced
        else:
            self.value = self.reducer(self._base(), list(values))
        return True

    def replay_writes(self, writes: Sequence[tuple[str, str, Any]]) -> None:
        """Take stored writes ``(task id, channel, value)``, oldest first; an Overwrite starts anew."""
        values: list[Any] = []
        for _, _, value in writes:
            found, replaced = single_overwrite([value])
            if found:
                self.value, values = empty_of(self.typ) if replaced is None else replaced, []
            else:
                values.append(value)
        if values:
            self.value = self.reducer(self._base(), values)

    def _base(self) -> Any:
        return empty_of(self.typ) if self.value is MISSING else self.value
