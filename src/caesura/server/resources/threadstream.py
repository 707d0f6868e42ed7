"""The stream of a thread: the frames of all its runs, one after the other, without an end.

A client may open it before the thread exists: it waits for the first run. Runs that go on side by side
are followed side by side, so that one that waits for its time does not hold back the others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Coroutine, Mapping
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from typing import Any, Final

from caesura.records.operations import FindEvent, GetRun, ReadEvents
from caesura.records.shapes import Event, Run
from caesura.server import wire
from caesura.server.encoding import encode
from caesura.server.http.call import Call
from caesura.server.http.problems import invalid
from caesura.server.http.routes import Routes
from caesura.server.http.sse import EventStream
from caesura.server.protocol.closing import silence, until
from caesura.server.resources.protocol import may_read
from caesura.server.resources.runs import STREAM, last_event_id
from caesura.server.running.streams import (
    HEARTBEAT,
    HEARTBEAT_SECONDS,
    Frame,
    Reader,
    RunStream,
    key_of,
)
from caesura.server.services import Server

routes = Routes("Threads", group="threads")
MODES: Final = frozenset({"run_modes", "lifecycle", "state_update"})
_PAGE: Final = 500
_AHEAD: Final = 64
"""Frames that are read before the client has taken them."""


@routes.get(
    "/threads/{thread_id}/stream",
    query=wire.ThreadStreamQuery,
    answers={200: STREAM},
    errors=(404,),
)
async def stream_thread(call: Call[None, wire.ThreadStreamQuery]) -> Any:
    """Follow all runs of a thread, from now on or behind `Last-Event-ID`.

    `stream_mode`: `run_modes` (the runs' own events, the default), `lifecycle` (only when they start and
    are done), `state_update`. What is stored of resumable runs is sent again behind `Last-Event-ID`.
    """
    thread_id = call.thread_id
    query = call.query
    modes = frozenset((query.stream_modes or []) + (query.stream_mode or [])) or {"run_modes"}
    for mode in sorted(modes - MODES):
        raise invalid(f"Invalid stream mode: {mode}")
    after = last_event_id(call.header("last-event-id"))
    filters = await call.authorise("threads", "read", {"thread_id": thread_id})
    if not await may_read(call.server, thread_id, filters):
        return EventStream(silence(call.server.closing))
    return EventStream(_chunks(call, thread_id, filters, frozenset(modes), after))


async def _chunks(
    call: Call[Any, Any],
    thread_id: str,
    filters: Mapping[str, Any],
    modes: frozenset[str],
    after: str | None,
) -> AsyncGenerator[bytes]:
    server, checked = call.server, not filters
    frames = _Frames(server, thread_id, after).follow()
    async with aclosing(until(server.closing, frames)) as coming:
        async for frame in coming:
            if frame is None:
                yield HEARTBEAT
                continue
            if not checked and not await may_read(server, thread_id, filters):
                continue
            checked = True
            if "run_modes" in modes or ("lifecycle" in modes and frame.name == "metadata"):
                yield frame.sse(with_id=True)


class _Frames:
    """The frames of a thread's runs, as they come."""

    def __init__(self, server: Server, thread_id: str, after: str | None) -> None:
        self._server, self._thread_id, self._after = server, thread_id, after
        self._tasks: set[asyncio.Task[None]] = set()
        self._merged: asyncio.Queue[Frame | Exception] = asyncio.Queue(_AHEAD)

    async def follow(self) -> AsyncGenerator[Frame | None]:
        """Frames; None after a silence. Never ends by itself."""
        streams = self._server.streams
        queue = streams.follow(self._thread_id)
        try:
            going_on = [queue.get_nowait() for _ in range(queue.qsize())]
            places = [self._place(stream) for stream in going_on]
            if self._after is not None:
                async for frame in self._stored({stream.run_id for stream in going_on}):
                    yield frame
            for reader in places:
                self._begin(self._read(reader))
            self._begin(self._accept(queue))
            while True:
                yield await self._next()
        finally:
            streams.unfollow(self._thread_id, queue)
            for task in self._tasks:
                task.cancel()

    def _place(self, stream: RunStream) -> Reader:
        """Where to read a run that goes on: from now on, or behind the client's last event."""
        if self._after is None:
            return Reader(stream, position=stream.total)
        if stream.resumable:
            return Reader(stream, position=0, after=self._after)
        seen = sum(key_of(frame.id) <= key_of(self._after) for frame in stream.ring)
        return Reader(stream, position=stream.first + seen)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            await self._merged.put(error)

    async def _accept(self, queue: asyncio.Queue[RunStream]) -> None:
        while True:
            self._begin(self._read(Reader(await queue.get(), position=0)))

    async def _read(self, reader: Reader) -> None:
        with reader:
            async with aclosing(reader.frames()) as frames:
                async for frame in frames:
                    if frame is not None:
                        await self._merged.put(frame)
        await self._merged.put(_done(reader.stream.run_id, reader.after))

    async def _next(self) -> Frame | None:
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                found = await self._merged.get()
        except TimeoutError:
            return None
        if isinstance(found, Exception):
            raise found
        return found

    async def _stored(self, going_on: AbstractSet[str]) -> AsyncGenerator[Frame]:
        """What is stored behind the client's last event, of resumable runs that have ended."""
        server, thread_id = self._server, self._thread_id
        seq = await server.do(FindEvent(thread_id, None, "run", str(self._after)))
        resumable: dict[str, bool] = {}
        last: Event | None = None
        while page := await server.do(ReadEvents(thread_id, "run", None, seq, _PAGE)):
            for event in page:
                seq = event.seq
                if event.run_id in going_on or not await self._is_resumable(event, resumable):
                    continue
                if last is not None and last.run_id != event.run_id:
                    yield _done(last.run_id, last.id)
                yield Frame(-1, event.id, event.name, event.data)
                last = event
        if last is not None and server.streams.find(last.run_id) is None:
            yield _done(last.run_id, last.id)

    async def _is_resumable(self, event: Event, known: dict[str, bool]) -> bool:
        if event.run_id not in known:
            run: Run | None = await self._server.do(GetRun(event.run_id, self._thread_id))
            known[event.run_id] = run is not None and run.resumable
        return known[event.run_id]


def _done(run_id: str, last_id: str | None) -> Frame:
    """The frame that says that a run is done; its id is the one behind the run's last frame."""
    millis, number = (time.time_ns() // 1_000_000, -1) if last_id is None else key_of(last_id)
    data = encode({"status": "run_done", "run_id": run_id})
    return Frame(-1, f"{millis}-{number + 1}", "metadata", data)
