"""A thread that sweeps a store at intervals."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress

_log = logging.getLogger(__name__)


class Sweeper:
    """Calls ``sweep`` at intervals. A sweep that fails is logged, and the next one tries again."""

    def __init__(self, sweep: Callable[[], object]) -> None:
        self._sweep = sweep
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._done: Future[None] = Future()

    def start(self, minutes: float) -> Future[None]:
        """Begin, if it has not begun. The result is done when it has ended; cancelling it ends it."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                stopped = self._stopped = threading.Event()
                done = self._done = Future()
                done.add_done_callback(lambda _: stopped.set())
                self._thread = threading.Thread(
                    target=self._run,
                    args=(minutes * 60, stopped, done),
                    name="caesura-store-sweeper",
                    daemon=True,
                )
                self._thread.start()
            return self._done

    def stop(self, timeout: float | None) -> bool:
        """End it; True if it has ended within ``timeout`` seconds, or had not begun."""
        with self._lock:
            self._stopped.set()
            thread = self._thread
        if thread is None:
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def _run(self, seconds: float, stopped: threading.Event, done: Future[None]) -> None:
        while not stopped.is_set():
            try:
                self._sweep()
            except Exception as error:
                _log.warning("Expired items could not be swept; the next sweep will try: %s", error)
            stopped.wait(seconds)
        with suppress(InvalidStateError):  # cancelled
            done.set_result(None)
