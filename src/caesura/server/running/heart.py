"""The thread that keeps the leases of a worker's runs, and watches its event loop."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import traceback
from typing import Any, Final, Protocol

from caesura.server.logs import log

_BEAT_SECONDS: Final = 2.0
_STALL_SECONDS: Final = 1.0


class Leaseholder(Protocol):
    """Whose leases are kept."""

    @property
    def busy(self) -> tuple[int, int]:
        """(runs going on, places)."""

    def extend(self) -> None:
        """Extend the leases; called in the heart's thread."""


class Heart:
    """A thread that keeps the leases, whatever the event loop does, and watches the loop."""

    def __init__(self, workers: Leaseholder) -> None:
        self._workers = workers
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: Any = None
        self._loop_thread = 0

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin; called in the loop's thread."""
        self._loop, self._loop_thread = loop, threading.get_ident()
        self._thread = threading.Thread(target=self._beat, name="caesura leases", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def tell(self, act: Any, *args: Any) -> None:
        """Have the loop call ``act``."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(act, *args)

    def _beat(self) -> None:
        while not self._stopped.wait(_BEAT_SECONDS):
            try:
                if self._workers.busy[0]:
                    self._workers.extend()
            except Exception as error:
                log.error("leases could not be extended; trying again", reason=str(error))
            self._watch()

    def _watch(self) -> None:
        """Report a stalled loop, with what it is doing. It never fails a run."""
        alive = threading.Event()
        self.tell(alive.set)
        if alive.wait(_STALL_SECONDS) or self._stopped.is_set():
            return
        frame = sys._current_frames().get(self._loop_thread)
        stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
        log.warning(
            "the event loop is stalled: something blocks it; move it to a thread or make it async",
            stack=stack,
        )
        while not alive.wait(_BEAT_SECONDS) and not self._stopped.is_set():
            with contextlib.suppress(Exception):
                self._workers.extend()
