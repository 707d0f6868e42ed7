"""What a server does by itself: fire crons, send webhooks, sweep what has expired.

One task a duty. A duty that fails says so in the log and tries again later; it never stops the others.
Several processes may do the same duties on one database: a cron's date is advanced by compare-and-set in
the transaction that starts its run; sweeping twice does no harm.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from caesura.checkpoint.operations import Prune
from caesura.errors import StorageError
from caesura.execution.clock import clock
from caesura.records.errors import AlreadyFiredError
from caesura.records.operations import (
    AdvanceCron,
    FindCrons,
    FindDueCrons,
    FindExpired,
    Page,
    SweepDeliveries,
    SweepEvents,
    UpdateThread,
)
from caesura.records.shapes import Cron, Thread
from caesura.server.crons import next_date
from caesura.server.http.problems import problem_of
from caesura.server.logs import log, logged
from caesura.server.project.sections import StoreTtl, ThreadTtl

if TYPE_CHECKING:
    from caesura.server.services import Server

LOOK_SECONDS: Final = 5.0
"""How often to look for crons that another process made."""
SWEEP_MINUTES: Final = 5
"""Between two sweeps, where the configuration does not say."""
SWEEP_LIMIT: Final = 1000
KEY_SECONDS: Final = 24 * 3600.0
"""How long an idempotency key is remembered."""
DEAD_SECONDS: Final = 7 * 24 * 3600.0
"""How long a webhook that was given up is kept."""
_EVENT_SWEEP_SECONDS: Final = 60.0
_EVENTS_AT_ONCE: Final = 10_000


class Duties:
    """The duties of one server process."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; in a running event loop."""
        settings = self._server.settings
        threads, items = settings.checkpointer.ttl, settings.store.ttl
        sweeps: list[tuple[str, float, Callable[[Server], Awaitable[int]]]] = [
            ("threads", _seconds(threads), sweep_threads),
            ("store items", _seconds(items), sweep_store),
            ("events", _EVENT_SWEEP_SECONDS, sweep_events),
            ("webhooks given up", _EVENT_SWEEP_SECONDS, sweep_deliveries),
        ]
        for what, seconds, sweep in sweeps:
            self._begin(f"sweep {what}", self._sweep(what, seconds, sweep))
        self._begin("fire crons", self._fire())
        if not settings.http.disable_webhooks:
            self._begin("deliver webhooks", self._server.outbox.work())

    async def stop(self) -> None:
        """End; what is being done is broken off at its next step."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def _begin(self, name: str, duty: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(duty, name=name))

    async def _sweep(
        self, what: str, seconds: float, sweep: Callable[[Server], Awaitable[int]]
    ) -> None:
        while True:
            with logged(f"{what} could not be swept; trying again later"):
                swept = await sweep(self._server)
                if swept:
                    log.info("swept", what=what, count=swept)
            await asyncio.sleep(seconds)

    async def _fire(self) -> None:
        changed = self._server.crons_changed
        while True:
            changed.clear()
            wait = LOOK_SECONDS
            with logged("crons could not be fired; trying again"):
                await fire_due_crons(self._server)
                wait = await _until_next(self._server)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await changed.wait()


def _seconds(ttl: ThreadTtl | StoreTtl | None) -> float:
    minutes = None if ttl is None else ttl.sweep_interval_minutes
    return 60.0 * (minutes or SWEEP_MINUTES)


# --- crons -------------------------------------------------------------------------------------


async def fire_due_crons(server: Server) -> int:
    """Fire each cron whose date has come, once, however many dates it missed; returns how many."""
    now = clock().now()
    fired = 0
    for cron in await server.do(FindDueCrons(now)):
        with logged("a cron could not be fired; trying again", cron_id=cron.cron_id):
            fired += await fire(server, cron, now)
    return fired


async def fire(server: Server, cron: Cron, now: str) -> bool:
    """Start the run of a cron that is due at ``now``; False if somebody else has, or it is over.

    The date is advanced with the run, in one transaction, so it is neither lost nor fired twice, whenever
    the process ends. If the run is refused, the log says why, and the next date is tried.
    """
    due = cron.next_run_date
    if due is None:
        return False
    if cron.end_time is not None and _epoch(due) > _epoch(cron.end_time):
        await server.do(AdvanceCron(cron.cron_id, due, None))
        return False
    advance = AdvanceCron(
        cron.cron_id, due, next_date(cron.schedule, cron.timezone, now, cron.end_time)
    )
    try:
        run = await server.runs.start_for_cron(_with_one_context(cron), advance)
    except AlreadyFiredError:
        return False
    except StorageError:
        raise
    except Exception as error:
        return await _refused(server, advance, error)
    server.metrics.cron_fired("started")
    log.info("cron fired", cron_id=cron.cron_id, run_id=run.run_id, thread_id=run.thread_id)
    return True


async def _refused(server: Server, advance: AdvanceCron, error: Exception) -> bool:
    if not await server.do(advance):
        return False
    server.metrics.cron_fired("refused")
    log.error(
        "a cron's run was refused; its next date will be tried",
        cron_id=advance.cron_id,
        reason=str(error),
        exc_info=None if problem_of(error) is not None else error,
    )
    return True


def _with_one_context(cron: Cron) -> Cron:
    """The cron with its context among the keys of ``config.configurable``, where its id is: a run is
    given one of the two."""
    context = cron.payload.get("context")
    if not context:
        return cron
    config = dict(cron.payload.get("config") or {})
    config["configurable"] = {**context, **(config.get("configurable") or {})}
    return replace(cron, payload={**cron.payload, "config": config, "context": None})


async def _until_next(server: Server) -> float:
    """Seconds until the next date of a cron, `LOOK_SECONDS` at most."""
    page: Page = await server.do(
        FindCrons(enabled=True, limit=1, sort_by="next_run_date", order="asc")
    )
    dates = [cron.next_run_date for cron in page.rows if cron.next_run_date is not None]
    if not dates:
        return LOOK_SECONDS
    return min(LOOK_SECONDS, max(0.0, _epoch(dates[0]) - clock().epoch()))


def _epoch(text: str) -> float:
    date = datetime.fromisoformat(text)
    return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()


# --- sweeping ----------------------------------------------------------------------------------


async def sweep_threads(server: Server) -> int:
    """Delete expired threads, or all but their newest state, as each says; returns how many.

    Threads with a run in flight stay, and so do those that wait for a person, if they were to be
    deleted.
    """
    ttl = server.settings.checkpointer.ttl
    limit = (ttl.sweep_limit if ttl is not None else None) or SWEEP_LIMIT
    swept = 0
    now = clock().now()
    for thread in await server.do(FindExpired(now, limit)):
        with logged("an expired thread could not be swept", thread_id=thread.thread_id):
            swept += await _sweep_thread(server, thread, now)
    return swept


async def _sweep_thread(server: Server, thread: Thread, now: str) -> bool:
    """False if somebody has used the thread since it was found."""
    if thread.ttl is not None and thread.ttl.strategy == "keep_latest":
        await server.do(Prune(thread.thread_id))
        await server.do(UpdateThread(thread.thread_id, clock().now(), ttl=thread.ttl))
        return True
    return await server.threads.remove(thread.thread_id, {}, expired_at=now)


async def sweep_events(server: Server) -> int:
    """Delete the events of runs that ended too long ago to be replayed; returns how many."""
    now = clock().epoch()
    before = now - server.environment.stream_ttl_seconds
    swept = 0
    while True:
        count: int = await server.do(SweepEvents(before, now - KEY_SECONDS, _EVENTS_AT_ONCE))
        swept += count
        if count < _EVENTS_AT_ONCE:
            return swept


async def sweep_deliveries(server: Server) -> int:
    """Delete the webhooks that were given up long ago; returns how many."""
    swept: int = await server.do(SweepDeliveries(clock().epoch() - DEAD_SECONDS))
    return swept


async def sweep_store(server: Server) -> int:
    """Delete the expired items of the store, if it can; returns how many."""
    sweep = getattr(server.store, "sweep_ttl", None)
    if sweep is None:
        return 0
    if inspect.iscoroutinefunction(sweep):
        return int(await sweep())
    return int(await asyncio.to_thread(sweep))
