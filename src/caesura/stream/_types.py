"""What a v3 stream is made of: events, and the transformers that read them."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any, ClassVar, Literal, NotRequired, TypedDict


class _ProtocolEventParams(TypedDict):
    namespace: list[str]
    """Where it happened: a part for each nested graph, outermost first; empty for the graph itself."""
    timestamp: int
    """Milliseconds since 1970."""
    data: Any
    interrupts: NotRequired[tuple[Any, ...]]
    """Of ``values`` only: the questions that the graph waits for."""


class ProtocolEvent(TypedDict):
    """One event. ``method`` is a stream mode, ``lifecycle``, or ``custom:`` and the name of a channel."""

    type: Literal["event"]
    event_id: NotRequired[str]
    seq: NotRequired[int]
    """Counts the events of a run from 1."""
    method: str
    params: _ProtocolEventParams


class StreamTransformer(ABC):
    """Reads the events of one graph of a run, and makes projections of them.

    One is made for the graph that runs, and another for each graph nested in it; ``scope`` is the
    namespace of its graph. It is given the events of its graph and of those nested in it, in order.
    """

    requires_async: ClassVar[bool] = False
    """It works in async runs only; so does one that overrides `aprocess`, `afinalize` or `afail`."""
    supports_sync: ClassVar[bool] = False
    """It overrides those, and works in sync runs all the same."""
    required_stream_modes: ClassVar[tuple[str, ...]] = ()
    """Stream modes whose events it wants to see."""
    before_builtins: ClassVar[bool] = False
    """It sees an event before the transformers that every run has."""

    scope: tuple[str, ...] = ()

    def __init__(self, scope: tuple[str, ...] = ()) -> None:
        self.scope = scope

    @abstractmethod
    def init(self) -> dict[str, Any]:
        """Its projections by name: `StreamChannel` objects, or anything else to be found there."""

    def process(self, event: ProtocolEvent) -> bool:
        """Take an event; false keeps it out of what iterating the run yields."""
        raise NotImplementedError(f"{type(self).__name__} must override process() or aprocess()")

    async def aprocess(self, event: ProtocolEvent) -> bool:
        """`process` in async runs."""
        return self.process(event)

    def finalize(self) -> None:  # noqa: B027 (most need not know)
        """The graph has ended, well or with a question."""

    async def afinalize(self) -> None:
        """`finalize` in async runs."""
        self.finalize()

    def fail(self, err: BaseException) -> None:  # noqa: B027
        """The graph has failed."""

    async def afail(self, err: BaseException) -> None:
        """`fail` in async runs."""
        self.fail(err)

    def schedule(
        self, coro: Coroutine[Any, Any, Any], *, on_error: Literal["log", "raise"] = "log"
    ) -> asyncio.Task[Any]:
        """Run ``coro`` beside the stream, which does not end before it; in async runs only.

        ``on_error``: an exception of it is logged, or left to who awaits the task.
        """
        task = asyncio.get_running_loop().create_task(
            self._wrap_scheduled(coro) if on_error == "log" else coro
        )
        self._scheduled_task_set().add(task)
        return task

    def _scheduled_task_set(self) -> set[asyncio.Task[Any]]:
        found: set[asyncio.Task[Any]] = self.__dict__.setdefault("_scheduled", set())
        return found

    @staticmethod
    async def _wrap_scheduled(coro: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await coro
        except Exception:
            logging.getLogger("caesura").exception("Scheduled StreamTransformer task failed")
            return None

    def _on_register(self, mux: Any) -> None:  # noqa: B027
        """It has been put into ``mux``."""


def transformer_requires_async(transformer: StreamTransformer) -> bool:
    """True if it cannot be used in sync runs."""
    if transformer.requires_async:
        return True
    if transformer.supports_sync:
        return False
    names = ("aprocess", "afinalize", "afail")
    kind = type(transformer)
    return any(getattr(kind, name) is not getattr(StreamTransformer, name) for name in names)
