"""Starting, answering, cancelling and waiting for runs: every way in goes through `RunService`.

HTTP routes, the thread protocol, MCP, crons and the page all end here, so the rules stand once: what a
request means for a thread that is busy or waits for a person is decided in the transaction that accepts
the run (`caesura.records.operations.AcceptRun`), never before and never later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from caesura.checkpoint.operations import Load
from caesura.errors import UnknownThreadError
from caesura.execution.clock import clock
from caesura.interrupts.binding import check_past
from caesura.records.operations import (
    AcceptRun,
    AdvanceCron,
    Bound,
    CancelRuns,
    GetRun,
    GetThread,
    Outcome,
    RemoveRun,
)
from caesura.records.shapes import CancelAction, Cron, Run, Thread
from caesura.server import wire
from caesura.server.assistants import may_use, resolve
from caesura.server.auth import Anonymous, Caller, filter_matches
from caesura.server.drafting import Draft, Origin
from caesura.server.encoding import encode
from caesura.server.http.problems import Problem, not_found
from caesura.server.running.execute import Ending
from caesura.server.running.streams import Result, RunStream
from caesura.server.threads import graph_of

if TYPE_CHECKING:
    from caesura.server.services import Server

ENDED: Final = frozenset({"success", "error", "timeout", "interrupted"})


@dataclass(slots=True, frozen=True)
class Started:
    """An accepted run, and its stream (None if it ended before, for a repeated request)."""

    run: Run
    stream: RunStream | None
    withdrawn: tuple[str, ...] = ()

    @property
    def headers(self) -> dict[str, str]:
        """What every response to a request that started a run says of it."""
        path = f"/threads/{self.run.thread_id}/runs/{self.run.run_id}"
        headers = {"Content-Location": path}
        if self.withdrawn:
            headers["X-Withdrawn-Interrupts"] = ",".join(self.withdrawn)
        return headers


class RunService:
    """All that can be done with runs."""

    def __init__(self, server: Server) -> None:
        self._server = server

    # --- starting ------------------------------------------------------------------------------

    async def start(
        self,
        origin: Origin,
        thread_id: str | None,
        body: wire.RunBody,
        *,
        events: Sequence[str] = (),
        fires: AdvanceCron | None = None,
    ) -> Started:
        """Accept a run on a thread, or (None) on one made for it.

        ``events``: stream modes beyond those asked for. ``fires``: the cron's date that it is for.
        Raises a `Problem`, a record error or a `ResumeError`; nothing is stored then.
        """
        server = self._server
        assistant = await resolve(server, body.assistant_id)
        if not await may_use(server, origin.caller, assistant):
            raise not_found("Thread or assistant not found.")
        self._refuse_broken(assistant.graph_id)
        if body.webhook is not None:
            server.check_webhook(body.webhook)
        thread = None
        if thread_id is not None:
            thread = await server.do(GetThread(thread_id))
        draft = Draft(server, origin, assistant, thread, thread_id, body, events)
        value = draft.value()
        filters = await server.authoriser.authorise(origin.caller, "threads", "create_run", value)
        if thread is not None and not filter_matches(thread.metadata, filters):
            draft.thread = None
        if draft.thread is None and draft.new_thread() is None:
            raise not_found(f"Thread with ID {thread_id} not found")
        draft.take_edits(value)
        operation = await self._operation(draft, filters)
        operation.fires = fires
        return await self._accept(operation)

    async def answer(
        self,
        origin: Origin,
        thread_id: str,
        answers: Mapping[str, Any],
        *,
        decision: str | None = None,
        reason: str | None = None,
    ) -> Started:
        """Accept answers, by interrupt id, with the run that carries them into the program.

        ``decision`` and ``reason`` go into the run's metadata, as what people said beside the answer.
        """
        thread: Thread | None = await self._server.do(GetThread(thread_id))
        if thread is None:
            raise not_found(f"Thread with ID {thread_id} not found")
        name = thread.metadata.get("assistant_id") or graph_of(thread)
        command = wire.CommandBody(resume=dict(answers))
        said = {"answer_decision": decision, "answer_reason": reason}
        metadata = {k: v for k, v in said.items() if v} or None
        body = wire.RunCreate(assistant_id=str(name), command=command, metadata=metadata)
        return await self.start(origin, thread_id, body)

    async def start_for_cron(self, cron: Cron, fires: AdvanceCron) -> Run:
        """Start the run of a cron, on its thread or on a new one, for the person who made it.

        In the same transaction its date is advanced. Raises `AlreadyFiredError` if it was before.
        """
        payload = dict(cron.payload)
        fields = {k: v for k, v in payload.items() if k in _CRON_FIELDS and v is not None}
        fields["metadata"] = {**dict(cron.metadata), **(fields.get("metadata") or {})}
        caller = Anonymous().caller() if cron.owner is None else Caller.from_stored(cron.owner)
        origin = Origin(caller)
        if cron.thread_id is not None:
            body: wire.RunBody = wire.RunCreate(
                **fields, multitask_strategy=payload.get("multitask_strategy")
            )
        else:
            completion = cron.on_run_completed or "delete"
            body = wire.RunCreateStateless(**fields, on_completion=completion)
        return (await self.start(origin, cron.thread_id, body, fires=fires)).run

    async def _operation(self, draft: Draft, filters: Mapping[str, Any]) -> AcceptRun:
        run, time = draft.run(), clock()
        operation = AcceptRun(
            run=run,
            at=run.created_at,
            now=time.epoch(),
            new_thread=draft.new_thread(),
            thread_metadata=draft.thread_metadata(),
            thread_config=draft.thread_config(),
            idempotency=draft.idempotency(),
            filters=filters,
        )
        if draft.resumes:
            await self._bind(draft, operation)
        elif draft.starts_anew and not run.not_before and draft.thread is not None:
            by = f", by {run.actor}" if run.actor else ""
            operation.withdraw = f"new input (run {run.run_id}{by})"
            operation.refuse_waiting = self._server.settings.waiting_thread == "refuse"
        return operation

    async def _bind(self, draft: Draft, operation: AcceptRun) -> None:
        """The answers of a resume are bound and accepted with the run; a fork binds its own."""
        if draft.thread is None:
            raise UnknownThreadError("A resume was handed in for a thread that does not exist.")
        checkpoint_id = draft.where.get("checkpoint_id")
        if checkpoint_id is None or not await self._is_past(draft, checkpoint_id):
            operation.bind = Bound(draft.resume, draft.actor)

    async def _is_past(self, draft: Draft, checkpoint_id: str) -> bool:
        """True for a checkpoint that is not the newest. Raises if the resume cannot be bound there."""
        found = await self._server.do(Load(draft.run_thread, "", checkpoint_id))
        if found is None:
            raise not_found(f"Checkpoint {checkpoint_id} not found")
        if found.checkpoint_id == found.head_id:
            return False
        rows = [row for row in found.rows if row.checkpoint_id == checkpoint_id]
        lenient = self._server.graphs.lenient(draft.assistant.graph_id)
        check_past(draft.resume, rows, lenient=lenient)
        return True

    async def _accept(self, operation: AcceptRun) -> Started:
        server, dispatcher = self._server, self._server.dispatcher
        place = None if operation.run.not_before else dispatcher.reserve()
        operation.claim_for = place
        try:
            outcome: Outcome = await server.do(operation)
        except BaseException:
            if place is not None:
                dispatcher.release()
            raise
        if outcome.repeated:
            if place is not None:
                dispatcher.release()
            return await self._repeated(outcome.run)
        stream = server.streams.open(outcome.run)
        dispatcher.accepted(outcome.run, started=outcome.started, reserved=place is not None)
        if outcome.withdrawn or outcome.run.accepted:
            server.streams.changed_interrupts.set()
        await self._stop(outcome.stopped)
        return Started(outcome.run, stream, outcome.withdrawn)

    async def _repeated(self, run: Run) -> Started:
        now: Run | None = await self._server.do(GetRun(run.run_id, run.thread_id))
        if now is None or now.status in ENDED:
            return Started(now or run, None)
        return Started(now, await self.attach(now.thread_id, now.run_id))

    def _refuse_broken(self, graph_id: str) -> None:
        broken = self._server.graphs.broken.get(graph_id)
        if broken is not None:
            raise Problem(
                422, f"Graph {graph_id!r} could not be loaded: {broken}", code="broken_graph"
            )

    # --- waiting -------------------------------------------------------------------------------

    async def attach(self, thread_id: str | None, run_id: str) -> RunStream | None:
        """The stream of a run that has not ended; None if it has. Raises 404 if there is no such run."""
        run: Run | None = await self._server.do(GetRun(run_id, thread_id))
        if run is None:
            raise not_found("Run not found")
        if run.status in ENDED:
            return None
        stream = self._server.streams.open(run)
        now: Run | None = await self._server.do(GetRun(run_id, thread_id))
        if stream.result is None and (now is None or now.status in ENDED):
            self._server.streams.close(run_id, await self.result_of(now or run))
            return None
        self._server.dispatcher.look_at(run)
        return stream

    async def settle_elsewhere(self, stream: RunStream) -> None:
        """Pass on what another process did of a run that somebody here waits for."""
        run: Run | None = await self._server.do(GetRun(stream.run_id, stream.thread_id))
        await stream.follow_stored()
        if run is None:
            told = {"error": "RunDeleted", "message": f"Run {stream.run_id} was deleted"}
            result = Result("interrupted", encode({"__error__": told}), told)
            self._server.streams.close(stream.run_id, result)
        elif run.status in ENDED:
            result = await self.result_of(run)
            stream.show_end(result, run.kwargs["stream_mode"])
            self._server.streams.close(run.run_id, result)

    async def result_of(self, run: Run) -> Result:
        """What those who wait for a run that has ended are told: its error, or the thread's values."""
        if run.error is not None:
            return Result(run.status, encode({"__error__": dict(run.error)}), run.error)
        state = await self._server.threads.snapshot(run.thread_id, run.graph_id)
        if state is None:
            return Result(run.status, encode(None))
        waiting = state.interrupts if run.status == "success" else ()
        return Ending("done", state.values, waiting).result(run.status)

    # --- stopping ------------------------------------------------------------------------------

    async def cancel(
        self,
        *,
        action: CancelAction,
        thread_id: str | None = None,
        run_ids: Sequence[str] | None = None,
        status: Any = "all",
    ) -> list[Run]:
        """Ask runs to stop; returns those that had not ended."""
        operation = CancelRuns(clock().now(), action, thread_id, run_ids, status)
        stopped: list[Run] = await self._server.do(operation)
        await self._stop(stopped)
        return stopped

    async def remove(self, thread_id: str, run_id: str) -> bool:
        """Delete a run, stopping it where it goes on; False if there is none."""
        run: Run | None = await self._server.do(RemoveRun(thread_id, run_id))
        if run is None:
            return False
        self._server.dispatcher.stop([run])
        self._server.streams.close(run_id, await self.result_of(run))
        return True

    async def _stop(self, runs: Sequence[Run]) -> None:
        """Tell the worker of runs that go on; those that had not begun have ended already."""
        self._server.dispatcher.stop([run for run in runs if run.status == "running"])
        for run in runs:
            if run.status != "running":
                self._server.streams.close(run.run_id, await self.result_of(run))


_CRON_FIELDS: Final = frozenset(
    {
        "assistant_id", "input", "config", "context", "webhook", "interrupt_before", "metadata",
        "interrupt_after", "stream_mode", "stream_subgraphs", "stream_resumable", "durability",
        "checkpoint_during",
    }
)  # fmt: skip
