"""The runs done in this process: claimed, executed as asyncio tasks, ended in the database.

A run that is due is claimed by one transaction and belongs to this worker while its lease lasts. A
thread of its own extends the leases, so that a program that blocks the event loop does not lose its
runs; the same thread watches the loop and, where it is stalled, logs the stack that stalls it. Runs of
workers that are dead (their process is gone, or their leases stand still: `caesura.server.running.watch`)
are made pending again; their next attempt goes on from the last checkpoint.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from caesura.checkpoint.operations import DeleteRuns, FindInterrupts
from caesura.errors import GraphDrained, StorageError
from caesura.execution.clock import clock
from caesura.execution.tokens import RunToken, is_alive
from caesura.records.errors import LostLeaseError
from caesura.records.operations import (
    ClaimRun,
    ExtendLeases,
    FindLeases,
    FinishRun,
    GetRun,
    NextDue,
    ReleaseRuns,
)
from caesura.records.rules import due_since
from caesura.records.shapes import CancelAction, Json, Run, RunStatus, Thread, ThreadStatus
from caesura.runtime import RunControl
from caesura.server.encoding import encode
from caesura.server.logs import bind, log
from caesura.server.running.events import error_of
from caesura.server.running.execute import Ending, execute
from caesura.server.running.heart import Heart
from caesura.server.running.streams import Result, RunStream
from caesura.server.running.watch import Watch
from caesura.types import StateSnapshot

if TYPE_CHECKING:
    from caesura.server.services import Server

LEASE_SECONDS: Final = 15.0
_LOOK_SECONDS: Final = 5.0
"""How often to look for runs that another process accepted."""
_ROUND_SECONDS: Final = 1.0
"""How often to look what became of other processes, and of runs that they do for clients of this one."""

Stop = Literal["interrupt", "rollback", "shutdown", "lost", "timeout"]


class _Job:
    """A run that goes on here."""

    __slots__ = ("control", "paused", "run", "stop", "task", "trace")

    def __init__(self, run: Run) -> None:
        self.run = run
        self.control = RunControl()
        self.stop: Stop | None = None
        self.task: asyncio.Task[Ending] | None = None
        self.paused = False
        self.trace: Json | None = None

    def end(self, why: Stop) -> None:
        """Stop the run, for this reason; the first one counts."""
        self.stop = self.stop or why
        if self.task is not None:
            self.task.cancel()


class Workers:
    """A `Dispatcher` that does the runs itself, ``places`` at a time."""

    def __init__(self, server: Server, places: int) -> None:
        self._server, self.places = server, places
        self._token = RunToken()
        self.name = self._token.text
        self._jobs: dict[str, _Job] = {}
        self._threads: set[asyncio.Task[None]] = set()
        self._reserved = 0
        self._wake = asyncio.Event()
        self._closing = False
        self._looker: asyncio.Task[None] | None = None
        self._heart = Heart(self)
        self._next_round = 0.0
        self._watch = Watch(LEASE_SECONDS, _LOOK_SECONDS)

    # --- what the server is told ---

    @property
    def busy(self) -> tuple[int, int]:
        """(runs going on here, places)."""
        return len(self._jobs), self.places

    def reserve(self) -> tuple[str, float] | None:
        """See `Dispatcher`."""
        if self._closing or len(self._jobs) + self._reserved >= self.places:
            return None
        self._reserved += 1
        return self.name, clock().epoch() + LEASE_SECONDS

    def release(self) -> None:
        """See `Dispatcher`."""
        self._reserved -= 1

    def accepted(self, run: Run, *, started: bool, reserved: bool) -> None:
        """See `Dispatcher`."""
        if reserved:
            self._reserved -= 1
        if started:
            self._begin(run)
        else:
            self._wake.set()

    def stop(self, runs: Sequence[Run]) -> None:
        """See `Dispatcher`."""
        for run in runs:
            job = self._jobs.get(run.run_id)
            if job is not None:
                job.end(run.cancel or "lost")

    def look_at(self, run: Run) -> None:
        """See `Dispatcher`."""
        if run.run_id not in self._jobs:
            self._wake.set()

    async def start(self) -> None:
        """Take up what dead workers left, and look for runs from now on."""
        await self._take_over()
        self._heart.start(asyncio.get_running_loop())
        self._looker = asyncio.create_task(self._look())

    async def close(self, grace: float) -> None:
        """See `Dispatcher`. What has not ended by then is pending again, for the next start."""
        self._closing = True
        if self._looker is not None:
            self._looker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looker
        for job in self._jobs.values():
            job.control.request_drain("shutdown")
        if self._threads:
            await asyncio.wait(self._threads, timeout=grace)
        for job in list(self._jobs.values()):
            job.end("shutdown")
        if self._threads:
            await asyncio.wait(self._threads)
        await asyncio.to_thread(self._heart.stop)
        await self._server.do(ReleaseRuns([self.name]))
        self._token.end()

    # --- finding runs ---

    async def _take_over(self) -> None:
        found: list[str] = []
        leases = await self._server.do(FindLeases())
        dead = {worker for worker, _ in leases if not is_alive(worker)}
        if dead:
            found += await self._server.do(ReleaseRuns(sorted(dead)))
        for worker, until in self._watch.ended(leases, clock().ticks()):
            found += await self._server.do(ReleaseRuns([worker], until))
        if found:
            log.info("runs taken up again", runs=found)

    async def _look(self) -> None:
        while True:
            try:
                await self._claim_all()
                await self._sleep()
            except StorageError as error:
                log.error("the database refused to hand out runs; trying again", reason=str(error))
                await asyncio.sleep(1)

    async def _claim_all(self) -> None:
        while len(self._jobs) + self._reserved < self.places:
            time = clock()
            now = time.epoch()
            run = await self._server.do(ClaimRun(self.name, now, time.now(), now + LEASE_SECONDS))
            if run is None:
                return
            self._begin(run)

    async def _sleep(self) -> None:
        due = await self._server.do(NextDue(clock().epoch()))
        most = _ROUND_SECONDS if self._server.streams.runs else _LOOK_SECONDS
        wait = most if due is None else min(most, due - clock().epoch())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, wait)):
                await self._wake.wait()
        self._wake.clear()
        now = time.monotonic()
        if now >= self._next_round:
            self._next_round = now + _ROUND_SECONDS
            await self._go_round()

    async def _go_round(self) -> None:
        """Take up what dead workers left; tell those who wait here for runs that ended elsewhere."""
        await self._take_over()
        for run_id, stream in list(self._server.streams.runs.items()):
            if run_id not in self._jobs:
                await self._server.runs.settle_elsewhere(stream)

    # --- doing one ---

    def _begin(self, run: Run) -> None:
        job = self._jobs[run.run_id] = _Job(run)
        if run.attempt == 1:
            self._server.metrics.run_started(max(0.0, clock().epoch() - due_since(run)))
        stream = self._server.streams.open(run)
        thread = asyncio.create_task(self._work(job, stream), name=f"run {run.run_id}")
        self._threads.add(thread)
        thread.add_done_callback(self._threads.discard)

    async def _work(self, job: _Job, stream: RunStream) -> None:
        with bind(run_id=job.run.run_id, thread_id=job.run.thread_id):
            try:
                self._server.take_up(job.run)
                await self._do(job, stream)
            except LostLeaseError:
                log.warning("run lost", reason="another worker has it, or it was deleted")
                self._server.streams.close(job.run.run_id, _gone(job.run))
            except Exception:
                log.exception("run could not be ended")
                self._server.streams.close(job.run.run_id, _gone(job.run))
            finally:
                if self._jobs.get(job.run.run_id) is job:
                    del self._jobs[job.run.run_id]
                self._wake.set()

    async def _do(self, job: _Job, stream: RunStream) -> None:
        run, began = job.run, time.monotonic()
        with self._server.tracing.run(run) as span:
            if run.cancel is not None:
                job.stop = run.cancel
            else:
                await self._tell_waits(run)
                await self._execute(job, stream)
            job.trace = span.context
            ended = await self._settle(job, stream)
            if ended is not None:
                span.ended(ended.status, job.paused)
        seconds = round(time.monotonic() - began, 4)
        if ended is not None:
            log.info("run ended", status=ended.status, graph=run.graph_id, seconds=seconds)
            self._server.run_ended(ended, seconds)

    async def _tell_waits(self, run: Run) -> None:
        """The waits for people that ended with this run, as spans."""
        if not run.accepted or run.attempt > 1 or not self._server.tracing.active:
            return
        for row in await self._server.do(FindInterrupts(run.thread_id, status=None)):
            if row.id in run.accepted and row.answered_at is not None:
                self._server.tracing.waited(run, row.asked_at, row.answered_at, row.id)

    async def _execute(self, job: _Job, stream: RunStream) -> None:
        limit = self._server.run_seconds
        job.task = asyncio.create_task(execute(self._server, job.run, stream, job.control))
        done, _ = await asyncio.wait({job.task}, timeout=limit)
        if not done:
            job.end("timeout")
            await asyncio.wait({job.task})

    async def _settle(self, job: _Job, stream: RunStream) -> Run | None:
        """Store how the run ended, and tell those who wait. Returns the run, or None if it goes on."""
        if job.task is not None and not job.task.cancelled():
            error = job.task.exception()
            if error is None:
                return await self._ended(job, stream, job.task.result())
            if isinstance(error, GraphDrained):
                job.stop = job.stop or "shutdown"
            elif isinstance(error, LostLeaseError):
                raise error
            else:
                return await self._failed(job, stream, error)
        return await self._stopped(job, stream)

    async def _ended(self, job: _Job, stream: RunStream, ending: Ending) -> Run | None:
        waits = ending.kind == "paused" or await self._has_next(job.run, ending.kind)
        job.paused = waits
        status: ThreadStatus = "interrupted" if waits else "idle"
        return await self._finish(job, ending.result(), "success", status)

    async def _failed(self, job: _Job, stream: RunStream, error: BaseException) -> Run | None:
        run = job.run
        now: Run | None = await self._server.do(GetRun(run.run_id, run.thread_id))
        if now is None or (now.status, now.attempt) != ("running", run.attempt):
            raise LostLeaseError(run.run_id, run.attempt) from error
        told = error_of(error)
        log.warning("run failed", error=told["error"], exc_info=error)
        return await self._broken(job, stream, "error", told)

    async def _stopped(self, job: _Job, stream: RunStream) -> Run | None:
        run, why = job.run, job.stop
        if why == "lost":
            raise LostLeaseError(run.run_id, run.attempt)
        if why == "timeout":
            limit = self._server.run_seconds
            told = {"error": "TimeoutError", "message": f"The run took longer than {limit} s."}
            return await self._broken(job, stream, "timeout", told)
        if why == "interrupt" or why == "rollback":
            return await self._cancelled(job, why)
        self._server.streams.close(run.run_id, _gone(run))
        return None

    async def _broken(
        self, job: _Job, stream: RunStream, status: RunStatus, told: Json
    ) -> Run | None:
        await stream.publish("error", told)
        result = Result(status, encode({"__error__": told}), told)
        return await self._finish(job, result, status, "error", told, told)

    async def _cancelled(self, job: _Job, action: CancelAction) -> Run | None:
        """A run that was asked to stop: with ``rollback``, what it stored goes."""
        run = job.run
        rolls_back = action == "rollback"
        if rolls_back:
            await self._server.do(DeleteRuns(run.thread_id, [run.run_id]))
        told = _cancelled("UserRollback" if rolls_back else "UserInterrupt", run)
        state = await self._server.threads.snapshot(run.thread_id, run.graph_id)
        result = Result("interrupted", encode(None if state is None else state.values), told)
        standing = _standing(state)
        return await self._finish(
            job, result, "interrupted", standing, None, told, remove=rolls_back
        )

    async def _finish(
        self,
        job: _Job,
        result: Result,
        status: RunStatus,
        thread_status: ThreadStatus,
        error: Json | None = None,
        thread_error: Json | None = None,
        *,
        remove: bool = False,
    ) -> Run | None:
        run, now = job.run, clock().now()
        over = replace(run, status=status, error=error, ended_at=now, updated_at=now)
        operation = FinishRun(
            run, now, status, thread_status, error, thread_error,
            remove_run=remove, remove_thread=run.temporary, trace=job.trace,
            delivery=self._server.outbox.delivery(over, result),
        )  # fmt: skip
        ended: tuple[Run, Thread] | None = await self._store(operation)
        if ended is None:
            raise LostLeaseError(run.run_id, run.attempt)
        self._server.streams.close(run.run_id, result)
        return ended[0]

    async def _store(self, operation: FinishRun) -> Any:
        """Store how a run ended; while the database refuses, the run is kept and it is tried again."""
        wait = 0.05
        while True:
            try:
                return await self._server.do(operation)
            except StorageError as error:
                if self._closing:
                    raise
                log.error("the end of a run could not be stored; trying again", reason=str(error))
            await asyncio.sleep(wait)
            wait = min(wait * 2, 5.0)

    # --- how the thread stands ---

    async def _has_next(self, run: Run, kind: str) -> bool:
        if kind not in ("before", "after"):
            return False
        state = await self._server.threads.snapshot(run.thread_id, run.graph_id)
        return _standing(state) == "interrupted"

    # --- leases: called from the heart's thread ---

    def extend(self) -> None:
        """Extend all leases; runs that are to stop, or are no longer ours, are stopped."""
        held, until = dict(self._jobs), clock().epoch() + LEASE_SECONDS
        found = self._server.database.execute(ExtendLeases(self.name, until, list(held)))
        still = dict(found)
        for run_id, job in held.items():
            if run_id not in still:
                if self._lost(job.run):
                    self._heart.tell(job.end, "lost")
            elif still[run_id] is not None:
                self._heart.tell(job.end, still[run_id])

    def _lost(self, run: Run) -> bool:
        now: Run | None = self._server.database.execute(GetRun(run.run_id, run.thread_id))
        return now is None or (now.status == "running" and now.attempt != run.attempt)


def _standing(state: StateSnapshot | None) -> ThreadStatus:
    """``interrupted`` if something is still to run on the thread, else ``idle``."""
    return "interrupted" if state is not None and state.next else "idle"


def _cancelled(kind: str, run: Run) -> dict[str, str]:
    verb = "rollback" if kind == "UserRollback" else "interrupt"
    where = f"/threads/{run.thread_id}/runs/{run.run_id}/cancel"
    return {"error": kind, "message": f"{verb} requested via POST {where}"}


def _gone(run: Run) -> Result:
    told = {"error": "RunInterrupted", "message": f"Run {run.run_id} goes on elsewhere; join it."}
    return Result("running", encode({"__error__": told}), told)
