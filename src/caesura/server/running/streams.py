"""The streams of runs: numbered frames, kept a while, read by any number of clients at their own pace.

A `RunStream` is written by whoever executes the run and read through `Reader`s. It keeps the newest
frames in a ring of bounded size; a run never waits for a reader. A reader that falls behind the ring
reads on from the database: the frames of *resumable* runs are stored before they are shown, those of
other runs only when the ring lets them go while somebody has not read them yet. Ids are
``<milliseconds>-<number>`` and grow, over restarts too, so ``Last-Event-ID`` always says where to go on.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from caesura.records.operations import AppendEvents, FindEvent, ReadEvents
from caesura.records.shapes import Run
from caesura.server.encoding import encode

RING_BYTES: Final = 2_000_000
RING_FRAMES: Final = 4_096
HEARTBEAT_SECONDS: Final = 5.0
HEARTBEAT: Final = b": heartbeat\r\n\r\n"
_PAGE: Final = 500
_PAGE_BYTES: Final = 1_000_000


class Frame(NamedTuple):
    """One event of a run's stream, encoded."""

    number: int
    """Its place in the stream, from 0; stored frames read back have -1."""
    id: str
    name: str
    data: bytes

    def sse(self, *, with_id: bool) -> bytes:
        """The frame as server-sent events have it."""
        tail = b"\r\nid: " + self.id.encode() + b"\r\n\r\n" if with_id else b"\r\n\r\n"
        return b"event: " + self.name.encode() + b"\r\ndata: " + self.data + tail


@dataclass(slots=True, frozen=True)
class Result:
    """How a run ended, for those who wait for it. ``body``: what ``wait`` and ``join`` answer."""

    status: str
    body: bytes
    error: Any = None


StoredEvent = tuple[str, str, str, bytes]
"""(kind, id, name, data), as `AppendEvents` takes it."""


class Listener(Protocol):
    """Makes further events of a run's frames; they are stored with the frames they come from."""

    async def events_of(self, frame: Frame) -> Sequence[StoredEvent]:
        """What a frame becomes; called before it is shown."""

    def stored(self) -> None:
        """What `events_of` gave last is stored."""

    def ended(self, result: Result) -> None:
        """The run has ended."""


class Signal:
    """Wakes everybody who waits, as often as it is set."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wake all who wait now."""
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def wait(self, timeout: float | None = None) -> bool:
        """Until the next `set`; False if the time was over first."""
        event = self._event
        if timeout is None:
            return await event.wait()
        try:
            async with asyncio.timeout(timeout):
                return await event.wait()
        except TimeoutError:
            return False


class RunStream:
    """The frames of one run, and its result."""

    def __init__(self, run: Run, database: Any, listener: Listener | None = None) -> None:
        self.thread_id, self.run_id, self.resumable = run.thread_id, run.run_id, run.resumable
        self.ring: deque[Frame] = deque()
        self.total = 0
        self.result: Result | None = None
        self.changed = Signal()
        self.readers: set[Reader] = set()
        self._database, self._listener = database, listener
        self._bytes = 0
        self._last = (0, 0)

    @property
    def first(self) -> int:
        """The number of the oldest frame in the ring."""
        return self.total - len(self.ring)

    @property
    def page_size(self) -> int:
        """How many stored frames to read at once: about a megabyte's worth."""
        each = max(1, self._bytes // len(self.ring)) if self.ring else 1
        return max(1, min(_PAGE, _PAGE_BYTES // each))

    async def publish(self, name: str, value: Any) -> Frame:
        """Append an event; resumable runs have it stored when this returns."""
        frame = Frame(self.total, self._next_id(), name, encode(value))
        await self._keep(frame)
        self.total += 1
        self.ring.append(frame)
        self._bytes += len(frame.data)
        if self._bytes > RING_BYTES or len(self.ring) > RING_FRAMES:
            await self._trim()
        self.changed.set()
        return frame

    async def follow_stored(self) -> None:
        """Show what another process has stored of the run since the newest frame here."""
        if not self.resumable:
            return
        after = self.ring[-1].id if self.ring else "0-0"
        async for frame in stored_frames(self._database, self.thread_id, self.run_id, after):
            self.ring.append(frame._replace(number=self.total))
            self.total += 1
            self._bytes += len(frame.data)
            self._last = key_of(frame.id)
            if self._bytes > RING_BYTES or len(self.ring) > RING_FRAMES:
                await self._trim()
            self.changed.set()

    def show_end(self, result: Result, modes: Sequence[str]) -> None:
        """Show how a run ended that another process did; of its events only resumable ones are stored."""
        if self.resumable:
            return
        name = "error" if result.error is not None else "values"
        data = result.body if result.error is None else encode(result.error)
        if name == "error" or (result.status == "success" and name in modes):
            self.ring.append(Frame(self.total, self._next_id(), name, data))
            self.total += 1
            self._bytes += len(data)

    def close(self, result: Result) -> None:
        """The run has ended; readers end after the last frame."""
        if self.result is None:
            self.result = result
            self.changed.set()
            if self._listener is not None:
                self._listener.ended(result)

    async def finished(self) -> Result:
        """Wait for the end."""
        while self.result is None:
            await self.changed.wait()
        return self.result

    def _next_id(self) -> str:
        millis = time.time_ns() // 1_000_000
        last, number = self._last
        self._last = (last, number + 1) if millis <= last else (millis, 0)
        return f"{self._last[0]}-{self._last[1]}"

    async def _keep(self, frame: Frame) -> None:
        rows = [_row(frame)] if self.resumable else []
        if self._listener is None:
            await self._append(rows)
            return
        rows += await self._listener.events_of(frame)
        await self._append(rows)
        self._listener.stored()

    async def _append(self, rows: Sequence[StoredEvent]) -> None:
        if rows:
            operation = AppendEvents(self.thread_id, self.run_id, rows, time.time())
            await self._database.aexecute(operation)

    async def _trim(self) -> None:
        """Let the older half go; what somebody has still to read is stored before it goes."""
        size, count = self._bytes, 0
        while size > RING_BYTES // 2 or len(self.ring) - count > RING_FRAMES // 2:
            if count == len(self.ring) - 1:
                break
            size -= len(self.ring[count].data)
            count += 1
        going = [self.ring[n] for n in range(count)]
        if not self.resumable:
            behind = min((reader.position for reader in self.readers), default=self.total)
            await self._append([_row(frame) for frame in going if frame.number >= behind])
        for _ in range(count):
            self._bytes -= len(self.ring.popleft().data)


class Reader:
    """One client's place in a stream. Use as a context manager; iterate with `frames`.

    ``position``: the number of the next frame. While it lies before the ring, the reader goes through
    the database, and only steps back into the ring where the frame it read last is still there, or where
    the database has nothing more: so that nothing is left out, however fast the ring moves on.
    """

    def __init__(self, stream: RunStream, *, position: int, after: str | None = None) -> None:
        self.stream, self.after = stream, after
        self.position = position if after is None else -1
        self._seq: int | None = None

    def __enter__(self) -> Reader:
        self.stream.readers.add(self)
        return self

    def __exit__(self, *exc: object) -> None:
        self.stream.readers.discard(self)

    async def frames(self, heartbeat: float = HEARTBEAT_SECONDS) -> AsyncGenerator[Frame | None]:
        """Frames as they come, to the end of the run; None after each ``heartbeat`` of silence."""
        stream = self.stream
        while True:
            if self.position < stream.first or self.position < 0:
                for frame in await self._stored():
                    self.after = frame.id
                    yield frame
            elif self.position < stream.total:
                frame = stream.ring[self.position - stream.first]
                self.position, self.after, self._seq = self.position + 1, frame.id, None
                yield frame
            elif stream.result is not None:
                return
            elif not await stream.changed.wait(heartbeat):
                yield None

    async def _stored(self) -> list[Frame]:
        """A page of what the database has behind the last frame; steps into the ring if it may."""
        stream, first = self.stream, self.stream.first
        if self._into_ring():
            return []
        database, place = stream._database, (stream.thread_id, stream.run_id)
        if self._seq is None:
            self._seq = await database.aexecute(FindEvent(*place, "run", self.after or "0-0"))
        page = await database.aexecute(
            ReadEvents(stream.thread_id, "run", stream.run_id, self._seq, stream.page_size)
        )
        if page:
            self._seq = page[-1].seq
        elif first == stream.first:
            self.position = self._beginning()
        return [Frame(-1, event.id, event.name, event.data) for event in page]

    def _into_ring(self) -> bool:
        """Go on in the ring, if the frame read last is still in it."""
        ring = self.stream.ring
        if self.after is None or not ring or key_of(ring[0].id) > key_of(self.after):
            return False
        self.position = self._beginning()
        return True

    def _beginning(self) -> int:
        """The number of the first frame of the ring behind the one read last."""
        stream, last = self.stream, key_of(self.after or "0-0")
        behind = (frame.number for frame in stream.ring if key_of(frame.id) > last)
        return next(behind, stream.total)


def _row(frame: Frame) -> StoredEvent:
    return "run", frame.id, frame.name, frame.data


def key_of(id: str) -> tuple[int, int]:
    """An event id as something that sorts. Raises ValueError if it is none."""
    millis, _, number = id.partition("-")
    return int(millis), int(number or 0)


async def stored_frames(
    database: Any, thread_id: str, run_id: str, after: str
) -> AsyncGenerator[Frame]:
    """The stored frames of a run behind an id, in order."""
    seq = await database.aexecute(FindEvent(thread_id, run_id, "run", after))
    while True:
        page = await database.aexecute(ReadEvents(thread_id, "run", run_id, seq, _PAGE))
        for event in page:
            yield Frame(-1, event.id, event.name, event.data)
            seq = event.seq
        if len(page) < _PAGE:
            return


@dataclass(slots=True)
class Streams:
    """The streams of the runs that this process executes or that somebody here waits for."""

    database: Any
    runs: dict[str, RunStream] = field(default_factory=dict)
    changed_interrupts: Signal = field(default_factory=Signal)
    """Set after every commit that may have asked, answered or closed an interrupt."""
    followers: dict[str, set[asyncio.Queue[RunStream]]] = field(default_factory=dict)
    """Thread id → queues of those who follow all its runs."""
    listen: Callable[[Run], Listener | None] | None = None
    """Who listens to a run's frames, if anybody."""

    def open(self, run: Run) -> RunStream:
        """The stream of a run that has not ended."""
        stream = self.runs.get(run.run_id)
        if stream is None:
            listener = None if self.listen is None else self.listen(run)
            stream = self.runs[run.run_id] = RunStream(run, self.database, listener)
            for queue in self.followers.get(run.thread_id, ()):
                queue.put_nowait(stream)
        return stream

    def find(self, run_id: str) -> RunStream | None:
        """The stream of a run, if it is here."""
        return self.runs.get(run_id)

    def close(self, run_id: str, result: Result) -> None:
        """The run has ended."""
        stream = self.runs.pop(run_id, None)
        if stream is not None:
            stream.close(result)

    def follow(self, thread_id: str) -> asyncio.Queue[RunStream]:
        """A queue that gets the stream of every run of the thread from now on."""
        queue: asyncio.Queue[RunStream] = asyncio.Queue()
        self.followers.setdefault(thread_id, set()).add(queue)
        for stream in self.runs.values():
            if stream.thread_id == thread_id:
                queue.put_nowait(stream)
        return queue

    def unfollow(self, thread_id: str, queue: asyncio.Queue[RunStream]) -> None:
        """Give the queue back."""
        queues = self.followers.get(thread_id, set())
        queues.discard(queue)
        if not queues:
            self.followers.pop(thread_id, None)
