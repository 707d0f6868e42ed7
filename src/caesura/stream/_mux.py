"""`StreamMux`: gives each event of one graph to its transformers, and keeps what they let through."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from caesura.stream._convert import event_of
from caesura.stream._types import ProtocolEvent, StreamTransformer, transformer_requires_async
from caesura.stream.stream_channel import StreamChannel

TransformerFactory: TypeAlias = Callable[[tuple[str, ...]], StreamTransformer]
"""Makes the transformer of the graph with this namespace; a transformer class is one."""


class StreamMux:
    """The transformers of one graph of a run; ``extensions`` are their projections by name.

    Made of ``factories``, called with ``scope``, so that nested graphs have transformers of their own;
    ``transformers`` that exist already serve this graph only.
    """

    def __init__(
        self,
        transformers: Sequence[StreamTransformer] | None = None,
        *,
        is_async: bool = False,
        factories: Sequence[TransformerFactory] | None = None,
        scope: tuple[str, ...] = (),
        _assign_seq: bool = True,
    ) -> None:
        """Raises RuntimeError for a transformer that needs an async run, ValueError for projections of
        one name."""
        self.is_async, self.scope = is_async, scope
        self.native_keys: set[str] = set()
        self._factories = tuple(factories or ())
        self._assign_seq, self._seq = _assign_seq, 0
        self._ended = False
        self._events: StreamChannel[ProtocolEvent] = StreamChannel()
        self._events._bind(is_async=is_async)
        self._channels: list[StreamChannel[Any]] = [self._events]
        self._transformers: list[StreamTransformer] = []
        self._projections: dict[str, Any] = {}
        self._owners: dict[str, StreamTransformer] = {}
        self._pump_fn: Callable[[], bool] | None = None
        self._apump_fn: Callable[[], Awaitable[bool]] | None = None
        self.extensions = MappingProxyType(self._projections)
        for made in _in_order([*(transformers or ()), *(f(scope) for f in self._factories)]):
            self._register(made)

    def transformer_by_key(self, key: str) -> StreamTransformer | None:
        """Whose projection has that name."""
        return self._owners.get(key)

    def required_modes(self) -> list[str]:
        """The stream modes that the transformers want to see."""
        wanted = (mode for each in self._transformers for mode in each.required_stream_modes)
        return list(dict.fromkeys(wanted))

    # --- events ------------------------------------------------------------------------------

    def push(self, event: ProtocolEvent) -> None:
        """Give an event to all transformers, and keep it unless one of them keeps it back."""
        kept = True
        for transformer in self._transformers:
            if not transformer.process(event):
                kept = False
        self._keep(event, kept)

    async def apush(self, event: ProtocolEvent) -> None:
        """`push` in async runs."""
        kept = True
        for transformer in self._transformers:
            if not await transformer.aprocess(event):
                kept = False
        self._keep(event, kept)

    def close(self) -> None:
        """The graph has ended: transformers finish, channels close."""
        if self._end():
            for transformer in self._transformers:
                transformer.finalize()
            self._close_channels()

    async def aclose(self) -> None:
        """`close` in async runs; waits for what transformers scheduled."""
        if self._end():
            for transformer in self._transformers:
                await transformer.afinalize()
            await self._await_scheduled()
            self._close_channels()

    def fail(self, err: BaseException) -> None:
        """The graph has failed: consumers get ``err`` after the items that are left."""
        if self._end():
            for transformer in self._transformers:
                transformer.fail(err)
            self._fail_channels(err)

    async def afail(self, err: BaseException) -> None:
        """`fail` in async runs."""
        if self._end():
            for transformer in self._transformers:
                await transformer.afail(err)
            await self._await_scheduled()
            self._fail_channels(err)

    def _end(self) -> bool:
        """True the first time: what has ended does not end again."""
        ended, self._ended = self._ended, True
        return not ended

    def _keep(self, event: ProtocolEvent, kept: bool) -> None:
        if not kept:
            return
        if self._assign_seq:
            self._seq += 1
            event["seq"] = self._seq
        self._events.push(event)

    def _close_channels(self) -> None:
        for channel in self._channels:
            channel.close()

    def _fail_channels(self, err: BaseException) -> None:
        for channel in self._channels:
            channel.fail(err)

    def _collect_scheduled_tasks(self) -> list[asyncio.Task[Any]]:
        return [task for each in self._transformers for task in each._scheduled_task_set()]

    async def _await_scheduled(self) -> None:
        while open_ := [task for task in self._collect_scheduled_tasks() if not task.done()]:
            await asyncio.wait(open_)

    # --- wiring ------------------------------------------------------------------------------

    def bind_pump(self, fn: Callable[[], bool]) -> None:
        """``fn`` makes the run go on by an event; false: it has ended. Consumers call it."""
        self._pump_fn = fn
        for channel in self._channels:
            channel._request_more = fn
        for transformer in self._transformers:
            bind = getattr(transformer, "_bind_pump", None)
            if bind is not None:
                bind(fn)

    def bind_apump(self, fn: Callable[[], Awaitable[bool]]) -> None:
        """`bind_pump` in async runs."""
        self._apump_fn = fn
        for channel in self._channels:
            channel._arequest_more = fn
        for transformer in self._transformers:
            bind = getattr(transformer, "_bind_apump", None)
            if bind is not None:
                bind(fn)

    def _register(self, transformer: StreamTransformer) -> None:
        if transformer_requires_async(transformer) and not self.is_async:
            raise RuntimeError(
                f"{type(transformer).__name__} requires an async run — it overrides "
                "aprocess/afinalize/afail or sets requires_async=True. Use astream(), not stream()."
            )
        projections = transformer.init()
        if not isinstance(projections, dict):
            raise TypeError(
                f"StreamTransformer.init() must return a dict, got {type(projections).__name__}"
            )
        self._check_names(transformer, projections)
        self._transformers.append(transformer)
        self._owners |= dict.fromkeys(projections, transformer)
        self._bind_and_wire(projections, native=getattr(transformer, "_native", False))
        transformer._on_register(self)

    def _check_names(self, transformer: StreamTransformer, projections: dict[str, Any]) -> None:
        taken = sorted(name for name in projections if name in self._owners)
        if taken:
            owned = ", ".join(f"{k!r} (owned by {type(self._owners[k]).__name__})" for k in taken)
            raise ValueError(
                f"Transformer {type(transformer).__name__} returned projection keys that conflict "
                f"with already-registered keys: {owned}"
            )

    def _bind_and_wire(self, projection: dict[str, Any], *, native: bool = False) -> None:
        self._projections.update(projection)
        if native:
            self.native_keys |= set(projection)
        for value in projection.values():
            if isinstance(value, StreamChannel):
                self._wire(value, native=native)

    def _wire(self, channel: StreamChannel[Any], *, native: bool) -> None:
        channel._bind(is_async=self.is_async)
        channel._request_more, channel._arequest_more = self._pump_fn, self._apump_fn
        self._channels.append(channel)
        if channel.name is not None:
            method = channel.name if native else f"custom:{channel.name}"
            channel._wire(lambda item: self._forward(method, item))

    def _forward(self, method: str, item: Any) -> None:
        """What is pushed into a named channel is an event, too."""
        self._keep(event_of(method, (), item), True)

    def _make_child(self, scope: tuple[str, ...]) -> StreamMux:
        """The mux of a graph nested in this one. Its events have the numbers that the run gives them."""
        child = StreamMux(
            is_async=self.is_async, factories=self._factories, scope=scope, _assign_seq=False
        )
        if self._pump_fn is not None:
            child.bind_pump(self._pump_fn)
        if self._apump_fn is not None:
            child.bind_apump(self._apump_fn)
        return child


def _in_order(transformers: Iterable[StreamTransformer]) -> list[StreamTransformer]:
    """Those first that want to see events before the others."""
    return sorted(transformers, key=lambda each: not each.before_builtins)
