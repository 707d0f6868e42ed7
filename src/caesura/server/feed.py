"""What happens to interrupts, as it happens: read once from the database for everybody who follows.

The stored rows are the only source, so a stream can be taken up again after a restart, and what another
process stores is seen too. Rows bear the time at which something was decided, which is a little before
it can be read; of two commits at about the same time the later one may become visible first. Therefore
each look goes back over a short `WINDOW` and leaves out what was told already, and a position in the
stream (an event's id) says not only how far somebody has read, but bears a mark of *what* was told in
the window before it. Whoever comes back with a mark that does not fit has missed something there, and
is told the window again; otherwise nothing is repeated.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from caesura.core.ids import hash_hex
from caesura.errors import CaesuraError
from caesura.execution.clock import clock
from caesura.records.operations import Changed, ChangeKey, FindChangedQuestions
from caesura.server.logs import log
from caesura.server.running.streams import HEARTBEAT_SECONDS, Signal

WINDOW: Final = timedelta(seconds=5)
RING: Final = 1_000
_PAUSE_SECONDS: Final = 0.03
"""Between two looks, so that a busy server reads for many changes at once."""
_POSITION: Final = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\dT[0-9:.]+\+00:00)_(?P<id>[0-9a-f]{32})_(?P<event>[a-z]+)_(?P<mark>[0-9a-f]{8})"
)


class Position(NamedTuple):
    """How far somebody has read: the newest change, and the mark of what was told around it."""

    at: str
    interrupt_id: str
    event: str
    mark: str

    def __str__(self) -> str:
        return "_".join(self)

    @classmethod
    def parse(cls, text: str) -> Position:
        """A position from an event's id. Raises ValueError if it is none."""
        found = _POSITION.fullmatch(text)
        if found is None:
            raise ValueError(f"{text[:200]!r} is no position of this stream")
        datetime.fromisoformat(found["at"])
        return cls(*found.groups())

    def covers(self, key: ChangeKey) -> bool:
        """True for changes that come no later."""
        at, interrupt_id, _, event = key
        return (at, interrupt_id, event) <= (self.at, self.interrupt_id, self.event)


class Told:
    """The changes that somebody was told of, as far back as the window reaches."""

    def __init__(self, at: str) -> None:
        self.keys: set[ChangeKey] = set()
        self.since = _back(at)
        self._newest: ChangeKey = (at, "0" * 32, "", "asked")

    @property
    def position(self) -> Position:
        """Where somebody stands who was told all this."""
        at, interrupt_id, _, event = self._newest
        return Position(at, interrupt_id, event, mark_of(self.keys))

    def add(self, key: ChangeKey) -> Position:
        """Note one; returns the position reached with it."""
        self.keys.add(key)
        if key > self._newest:
            self._newest, self.since = key, _back(key[0])
            self.keys = {known for known in self.keys if known[0] >= self.since}
        return self.position

    def includes(self, key: ChangeKey) -> bool:
        """True for what was told, or lies before the window."""
        return key in self.keys or key[0] < self.since

    async def look(self, database: Any) -> list[Changed]:
        """The next changes that are not noted yet; the caller notes them."""
        found: list[Changed] = await database.aexecute(
            FindChangedQuestions(self.since, frozenset(self.keys))
        )
        return found


def mark_of(keys: Iterable[ChangeKey]) -> str:
    """Eight hex characters that stand for a set of changes, whatever their order."""
    mark = 0
    for key in keys:
        mark ^= int(hash_hex("\x1f".join(key))[:8], 16)
    return f"{mark:08x}"


def _back(at: str) -> str:
    moment = datetime.fromisoformat(at)
    return (moment - WINDOW).isoformat(timespec="microseconds")


class News(NamedTuple):
    """One change, and the position of whoever has been told it."""

    position: Position
    change: Changed


@dataclass(slots=True)
class InterruptFeed:
    """Reads changes while somebody follows, and keeps the newest for them."""

    database: Any
    signal: Signal
    """Set after every commit of this process that may have changed an interrupt."""
    _ring: deque[News] = field(default_factory=deque)
    _total: int = 0
    _changed: Signal = field(default_factory=Signal)
    _told: Told | None = None
    _followers: int = 0
    _reading: asyncio.Task[None] | None = None
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def follow(
        self, after: Position | None = None, heartbeat: float = HEARTBEAT_SECONDS
    ) -> AsyncGenerator[News | None]:
        """Changes as they come, for ever; None at first, and after each ``heartbeat`` of silence.

        ``after``: go on behind that position; else with what happens after the first None. Somebody
        who reads more slowly than changes come reads on from the database, and misses nothing.
        """
        self._followers += 1
        try:
            start = await self._start()
            place = self._total if after is None else -1
            after, told = after or start, Told(start.at)
            yield None
            while True:
                if place < self._first:
                    place, told = self._total, Told(after.at)
                    async for news in self._missed(after, told):
                        yield news
                    after = told.position
                    continue
                if place == self._total:
                    if not await self._changed.wait(heartbeat):
                        yield None
                    continue
                news = self._ring[place - self._first]
                place, after = place + 1, news.position
                if not told.includes(news.change.key):
                    yield news
        finally:
            self._followers -= 1
            if not self._followers:
                self._stop()

    @property
    def _first(self) -> int:
        """The number of the oldest change in the ring."""
        return self._total - len(self._ring)

    async def _missed(self, after: Position, told: Told) -> AsyncGenerator[News]:
        """What is stored behind a position; before it, the window again if part of it was missed."""
        window: list[Changed] = []
        while found := await told.look(self.database):
            for change in found:
                position = told.add(change.key)
                if after.covers(change.key):
                    window.append(change)
                    continue
                for news in _again(window, after):
                    yield news
                window = []
                yield News(position, change)
        for news in _again(window, after):
            yield news

    # --- reading -------------------------------------------------------------------------------

    async def _start(self) -> Position:
        """Read from now on, if nobody does; the position that reading has reached."""
        async with self._starting:
            if self._told is None:
                told = Told(clock().now())
                while found := await told.look(self.database):
                    for change in found:
                        told.add(change.key)
                self._told, self._reading = told, asyncio.create_task(self._read(told))
            return self._told.position

    def _stop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        self._reading = self._told = None
        self._ring.clear()

    async def _read(self, told: Told) -> None:
        while True:
            waiting = asyncio.create_task(self.signal.wait(HEARTBEAT_SECONDS))
            try:
                await asyncio.sleep(0)  # it waits before the look, so that no signal is missed
                await self._look(told)
                await waiting
            finally:
                waiting.cancel()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _look(self, told: Told) -> None:
        try:
            while found := await told.look(self.database):
                for change in found:
                    self._ring.append(News(told.add(change.key), change))
                    self._total += 1
                    if len(self._ring) > RING:
                        self._ring.popleft()
                self._changed.set()
        except CaesuraError as error:
            log.warning("interrupts could not be read for those who follow them", error=str(error))


def _again(window: list[Changed], after: Position) -> Iterator[News]:
    """All of the window before a position, if its mark says that part of it was not told."""
    if mark_of(change.key for change in window) != after.mark:
        yield from (News(after, change) for change in window)
