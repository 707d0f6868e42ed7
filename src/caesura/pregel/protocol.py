"""What programs here and on a server have in common."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from caesura.types import StateSnapshot, StreamMode

StreamChunk = tuple[tuple[str, ...], str, Any]
"""Namespace, mode, payload."""


@runtime_checkable
class PregelProtocol(Protocol):
    """A program that can be run, and whose threads can be read and edited: `Pregel`, `RemoteGraph`."""

    def invoke(self, input: Any, config: Any = None, *more: Any, **how: Any) -> Any:
        """Run to the end or to a pause."""
        ...

    async def ainvoke(self, input: Any, config: Any = None, *more: Any, **how: Any) -> Any:
        """Async form of `invoke`."""
        ...

    def stream(self, input: Any, config: Any = None, *more: Any, **how: Any) -> Iterator[Any]:
        """Run, yielding what happens."""
        ...

    def astream(self, input: Any, config: Any = None, *more: Any, **how: Any) -> AsyncIterator[Any]:
        """Async form of `stream`."""
        ...

    def with_config(self, config: Mapping[str, Any] | None = None, **more: Any) -> Any:
        """A copy whose runs have this config merged in."""
        ...

    def get_graph(self, config: Any = None, *, xray: bool | int = False) -> Any:
        """The program as a drawable graph."""
        ...

    async def aget_graph(self, config: Any = None, *, xray: bool | int = False) -> Any:
        """Async form of `get_graph`."""
        ...

    def get_state(self, config: Mapping[str, Any], *, subgraphs: bool = False) -> StateSnapshot:
        """The thread's state."""
        ...

    async def aget_state(
        self, config: Mapping[str, Any], *, subgraphs: bool = False
    ) -> StateSnapshot:
        """Async form of `get_state`."""
        ...

    def get_state_history(
        self, config: Mapping[str, Any], *more: Any, **how: Any
    ) -> Iterator[StateSnapshot]:
        """The thread's checkpoints, newest first."""
        ...

    def aget_state_history(
        self, config: Mapping[str, Any], *more: Any, **how: Any
    ) -> AsyncIterator[StateSnapshot]:
        """Async form of `get_state_history`."""
        ...

    def update_state(
        self, config: Mapping[str, Any], values: Any, as_node: str | None = None
    ) -> Any:
        """Write ``values`` as if ``as_node`` had returned them."""
        ...

    async def aupdate_state(
        self, config: Mapping[str, Any], values: Any, as_node: str | None = None
    ) -> Any:
        """Async form of `update_state`."""
        ...


class StreamProtocol:
    """A consumer of events: ``stream((namespace, mode, payload))``, for the modes in ``modes``."""

    __slots__ = ("_take", "modes")

    def __init__(self, take: Callable[[StreamChunk], None], modes: set[StreamMode]) -> None:
        self._take = take
        self.modes = modes

    def __call__(self, chunk: StreamChunk) -> None:
        """Hand an event over."""
        self._take(chunk)


__all__ = ("PregelProtocol", "StreamChunk", "StreamProtocol")
