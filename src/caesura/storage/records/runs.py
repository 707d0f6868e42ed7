"""Runs: accepted, claimed, fenced, ended, stopped.

`accept` is where a request meets its thread: everything that it means for runs in flight, for what waits
for a person and for the thread is decided and stored in this one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from caesura.checkpoint.operations import Accept, Answer, InterruptRow
from caesura.checkpoint.rows import Codec
from caesura.interrupts.binding import bind
from caesura.records.errors import (
    AlreadyFiredError,
    IdempotencyError,
    LostLeaseError,
    ThreadBusyError,
    ThreadWaitingError,
    UnknownRecordError,
)
from caesura.records.operations import (
    AcceptRun,
    CancelRuns,
    ClaimRun,
    CountRuns,
    CreateThread,
    ExtendLeases,
    Fenced,
    FindLeases,
    FindRuns,
    FinishRun,
    GetRun,
    NextDue,
    Outcome,
    ReleaseRuns,
    RemoveRun,
)
from caesura.records.rules import at_rest, due_since, expiry, thread_status
from caesura.records.shapes import Run, Thread
from caesura.storage import checkpoints
from caesura.storage.checkpoints import answering
from caesura.storage.checkpoints.tables import unseal, within
from caesura.storage.dialect import Dialect
from caesura.storage.records import crons, threads
from caesura.storage.records.filters import Conditions
from caesura.storage.records.tables import DELIVERIES, RUNS, from_json, to_json
from caesura.storage.statements import Begin, Statements

GET: Final = f"{RUNS.select} WHERE thread_id = ? AND run_id = ?"
GET_ALONE: Final = f"{RUNS.select} WHERE run_id = ?"
DELETE: Final = "DELETE FROM runs WHERE thread_id = ? AND run_id = ?"
DELETE_EVENTS: Final = "DELETE FROM run_events WHERE thread_id = ? AND run_id = ?"
HEAD: Final = """
SELECT max(checkpoint_id) FROM thread_checkpoints WHERE thread_id = ? AND ns = ''"""
HOLDS: Final = """
SELECT 1 FROM runs WHERE thread_id = ? AND run_id = ? AND status = 'running' AND attempt = ?"""
KEYED: Final = """
SELECT digest, thread_id, run_id, run FROM idempotency_keys WHERE scope = ? AND key = ?"""
KEEP_KEY: Final = """
INSERT INTO idempotency_keys (scope, key, digest, thread_id, run_id, run, at)
VALUES (?, ?, ?, ?, ?, ?, ?)"""
RUNS_IN_FLIGHT: Final = f"""
{RUNS.select} WHERE thread_id = ? AND {threads.FLYING} ORDER BY created_at, run_id"""
_FREE: Final = """
AND NOT EXISTS (SELECT 1 FROM runs AS r WHERE r.thread_id = runs.thread_id AND r.status = 'running')"""
_CANDIDATES: Final = 8
"""So many threads a worker tries before it gives way to those who were faster."""
DUE_AT_ONCE: Final = f"""
{RUNS.select} WHERE status = 'pending' AND not_before = 0 {_FREE}
ORDER BY created_at, run_id LIMIT {_CANDIDATES}"""
DUE_LATER: Final = f"""
{RUNS.select} WHERE status = 'pending' AND not_before > 0 AND not_before <= ? {_FREE}
ORDER BY not_before, created_at, run_id LIMIT {_CANDIDATES}"""
NEXT_DUE: Final = """
SELECT min(not_before) FROM runs WHERE status = 'pending' AND not_before > ?"""
HELD: Final = """
SELECT run_id, cancel FROM runs WHERE status = 'running' AND worker = ?"""
LEASES: Final = """
SELECT DISTINCT worker, lease_until FROM runs WHERE status = 'running' AND worker IS NOT NULL"""
COUNT: Final = f"""
SELECT status, count(*), min(created_at) FROM runs WHERE {threads.FLYING}
GROUP BY status"""


# --- accepting -----------------------------------------------------------------------------------


def accept(dialect: Dialect, codec: Codec, op: AcceptRun) -> Statements:
    """`AcceptRun`."""
    for answer in op.answers:
        codec.encode(answer.value)
    if op.bind is not None:
        codec.encode(op.bind.resume)
    thread_id = op.run.thread_id
    yield Begin(True, thread_id, "now" if op.answers or op.bind is not None else "usual")
    if op.idempotency is not None:
        repeated = yield from _repeated(dialect, op)
        if repeated is not None:
            return repeated
    if op.fires is not None and not (yield from crons.advance_within(op.fires)):
        raise AlreadyFiredError(op.fires.cron_id, op.fires.expected)
    thread = yield from _thread(dialect, op)
    in_flight = RUNS.read_all((yield RUNS_IN_FLIGHT, (thread_id,)))
    if in_flight and op.run.multitask_strategy == "reject":
        raise ThreadBusyError(thread_id)
    rows = yield from _open_rows(codec, op)
    if op.refuse_waiting and rows:
        raise ThreadWaitingError(thread_id, rows)
    stopped = yield from _stop(op, in_flight)
    accepted = yield from _answers(dialect, codec, op, rows)
    withdrawn: tuple[str, ...] = ()
    if op.withdraw is not None and rows:
        scope = within("")
        reason = codec.seal_text(op.withdraw)
        yield answering.WITHDRAW_WITHIN, (reason, op.at, thread_id, *scope)
        withdrawn = tuple(row.id for row in rows)
    run = replace(op.run, accepted=accepted)
    left = [
        r for r in in_flight if r.run_id not in {s.run_id for s in stopped if s.status != "running"}
    ]
    started = op.claim_for is not None and not left and run.not_before <= op.now
    if started and op.claim_for is not None:
        run = yield from _claimed(run, *op.claim_for, op.at)
    yield RUNS.insert, RUNS.row(run)
    thread = yield from _note_run(op, thread, run, withdrawn)
    if op.idempotency is not None:
        scope_key, key, digest = op.idempotency
        kept = (scope_key, key, digest, thread_id, run.run_id, to_json(RUNS.row(run)), op.now)
        yield KEEP_KEY, kept
    return Outcome(run, thread, started, withdrawn, tuple(stopped))


def _repeated(dialect: Dialect, op: AcceptRun) -> Statements:
    assert op.idempotency is not None
    scope, key, digest = op.idempotency
    found = yield KEYED, (scope, key)
    if not found:
        return None
    known, thread_id, run_id, text = found[0]
    if known != digest:
        raise IdempotencyError(key)
    runs = RUNS.read_all((yield GET, (thread_id, run_id)))
    run = runs[0] if runs else RUNS.read(from_json(text))
    thread = yield from threads.read(dialect, thread_id, {})
    if thread is None:
        thread = Thread(thread_id, run.created_at, run.created_at, run.created_at)
    return Outcome(run, thread, started=False, repeated=True)


def _thread(dialect: Dialect, op: AcceptRun) -> Statements:
    thread = yield from threads.read(dialect, op.run.thread_id, op.filters)
    if thread is not None:
        return thread
    if op.new_thread is None:
        raise UnknownRecordError("thread", op.run.thread_id)
    return (yield from threads.create_within(dialect, CreateThread(op.new_thread)))


def _open_rows(codec: Codec, op: AcceptRun) -> Statements:
    """What waits on the thread, where that matters."""
    if op.bind is None and op.withdraw is None and not op.refuse_waiting:
        return []
    found = yield answering.OPEN_OF_THREAD, (op.run.thread_id,)
    return unseal(codec, found)


def _answers(
    dialect: Dialect, codec: Codec, op: AcceptRun, rows: Sequence[InterruptRow]
) -> Statements:
    """Accept the answers that come with the run; returns their interrupts."""
    answers: list[Answer] = list(op.answers)
    if op.bind is not None:
        bound = bind(op.bind.resume, rows, lenient=False)
        answers = [answer._replace(actor=op.bind.actor) for answer in bound]
    if not answers:
        return ()
    operation = Accept(op.run.thread_id, answers, op.at)
    made = yield from threads.inner(answering.accept(dialect, codec, operation))
    return tuple(row.id for row in made)


def _stop(op: AcceptRun, in_flight: Sequence[Run]) -> Statements:
    """What the strategy means for the runs in flight; returns those it concerns, as they are now."""
    action = op.run.multitask_strategy
    if action not in ("interrupt", "rollback"):
        return []
    stopped = []
    for run in in_flight:
        stopped.append((yield from _stop_one(run, action, op.at)))
    return stopped


def _stop_one(run: Run, action: Any, at: str) -> Statements:
    if run.status == "running":
        # A run that is to be undone stays so: its checkpoints are not wanted by somebody.
        asked = replace(run, cancel="rollback" if run.cancel == "rollback" else action)
        yield from _change(asked, cancel=asked.cancel)
        return asked
    if action == "rollback":
        yield DELETE, (run.thread_id, run.run_id)
        yield DELETE_EVENTS, (run.thread_id, run.run_id)
    else:
        yield from _change(run, status="interrupted", updated_at=at, ended_at=at)
    return replace(run, status="interrupted", updated_at=at, ended_at=at)


def _change(run: Run, **columns: Any) -> Statements:
    text, values = RUNS.setting(columns)
    sql = f"UPDATE runs SET {text} WHERE thread_id = ? AND run_id = ?"
    yield sql, [*values, run.thread_id, run.run_id]


def _claimed(run: Run, worker: str, lease_until: float, at: str) -> Statements:
    head = run.start_checkpoint
    if run.attempt == 0:
        found = yield HEAD, (run.thread_id,)
        head = found[0][0]
    return replace(
        run,
        status="running",
        attempt=run.attempt + 1,
        worker=worker,
        lease_until=lease_until,
        started_at=run.started_at or at,
        updated_at=at if run.attempt else run.updated_at,
        start_checkpoint=head,
    )


def _note_run(op: AcceptRun, thread: Thread, run: Run, withdrawn: Sequence[str]) -> Statements:
    changes: dict[str, Any] = {"status": "busy", "updated_at": op.at}
    if withdrawn:
        changes["resting"] = "idle"
    metadata = {**thread.metadata, **op.thread_metadata}
    if metadata != thread.metadata:
        changes["metadata"] = metadata
    if op.thread_config is not None and op.thread_config != thread.config:
        changes["config"] = op.thread_config
    if not thread.touched:
        changes["touched"] = True
    if run.trace is not None and thread.trace is None:
        changes["trace"] = run.trace
    if thread.ttl is not None:
        changes["expires_at"] = expiry(thread.ttl, op.at)
    return (yield from threads.write(thread, **changes))


# --- reading -------------------------------------------------------------------------------------


def get(dialect: Dialect, codec: Codec, op: GetRun) -> Statements:
    """`GetRun`."""
    found = yield from _find(op.run_id, op.thread_id)
    return found


def _find(run_id: str, thread_id: str | None) -> Statements:
    if thread_id is None:
        rows = yield GET_ALONE, (run_id,)
    else:
        rows = yield GET, (thread_id, run_id)
    return RUNS.read(rows[0]) if rows else None


_FLYING: Final = frozenset({"pending", "running"})


def find(dialect: Dialect, codec: Codec, op: FindRuns) -> Statements:
    """`FindRuns`."""
    conditions = Conditions(dialect)
    conditions.equal(thread_id=op.thread_id)
    conditions.among("status", list(op.statuses) or None)
    if op.statuses and set(op.statuses) <= _FLYING:
        conditions.add(threads.FLYING)  # as a constant, so that the partial index serves
    conditions.among("run_id", op.run_ids)
    limit = 2**62 if op.limit is None else op.limit
    sql = f"{RUNS.select}{conditions.where} ORDER BY run_id DESC LIMIT ? OFFSET ?"
    return RUNS.read_all((yield sql, [*conditions.values, limit, op.offset]))


def count(dialect: Dialect, codec: Codec, op: CountRuns) -> Statements:
    """`CountRuns`."""
    found = {status: (number, oldest) for status, number, oldest in (yield COUNT, ())}
    pending = found.get("pending", (0, None))
    running = found.get("running", (0, None))
    return {"pending": pending[0], "running": running[0], "oldest_pending": pending[1]}


# --- doing ---------------------------------------------------------------------------------------


def claim(dialect: Dialect, codec: Codec, op: ClaimRun) -> Statements:
    """`ClaimRun`: looks without a lock, then takes the thread's and looks again, thread by thread."""
    if op.thread_id is None:
        found = (yield DUE_AT_ONCE, ()), (yield DUE_LATER, (op.now,))
        due = sorted((run for rows in found for run in RUNS.read_all(rows)), key=due_since)
        places = [run.thread_id for run in due]
    else:
        places = [op.thread_id]
    for thread_id in places:
        yield Begin(True, thread_id)
        in_flight = RUNS.read_all((yield RUNS_IN_FLIGHT, (thread_id,)))
        if any(run.status == "running" for run in in_flight):
            continue
        due = [run for run in in_flight if run.not_before <= op.now]
        if due:
            return (yield from _claim(min(due, key=due_since), op))
    return None


def _claim(chosen: Run, op: ClaimRun) -> Statements:
    run = yield from _claimed(chosen, op.worker, op.lease_until, op.at)
    yield from _change(
        run,
        status="running",
        attempt=run.attempt,
        worker=run.worker,
        lease_until=run.lease_until,
        started_at=run.started_at,
        updated_at=op.at,
        start_checkpoint=run.start_checkpoint,
    )
    return replace(run, updated_at=op.at)


def next_due(dialect: Dialect, codec: Codec, op: NextDue) -> Statements:
    """`NextDue`."""
    found = yield NEXT_DUE, (op.now,)
    return found[0][0]


def extend(dialect: Dialect, codec: Codec, op: ExtendLeases) -> Statements:
    """`ExtendLeases`."""
    yield Begin(True)
    conditions = Conditions(dialect)
    conditions.add("status = 'running'")
    conditions.equal(worker=op.worker)
    conditions.among("run_id", op.run_ids)
    sql = f"UPDATE runs SET lease_until = ?{conditions.where}"
    yield sql, [op.lease_until, *conditions.values]
    ours = set(op.run_ids)
    return [(r, cancel) for r, cancel in (yield HELD, (op.worker,)) if r in ours]


def release(dialect: Dialect, codec: Codec, op: ReleaseRuns) -> Statements:
    """`ReleaseRuns`."""
    conditions = Conditions(dialect)
    conditions.add("status = 'running'")
    conditions.among("worker", list(op.workers))
    conditions.equal(lease_until=op.leased_until)
    if not (yield f"SELECT 1 FROM runs{conditions.where} LIMIT 1", conditions.values):
        return []
    sql = f"UPDATE runs SET status = 'pending', worker = NULL, lease_until = 0{conditions.where}"
    found = yield f"{sql} RETURNING run_id", conditions.values
    return [run_id for (run_id,) in found]


def leases(dialect: Dialect, codec: Codec, op: FindLeases) -> Statements:
    """`FindLeases`."""
    return [(worker, until) for worker, until in (yield LEASES, ())]


def finish(dialect: Dialect, codec: Codec, op: FinishRun) -> Statements:
    """`FinishRun`."""
    thread_id = op.run.thread_id
    yield Begin(True, thread_id)
    run = yield from _find(op.run.run_id, thread_id)
    if run is None or (run.status, run.attempt) != ("running", op.run.attempt):
        return None
    ended = replace(
        run, status=op.status, error=op.error, ended_at=op.at, updated_at=op.at, worker=None,
        lease_until=0.0,
    )  # fmt: skip
    if op.delivery is not None:
        yield DELIVERIES.insert, DELIVERIES.row(op.delivery)
    if op.remove_run:
        yield DELETE, (thread_id, run.run_id)
        yield DELETE_EVENTS, (thread_id, run.run_id)
    else:
        yield from _change(
            run, status=op.status, error=op.error, ended_at=op.at, updated_at=op.at, worker=None,
            lease_until=0.0,
        )  # fmt: skip
    thread = yield from threads.read(dialect, thread_id, {})
    if thread is None:
        return ended, Thread(thread_id, op.at, op.at, op.at)
    if op.remove_thread:
        yield from threads.remove_within(dialect, codec, thread_id)
        return ended, replace(thread, status=op.thread_status, error=op.thread_error)
    in_flight = yield threads.IN_FLIGHT, (thread_id,)
    changes: dict[str, Any] = {
        "status": thread_status(bool(in_flight), op.thread_status),
        "resting": op.thread_status,
        "error": op.thread_error,
        "touched": True,
        "updated_at": op.at,
        "state_updated_at": op.at,
    }
    if thread.ttl is not None:
        changes["expires_at"] = expiry(thread.ttl, op.at)
    if op.trace is not None:
        changes["trace"] = op.trace
    return ended, (yield from threads.write(thread, **changes))


def cancel(dialect: Dialect, codec: Codec, op: CancelRuns) -> Statements:
    """`CancelRuns`: a transaction for each thread."""
    conditions = Conditions(dialect)
    conditions.add(threads.FLYING)
    conditions.equal(status=None if op.status == "all" else op.status)
    conditions.among("run_id", op.run_ids)
    places = [op.thread_id]
    if op.thread_id is None:
        sql = f"SELECT DISTINCT thread_id FROM runs{conditions.where}"
        places = [thread_id for (thread_id,) in (yield sql, conditions.values)]
    sql = f"{RUNS.select}{conditions.where} AND thread_id = ? ORDER BY created_at, run_id"
    stopped: list[Run] = []
    for thread_id in places:
        yield Begin(True, thread_id)
        for run in RUNS.read_all((yield sql, [*conditions.values, thread_id])):
            stopped.append((yield from _stop_one(run, op.action, op.at)))
            if run.status == "pending":
                yield from _settle_thread(dialect, codec, run, op.at)
    return sorted(stopped, key=lambda run: (run.created_at, run.run_id))


def _settle_thread(dialect: Dialect, codec: Codec, run: Run, at: str) -> Statements:
    """A run in flight is gone, and no worker will end it: how its thread stands now, if it stays."""
    thread_id = run.thread_id
    thread = yield from threads.read(dialect, thread_id, {})
    if thread is None:
        return
    if run.temporary:
        yield from threads.remove_within(dialect, codec, thread_id)
        return
    in_flight = yield threads.IN_FLIGHT, (thread_id,)
    waits = yield threads.WAITS, (thread_id,)
    status = thread_status(bool(in_flight), at_rest(bool(waits), thread.resting))
    yield from threads.write(thread, status=status, updated_at=at)


def remove(dialect: Dialect, codec: Codec, op: RemoveRun) -> Statements:
    """`RemoveRun`."""
    yield Begin(True, op.thread_id)
    run = yield from _find(op.run_id, op.thread_id)
    if run is None:
        return None
    yield DELETE, (op.thread_id, op.run_id)
    yield DELETE_EVENTS, (op.thread_id, op.run_id)
    if run.status in ("pending", "running"):
        yield from _settle_thread(dialect, codec, run, run.updated_at)
    return run


def fenced(dialect: Dialect, codec: Codec, op: Fenced) -> Statements:
    """`Fenced`: the wrapped operation, in a transaction that checks the run first."""
    operation = op.operation
    inner = checkpoints.PERFORM[type(operation)](dialect, codec, operation)
    first = next(inner, None)  # all encoding is done before the transaction
    sync = first.sync if isinstance(first, Begin) else "usual"
    yield Begin(True, operation.thread_id, sync)
    if not (yield HOLDS, (operation.thread_id, op.run_id, op.attempt)):
        raise LostLeaseError(op.run_id, op.attempt)
    return None if first is None else (yield from threads.inner(inner, first, last=True))


PERFORM: Final = {
    AcceptRun: accept,
    GetRun: get,
    FindRuns: find,
    CountRuns: count,
    ClaimRun: claim,
    NextDue: next_due,
    ExtendLeases: extend,
    ReleaseRuns: release,
    FindLeases: leases,
    FinishRun: finish,
    CancelRuns: cancel,
    RemoveRun: remove,
    Fenced: fenced,
}
