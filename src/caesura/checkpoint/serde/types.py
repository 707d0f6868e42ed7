"""Names and shapes that stored checkpoints share with the engine, without importing it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

from caesura.channels.delta import _DeltaSnapshot
from caesura.constants import ERROR, INTERRUPT, RESUME, SCHEDULED, TASKS

__all__ = [
    "ERROR",
    "INTERRUPT",
    "RESUME",
    "SCHEDULED",
    "TASKS",
    "ChannelProtocol",
    "SendProtocol",
    "_DeltaSnapshot",
]

Value = TypeVar("Value", covariant=True)
Update = TypeVar("Update", contravariant=True)
C = TypeVar("C")


class ChannelProtocol(Protocol[Value, Update, C]):
    """What a saver may know of a channel."""

    @property
    def ValueType(self) -> Any:
        """The type of the value."""
        ...

    @property
    def UpdateType(self) -> Any:
        """The type of one update."""
        ...

    def checkpoint(self) -> C | None:
        """What to store; None if there is nothing."""
        ...

    def from_checkpoint(self, checkpoint: C | None) -> Self:
        """A channel of this kind that holds what was stored."""
        ...

    def update(self, values: Sequence[Update]) -> bool:
        """Fold the updates of one step in. True if the value changed."""
        ...

    def get(self) -> Value:
        """The value. Raises ``EmptyChannelError`` if there is none."""
        ...

    def consume(self) -> bool:
        """Note that a task was started by this channel. True if that changed it."""
        ...


@runtime_checkable
class SendProtocol(Protocol):
    """A packet for one node: a task to be started with ``arg`` as its input."""

    node: str
    arg: Any

    def __hash__(self) -> int: ...

    def __repr__(self) -> str: ...

    def __eq__(self, value: object) -> bool: ...
