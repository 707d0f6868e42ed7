"""How the results of ``@task`` calls are stored: the first to come stores for all that came meanwhile.

Calls of one graph end in many threads, or in one event loop, and the caller of each may go on only when
its result is stored. So a call that ends hands in what is to be stored, and what is to be done then. If
nobody is storing, whoever handed it in begins to; what comes in meanwhile is stored next, all of it
together. Threads do not wait here: they go on with other calls.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import NamedTuple

from caesura.checkpoint.operations import PutWrites
from caesura.core.effects import Effect
from caesura.core.storing import store_together
from caesura.core.turn import Turn


class Ended(NamedTuple):
    """What a call left."""

    put: PutWrites
    then: Callable[[BaseException | None], None]
    """Called when it is stored, or with the reason why it is not. Must neither raise nor wait."""


class Gathering:
    """What calls of one graph left, until it is stored."""

    __slots__ = ("_led", "_lock", "_turn", "_waiting", "running")

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._lock = threading.Lock()
        self._waiting: list[Ended] = []
        self._led = False
        """Somebody is storing."""
        self.running = 0
        """Calls under way, where they are counted: by `begin` and `end`."""

    def begin(self) -> None:
        """A call starts."""
        with self._lock:
            self.running += 1

    def end(self, _future: object = None) -> None:
        """A call has ended."""
        with self._lock:
            self.running -= 1

    def lead(self) -> bool:
        """True if nobody is storing: then the caller may store its own by itself, and calls `rest`."""
        with self._lock:
            leads, self._led = not self._led, True
            return leads

    def rest(self) -> bool:
        """What the caller led is over. True: it is to perform `round` until none is due."""
        with self._lock:
            self._led = bool(self._waiting)
            return self._led

    def add(self, ended: Ended) -> bool:
        """Hand in what a call left. True: the caller is to perform `round` until none is due."""
        with self._lock:
            self._waiting.append(ended)
            leads, self._led = not self._led, True
            return leads

    def round(self) -> Generator[Effect, None, bool]:
        """Store all that waits, and do what is to be done then; True if another round is due."""
        with self._lock:
            stored, self._waiting = self._waiting, []
        errors: list[BaseException | None]
        try:
            errors = [
                *(yield from store_together([e.put for e in stored], self._turn.store_beside))
            ]
        except BaseException as error:  # The program is being ended: so are those who wait.
            errors = [error] * len(stored)
        more = self.rest()
        for ended, why in zip(stored, errors, strict=True):
            ended.then(why)
        return more
