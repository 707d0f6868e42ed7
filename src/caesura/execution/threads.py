"""Threads for the jobs of all runs: as many as are busy, and one that is about to be.

A pool with a limit can deadlock here: a task that waits for tasks it called would hold the place that
they need. A thread for each job is safe, and slow: to wake one takes longer than most jobs do. So jobs
wait in one queue, and this holds: *while a job waits, a thread is awake that has none*, and needs but
the interpreter. Whoever takes a job while more wait has the next thread woken first. So when a job
blocks, for whatever reason, the next one starts at once; jobs that do not block are done one after the
other by the thread that runs.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

IDLE_SECONDS = 10.0
_DEEPEST = 16
"""Jobs within jobs that one thread does in place of waiting: each takes a piece of its stack."""

Job = Callable[[], None]


class _Queue:
    """The jobs that wait, and the threads that have none."""

    __slots__ = ("_awake", "_idle", "_jobs", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: deque[Job] = deque()
        self._idle: list[_Worker] = []
        self._awake = False
        """A thread was woken, and has not looked for a job yet."""

    def put(self, job: Job, *, first: bool = False) -> None:
        """Have a thread do ``job``. Raises RuntimeError if no thread can be had."""
        with self._lock:
            (self._jobs.appendleft if first else self._jobs.append)(job)
            wake = self._next()
        if wake is not None:
            try:
                self._wake(wake)
            except RuntimeError:
                if self.withdraw(job):
                    raise

    def take(self, worker: _Worker, *, woken: bool) -> Job | None:
        """A job for ``worker``; None if there is none, and then it is idle."""
        with self._lock:
            if woken:
                self._awake = False
            if not self._jobs:
                self._idle.append(worker)
                return None
            job = self._jobs.popleft()
            wake = self._next() if self._jobs else None
        if wake is not None:
            # Where no more threads can be had, those there are go on with what waits.
            with contextlib.suppress(RuntimeError):
                self._wake(wake)
        return job

    def withdraw(self, job: Job) -> bool:
        """Take ``job`` back; False if a thread has it."""
        with self._lock:
            if job not in self._jobs:
                return False
            self._jobs.remove(job)
            return True

    def retire(self, worker: _Worker) -> bool:
        """Forget ``worker`` if it is idle."""
        with self._lock:
            if worker not in self._idle:
                return False
            self._idle.remove(worker)
            return True

    def _next(self) -> Callable[[], Any] | None:
        """What wakes a thread; None if one is awake."""
        if self._awake:
            return None
        self._awake = True
        return self._idle.pop().bell.release if self._idle else _Worker

    def _wake(self, wake: Callable[[], Any]) -> None:
        try:
            wake()
        except BaseException:
            self._awake = False
            raise


class _Worker:
    """A thread. While it is idle, it waits for its bell."""

    __slots__ = ("bell",)

    def __init__(self) -> None:
        self.bell = threading.Lock()
        self.bell.acquire()
        threading.Thread(target=self._work, name="caesura-task", daemon=True).start()

    def _work(self) -> None:
        queue = _queue
        while True:
            job = queue.take(self, woken=True)
            while job is not None:
                job()
                del job  # What it holds is free while the thread is idle.
                job = queue.take(self, woken=False)
            while not self.bell.acquire(timeout=IDLE_SECONDS):
                if queue.retire(self):
                    return


class _Depth(threading.local):
    """Of the jobs that this thread does in place of waiting."""

    now = 0


_queue = _Queue()
_depth = _Depth()


def _forget_threads() -> None:
    """A forked process has none of them."""
    global _queue
    _queue = _Queue()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)


def spawn(job: Job) -> None:
    """Run ``job``, which must not raise, in a thread."""
    _queue.put(job)


def do_instead_of_waiting(job: Job) -> None:
    """Run ``job``, given to `spawn`, in this thread, if no other has begun it."""
    if _depth.now < _DEEPEST and _queue.withdraw(job):
        _depth.now += 1
        try:
            job()
        finally:
            _depth.now -= 1


def go_on(job: Job) -> None:
    """Run ``job`` at once: here, unless somebody waits for what this thread was given to do."""
    if _depth.now:
        try:
            _queue.put(job, first=True)
        except RuntimeError:
            pass
        else:
            return
    job()


async def in_thread(func: Callable[[], Any]) -> Any:
    """Run ``func`` in a thread, with the context copied; returns or raises what it does."""
    import asyncio  # a sync program needs none of it

    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    spawn(partial(_fulfil, future, loop, contextvars.copy_context(), func))
    try:
        return await future
    finally:
        del future  # The traceback of its error holds this frame.


def _fulfil(future: Any, loop: Any, context: contextvars.Context, func: Callable[[], Any]) -> None:
    try:
        value = context.run(func)
    except BaseException as error:
        loop.call_soon_threadsafe(_finish, future, None, error)
    else:
        loop.call_soon_threadsafe(_finish, future, value, None)
    finally:
        del future  # As above.


def _finish(future: Any, value: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(value)
    elif isinstance(error, StopIteration):
        future.set_exception(RuntimeError("generator raised StopIteration"))
    else:
        future.set_exception(error)
