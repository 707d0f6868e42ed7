"""The run that ``stream_events(version="v3")`` returns, and those of the graphs nested in it.

The run goes on when somebody asks: iterating the run, a projection, or a result takes the next part of
the graph's stream and gives its event to the mux; what the others are waiting for falls due on the way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from caesura.errors import GraphDrained
from caesura.stream._convert import convert_to_protocol_event
from caesura.stream._messages import Chunks, is_chunk
from caesura.stream._mux import StreamMux
from caesura.stream._types import ProtocolEvent
from caesura.stream.stream_channel import StreamChannel

if TYPE_CHECKING:
    from caesura.stream.chat_model_stream import AsyncChatModelStream, ChatModelStream
    from caesura.stream.transformers import LifecyclePayload, SubgraphStatus

_Self = TypeVar("_Self", bound="_Run")


class _Run:
    """What the runs of both colours share: the mux, the newest values, the questions."""

    values: StreamChannel[dict[str, Any]]
    updates: StreamChannel[dict[str, Any]]
    custom: StreamChannel[Any]
    checkpoints: StreamChannel[dict[str, Any]]
    debug: StreamChannel[dict[str, Any]]
    tasks: StreamChannel[dict[str, Any]]

    def __init__(self, mux: StreamMux) -> None:
        self._mux = mux
        self.extensions: Mapping[str, Any] = mux.extensions
        """All projections by name, those of other transformers too."""
        self._exhausted = False
        self._error: BaseException | None = None
        self._latest: Any = None
        self._interrupted = False
        self._interrupts: list[Any] = []
        self._scope_list = list(mux.scope)
        self._chunks = Chunks()
        self._base: int | None = None
        """How deep the graph itself is nested: its first part, which comes first, says so."""
        for name in mux.native_keys:
            setattr(self, name, mux.extensions[name])

    def __getattr__(self, name: str) -> Any:
        _raise_missing_projection(self, name)

    def _observe_event(self, event: ProtocolEvent) -> None:
        """Note what the results of the run are made of."""
        params = event["params"]
        if event["method"] != "values" or params["namespace"] != self._scope_list:
            return
        self._latest = params["data"]
        for each in params.get("interrupts", ()):
            self._interrupted = True
            if each not in self._interrupts:
                self._interrupts.append(each)

    def _events_of(self, part: Mapping[str, Any]) -> Iterable[ProtocolEvent]:
        """The events of a part of the graph's stream; their namespaces begin below the graph."""
        method, ns, data = part["type"], part["ns"], part["data"]
        if self._base is None:
            self._base = len(ns)
        part = {**part, "ns": ns[self._base :]}
        if method == "messages":
            message, metadata = data
            if getattr(message, "type", None) == "tool":
                return
            if is_chunk(message, metadata):
                for told in self._chunks.take(message, metadata):
                    yield convert_to_protocol_event({**part, "data": told})
                return
        elif method == "tasks" and "result" in data:
            for told in self._chunks.end_of(ns, data):
                yield convert_to_protocol_event({**part, "type": "messages", "data": told})
        yield convert_to_protocol_event(part)

    def _result(self, value: Any) -> Any:
        if self._error is not None:
            raise self._error
        return value


# --- sync ---------------------------------------------------------------------------------------


class GraphRunStream(_Run):
    """A run, to be used in a ``with`` statement: iterating it yields all its events in order.

    ``values``, ``messages``, ``lifecycle`` and ``subgraphs`` are its projections, each for one consumer.
    """

    messages: StreamChannel[ChatModelStream]
    lifecycle: StreamChannel[LifecyclePayload]
    subgraphs: StreamChannel[SubgraphRunStream]

    def __init__(
        self, graph_iter: Iterator[Any] | None, mux: StreamMux, *, wire_pump: bool = True
    ) -> None:
        super().__init__(mux)
        self._graph_iter = graph_iter
        if wire_pump:
            self._wire_request_more(mux)

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.abort()

    def __iter__(self) -> Iterator[ProtocolEvent]:
        """All events. Raises what the run raises."""
        return iter(self._mux._events)

    @property
    def output(self) -> Any:
        """The values at the end of the run, which is run to its end. Raises what the run raises."""
        _drive_until_done(self._pump_next)
        return self._result(self._latest)

    @property
    def interrupted(self) -> bool:
        """True if the run ended with a question; see `output`."""
        _drive_until_done(self._pump_next)
        return bool(self._result(self._interrupted))

    @property
    def interrupts(self) -> list[Any]:
        """The questions that the run ended with; see `output`."""
        _drive_until_done(self._pump_next)
        return list(self._result(self._interrupts))

    def interleave(self, *names: str) -> Iterator[tuple[str, Any]]:
        """(name, item) of several projections, in the order in which they come.

        Raises KeyError for an unknown name.
        """
        channels = [(name, self._channel(name)) for name in names]
        order: deque[tuple[str, Any]] = deque()
        for name, channel in channels:
            channel._divert(partial(_note, order, name))
        return self._interleaved(order) if names else iter(())

    def _channel(self, name: str) -> StreamChannel[Any]:
        found = self.extensions[name]
        if not isinstance(found, StreamChannel):
            kind = type(found).__name__
            raise TypeError(
                f"interleave() requires StreamChannel projections, got {kind} for {name!r}"
            )
        return found

    def _interleaved(self, order: deque[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
        while True:
            while order:
                yield order.popleft()
            if not self._pump_next() and not order:
                self._result(None)
                return

    def abort(self) -> None:
        """Stop the run: what is done is stored, nothing more comes."""
        if self._exhausted:
            return
        self._exhausted = True
        close = getattr(self._graph_iter, "close", None)
        if close is not None:
            close()
        self._mux.close()

    def _pump_next(self) -> bool:
        """Make the run go on by a part of its stream; false if it has ended."""
        if self._exhausted or self._graph_iter is None:
            return False
        try:
            part = next(self._graph_iter)
            for event in self._events_of(part):
                self._observe_event(event)
                self._mux.push(event)
        except StopIteration:
            self._exhausted = True
            self._mux.close()
        except (Exception, GraphDrained) as error:
            self._fail(error)
        except BaseException:
            self.abort()
            raise
        return True

    def _fail(self, error: BaseException) -> None:
        self._exhausted, self._error = True, error
        self._graph_iter.close()  # type: ignore[union-attr]
        self._mux.fail(error)

    def _wire_request_more(self, mux: StreamMux) -> None:
        mux.bind_pump(self._pump_next)


class _SubgraphRunStreamMixin:
    path: tuple[str, ...]
    """The namespace of the nested graph."""
    graph_name: str | None
    trigger_call_id: str | None
    """The task that runs it."""
    status: SubgraphStatus
    error: str | None
    _seen_terminal: bool

    def _place(
        self, path: tuple[str, ...], graph_name: str | None, trigger_call_id: str | None
    ) -> None:
        self.path, self.graph_name, self.trigger_call_id = path, graph_name, trigger_call_id
        self.status, self.error, self._seen_terminal = "started", None, False


class SubgraphRunStream(GraphRunStream, _SubgraphRunStreamMixin):
    """A nested graph of a run: the same projections and results, of that graph."""

    def __init__(
        self,
        mux: StreamMux,
        *,
        path: tuple[str, ...],
        graph_name: str | None = None,
        trigger_call_id: str | None = None,
    ) -> None:
        super().__init__(None, mux, wire_pump=False)
        self._place(path, graph_name, trigger_call_id)

    def _pump_next(self) -> bool:
        """Make the run around it go on; false if this graph has ended."""
        pump = self._mux._pump_fn
        return not self._exhausted and pump is not None and pump()


# --- async --------------------------------------------------------------------------------------


class AsyncGraphRunStream(_Run):
    """`GraphRunStream` of an async run: projections are iterated with ``async for``, results are awaited."""

    messages: StreamChannel[AsyncChatModelStream]
    lifecycle: StreamChannel[LifecyclePayload]
    subgraphs: StreamChannel[AsyncSubgraphRunStream]

    def __init__(
        self, graph_aiter: AsyncIterator[Any] | None, mux: StreamMux, *, wire_pump: bool = True
    ) -> None:
        super().__init__(mux)
        self._graph_aiter = graph_aiter
        self._pumping: asyncio.Future[None] | None = None
        if wire_pump:
            self._wire_arequest_more(mux)

    async def __aenter__(self: _Self) -> _Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.abort()

    def __aiter__(self) -> AsyncIterator[ProtocolEvent]:
        """All events. Raises what the run raises."""
        return aiter(self._mux._events)

    async def output(self) -> Any:
        """The values at the end of the run, which is run to its end. Raises what the run raises."""
        await _adrive_until_done(self._apump_next)
        return self._result(self._latest)

    async def interrupted(self) -> bool:
        """True if the run ended with a question; see `output`."""
        await _adrive_until_done(self._apump_next)
        return bool(self._result(self._interrupted))

    async def interrupts(self) -> list[Any]:
        """The questions that the run ended with; see `output`."""
        await _adrive_until_done(self._apump_next)
        return list(self._result(self._interrupts))

    async def abort(self) -> None:
        """Stop the run: what is done is stored, nothing more comes."""
        if self._exhausted:
            return
        self._exhausted = True
        await self._close_graph()
        await self._mux.aclose()

    async def _apump_next(self) -> bool:
        """Make the run go on by a part of its stream; false if it has ended.

        Several consumers may ask at once: one takes the part, the others wait for it.
        """
        if self._exhausted or self._graph_aiter is None:
            return False
        if self._pumping is not None:
            await asyncio.wait([self._pumping])
            return True
        self._pumping = asyncio.get_running_loop().create_future()
        try:
            await asyncio.sleep(0)  # Who begins to read in the same moment misses nothing.
            await self._take_part(self._graph_aiter)
        finally:
            pumped, self._pumping = self._pumping, None
            pumped.set_result(None)
        return True

    async def _take_part(self, parts: AsyncIterator[Any]) -> None:
        try:
            part = await anext(parts)
            for event in self._events_of(part):
                self._observe_event(event)
                await self._mux.apush(event)
        except StopAsyncIteration:
            self._exhausted = True
            await self._mux.aclose()
        except (Exception, GraphDrained) as error:
            self._exhausted, self._error = True, error
            await self._close_graph()
            await self._mux.afail(error)
        except BaseException:
            await self.abort()
            raise

    async def _close_graph(self) -> None:
        close = getattr(self._graph_aiter, "aclose", None)
        if close is not None:
            await close()

    def _wire_arequest_more(self, mux: StreamMux) -> None:
        mux.bind_apump(self._apump_next)


class AsyncSubgraphRunStream(AsyncGraphRunStream, _SubgraphRunStreamMixin):
    """A nested graph of an async run."""

    def __init__(
        self,
        mux: StreamMux,
        *,
        path: tuple[str, ...],
        graph_name: str | None = None,
        trigger_call_id: str | None = None,
    ) -> None:
        super().__init__(None, mux, wire_pump=False)
        self._place(path, graph_name, trigger_call_id)

    async def _apump_next(self) -> bool:
        """Make the run around it go on; false if this graph has ended."""
        pump = self._mux._apump_fn
        return not self._exhausted and pump is not None and await pump()


def _note(order: deque[tuple[str, Any]], name: str, item: Any) -> None:
    order.append((name, item))


def _drive_until_done(pump: Any) -> None:
    while pump():
        pass


async def _adrive_until_done(pump: Any) -> None:
    while await pump():
        pass


def _raise_missing_projection(run: object, name: str) -> NoReturn:
    mux = run.__dict__.get("_mux")
    known = ", ".join(sorted(mux.native_keys)) if mux is not None else ""
    raise AttributeError(
        f"{type(run).__name__!r} object has no attribute {name!r} (registered projections: {known})"
    )
