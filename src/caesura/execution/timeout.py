"""Timeouts of async tasks: a timer that cancels the attempt and says which limit was passed.

The timer is set for the first moment at which a limit could be passed. Progress only notes the
time, so it costs next to nothing; a timer that finds that there was some is set anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Literal

from caesura.errors import GraphBubbleUp, NodeTimeoutError
from caesura.execution.context import TaskScope
from caesura.execution.watch import Watch
from caesura.types import TimeoutPolicy


async def timed(
    scope: TaskScope, policy: TimeoutPolicy, work: Callable[[TaskScope], Awaitable[None]]
) -> None:
    """Run one attempt; raises `NodeTimeoutError` if it takes longer than ``policy`` allows.

    A pause is an end like any other. What the attempt does once its time is up does not count, be it
    a result or another error; only a cancellation from outside does.
    """
    loop, above = asyncio.get_running_loop(), scope.watch
    scope.watch = Watch(loop.time, above, auto=policy.refresh_on == "auto")
    limit = asyncio.timeout(None)
    timer = _Timer(loop, policy, scope.watch, limit)
    try:
        async with limit:
            await work(scope)
    except (asyncio.CancelledError, GraphBubbleUp):
        raise
    except BaseException as error:
        if timer.passed is None:
            raise
        raise timer.error(scope.task.name) from error
    finally:
        scope.watch = above
        timer.stop()
        if timer.passed is not None:
            _stop_calls(scope)
    if timer.passed is not None:
        raise timer.error(scope.task.name)


def _stop_calls(scope: TaskScope) -> None:
    """Stop the ``@task`` calls that the attempt began and did not wait for."""
    for future in scope.children:
        future.cancel()


class _Timer:
    """Cancels through ``limit`` when a limit of the policy is passed."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        policy: TimeoutPolicy,
        watch: Watch,
        limit: asyncio.Timeout,
    ) -> None:
        self._loop, self._watch, self._limit = loop, watch, limit
        self._run, self._idle = _seconds(policy.run_timeout), _seconds(policy.idle_timeout)
        self._started = loop.time()
        self._elapsed = 0.0
        self.passed: Literal["run", "idle"] | None = None
        self._handle = loop.call_at(self._next()[0], self._check)

    def _next(self) -> tuple[float, Literal["run", "idle"]]:
        """When a limit will be passed if nothing happens, and which."""
        run = float("inf") if self._run is None else self._started + self._run
        idle = float("inf") if self._idle is None else self._watch.last + self._idle
        return (run, "run") if run <= idle else (idle, "idle")

    def _check(self) -> None:
        due, kind = self._next()
        now = self._loop.time()
        if due > now:
            self._handle = self._loop.call_at(due, self._check)
            return
        since = self._started if kind == "run" else self._watch.last
        self.passed, self._elapsed = kind, now - since
        self._limit.reschedule(now)

    def stop(self) -> None:
        """The attempt is over."""
        self._handle.cancel()

    def error(self, node: str) -> NodeTimeoutError:
        """What the passed limit raises."""
        assert self.passed is not None
        return NodeTimeoutError(
            node,
            self._elapsed,
            kind=self.passed,
            idle_timeout=self._idle,
            run_timeout=self._run,
        )


def _seconds(limit: float | timedelta | None) -> float | None:
    return limit.total_seconds() if isinstance(limit, timedelta) else limit
