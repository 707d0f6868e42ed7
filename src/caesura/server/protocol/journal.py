"""The events of threads, stored once and followed by any number of clients.

A `Journal` listens to the frames of runs: their events are stored in the same transaction as the frames,
so that number and id of an event are the same for whoever reads it, whenever. Runs that nobody could
read later are left out: those that are not resumable while no client follows their thread.

That a run has ended is told when its row says so. Should the process die in between, the ending is made
up for by the next one that touches the thread, be it a client or a run. Readers only read what is
stored; a signal tells them when to look.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from caesura.records.operations import AppendEvents, FindRuns, GetThread, ReadEvents
from caesura.records.shapes import Event, Run, Thread
from caesura.server.encoding import encode
from caesura.server.logs import log
from caesura.server.protocol.translation import TERMINAL, Told, Translation
from caesura.server.running.streams import (
    HEARTBEAT_SECONDS,
    Frame,
    Result,
    Signal,
    StoredEvent,
)

KIND: Final = "v3"
_PAGE: Final = 500
_ENDED: Final = ("success", "error", "timeout", "interrupted")
_LOOK_BACK: Final = 3
"""Ended runs of a thread whose ending may have been cut off."""


def wire_form(event: Event) -> bytes:
    """An event as clients get it, in JSON."""
    return b'{"type":"event","event_id":%b,"seq":%d,%b' % (
        encode(event.id), event.seq, event.data[1:],
    )  # fmt: skip


@dataclass(slots=True)
class _Place:
    """A thread that somebody writes or reads."""

    thread_id: str
    changed: Signal = field(default_factory=Signal)
    version: int = 0
    readers: int = 0
    recorders: set[_Recorder] = field(default_factory=set)
    endings: set[asyncio.Task[None]] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    settled: bool = False

    def wake(self) -> None:
        """Something was stored."""
        self.version += 1
        self.changed.set()

    @property
    def idle(self) -> bool:
        return not (self.readers or self.recorders or self.endings)


class Journal:
    """The events of all threads."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self._places: dict[str, _Place] = {}

    def listen(self, run: Run) -> _Recorder | None:
        """Who listens to a run; nobody can ask for a thread that is deleted with its run."""
        if run.temporary:
            return None
        place = self._place(run.thread_id)
        recorder = _Recorder(self, place, run)
        place.recorders.add(recorder)
        return recorder

    async def follow(self, thread_id: str, after: int = 0) -> AsyncGenerator[Event | None]:
        """The events of a thread, those there are and those to come; None after a silence.

        The thread need not exist yet. Never ends by itself.
        """
        place = self._place(thread_id)
        place.readers += 1
        try:
            await self.settle(place)
            while True:
                version = place.version
                page = await self._read(thread_id, after)
                for event in page:
                    after = event.seq
                    yield event
                if len(page) == _PAGE or version != place.version:
                    continue
                if not await place.changed.wait(HEARTBEAT_SECONDS):
                    yield None
        finally:
            place.readers -= 1
            self._leave(place)

    async def stored(self, thread_id: str, after: int = 0) -> AsyncGenerator[Event]:
        """The events that are stored now."""
        while page := await self._read(thread_id, after):
            for event in page:
                after = event.seq
                yield event

    async def events_of(self, thread_id: str, run_id: str) -> AsyncGenerator[Event]:
        """The stored events of one run."""
        after = 0
        while page := await self._read(thread_id, after, run_id):
            for event in page:
                after = event.seq
                yield event

    async def close(self) -> None:
        """Wait until everything that has ended is told."""
        tasks = [task for place in self._places.values() for task in place.endings]
        if tasks:
            await asyncio.wait(tasks)

    # --- endings -------------------------------------------------------------------------------

    async def settle(self, place: _Place) -> None:
        """Every run of the thread that has ended is told to have."""
        if place.endings:
            await asyncio.wait(set(place.endings))
        async with place.lock:
            if place.settled:
                return
            thread: Thread | None = await self._database.aexecute(GetThread(place.thread_id))
            if thread is not None:
                found = FindRuns(place.thread_id, _ENDED, limit=_LOOK_BACK)
                for run in reversed(await self._database.aexecute(found)):
                    await self._make_up(place, thread, run)
            place.settled = True

    async def _make_up(self, place: _Place, thread: Thread, run: Run) -> None:
        """Tell the ending of a run that was cut off before it was told."""
        here = any(recorder.run.run_id == run.run_id for recorder in place.recorders)
        if here or not run.resumable:
            return
        told = await self.told(run)
        if any(f"synth:{run.run_id}:lc||{phase}" in told for phase in TERMINAL):
            return
        asked = any(id.startswith(f"synth:{run.run_id}:input|") for id in told)
        translation = Translation(run.run_id, run.graph_id, told)
        phase = phase_of(run.status, asked or thread.status == "interrupted")
        error = None if run.error is None else str(run.error.get("message"))
        await self.append(place, run.run_id, translation.end(phase, error, _millis()))

    def end(self, recorder: _Recorder, result: Result) -> None:
        """A run has ended here."""
        place = recorder.place
        if recorder.translation is None and not recorder.run.resumable:
            place.recorders.discard(recorder)
            self._leave(place)
            return
        task = asyncio.get_running_loop().create_task(self._end(recorder, result))
        place.endings.add(task)

        def done(task: asyncio.Task[None]) -> None:
            place.endings.discard(task)
            place.recorders.discard(recorder)
            self._leave(place)
            if not task.cancelled() and (error := task.exception()) is not None:
                place.settled = False
                log.error("the end of a run was not told yet; the next reader makes up for it",
                          run_id=recorder.run.run_id, reason=str(error))  # fmt: skip

        task.add_done_callback(done)

    async def _end(self, recorder: _Recorder, result: Result) -> None:
        place, run = recorder.place, recorder.run
        if result.status == "running":
            return
        translation = recorder.translation
        async with place.lock:
            thread: Thread | None = await self._database.aexecute(GetThread(run.thread_id))
            if thread is None:
                return
            if translation is None:
                translation = Translation(run.run_id, run.graph_id, await self.told(run))
                if any(f"synth:{run.run_id}:lc||{phase}" in translation.told for phase in TERMINAL):
                    return
            paused = translation.paused or thread.status == "interrupted"
            error = result.error.get("message") if isinstance(result.error, dict) else None
            phase = phase_of(result.status, paused)
            await self.append(place, run.run_id, translation.end(phase, error, _millis()))

    # --- storing -------------------------------------------------------------------------------

    async def told(self, run: Run) -> set[str]:
        """Ids of the events of a run that are stored."""
        return {event.id async for event in self.events_of(run.thread_id, run.run_id)}

    async def append(self, place: _Place, run_id: str, told: Sequence[Told]) -> None:
        """Store events that come with no frame."""
        if told:
            operation = AppendEvents(place.thread_id, run_id, rows_of(told), time.time())
            await self._database.aexecute(operation)
            place.wake()

    async def _read(self, thread_id: str, after: int, run_id: str | None = None) -> list[Event]:
        page = ReadEvents(thread_id, KIND, run_id, after, _PAGE)
        return list(await self._database.aexecute(page))

    def _place(self, thread_id: str) -> _Place:
        place = self._places.get(thread_id)
        if place is None:
            place = self._places[thread_id] = _Place(thread_id)
        return place

    def _leave(self, place: _Place) -> None:
        if place.idle and self._places.get(place.thread_id) is place:
            del self._places[place.thread_id]


class _Recorder:
    """Listens to one run. See `caesura.server.running.streams.Listener`."""

    def __init__(self, journal: Journal, place: _Place, run: Run) -> None:
        self.place, self.run = place, run
        self.translation: Translation | None = None
        self._journal = journal

    async def events_of(self, frame: Frame) -> Sequence[StoredEvent]:
        """The events of a frame, if anybody will want them."""
        if self.translation is None:
            if not (self.run.resumable or self.place.readers):
                return ()
            await self._journal.settle(self.place)
            told = await self._journal.told(self.run)
            self.translation = Translation(self.run.run_id, self.run.graph_id, told)
        return rows_of(self.translation.take(frame.id, frame.name, frame.data))

    def stored(self) -> None:
        """Readers look."""
        if self.translation is not None:
            self.place.wake()

    def ended(self, result: Result) -> None:
        """The ending is told as soon as it can be stored."""
        self._journal.end(self, result)


def rows_of(told: Sequence[Told]) -> list[StoredEvent]:
    """Events as they are stored."""
    return [(KIND, item.id, item.method, item.body()) for item in told]


def phase_of(status: str, paused: bool) -> str:
    """How the life of a run's graph has ended, by the status of the run (cancelled: interrupted)."""
    if status == "success":
        return "interrupted" if paused else "completed"
    return "interrupted" if status == "interrupted" else "failed"


def _millis() -> int:
    return time.time_ns() // 1_000_000
