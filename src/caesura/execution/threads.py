"""Threads kept for reuse, without a limit.

A pool with a limit can deadlock here: a task that waits for tasks it called would hold the place that
they need. Each idle thread waits on a queue of its own; a job goes to the one idle last.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

IDLE_SECONDS = 10.0
_idle: list[_Worker] = []
_lock = threading.Lock()


class _Worker:
    __slots__ = ("jobs",)

    def __init__(self) -> None:
        self.jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        threading.Thread(target=self._work, name="caesura-task", daemon=True).start()

    def _work(self) -> None:
        while True:
            try:
                job = self.jobs.get(timeout=IDLE_SECONDS)
            except Empty:
                if self._retire():
                    return
                continue
            job()
            del job
            with _lock:
                _idle.append(self)

    def _retire(self) -> bool:
        with _lock:
            if self in _idle:
                _idle.remove(self)
                return True
            return False


def spawn(job: Callable[[], None]) -> None:
    """Run ``job``, which must not raise, in a thread."""
    with _lock:
        worker = _idle.pop() if _idle else None
    (worker or _Worker()).jobs.put(job)


async def in_thread(func: Callable[[], Any]) -> Any:
    """Run ``func`` in a thread, with the context copied; returns or raises what it does."""
    import asyncio  # a sync program needs none of it

    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def finish(value: Any, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is None:
            future.set_result(value)
        elif isinstance(error, StopIteration):
            future.set_exception(RuntimeError("generator raised StopIteration"))
        else:
            future.set_exception(error)

    def job() -> None:
        value, error = None, None
        try:
            value = context.run(func)
        except BaseException as caught:
            error = caught
        loop.call_soon_threadsafe(finish, value, error)

    spawn(job)
    return await future
