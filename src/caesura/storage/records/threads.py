"""Threads: made, found, changed, removed, copied."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from caesura.checkpoint.operations import CopyThread, DeleteThread
from caesura.checkpoint.rows import Codec
from caesura.records.errors import AlreadyExistsError
from caesura.records.operations import (
    CountThreads,
    CreateThread,
    DuplicateThread,
    Filters,
    FindExpired,
    FindThreads,
    GetThread,
    MeasureThread,
    NoteState,
    RemoveThread,
    UpdateThread,
)
from caesura.records.rules import expiry, thread_status
from caesura.records.shapes import Thread, ThreadStatus
from caesura.storage.checkpoints.upkeep import copy_thread, delete_thread
from caesura.storage.dialect import Dialect
from caesura.storage.records.filters import Conditions
from caesura.storage.records.pages import page_of
from caesura.storage.records.tables import THREADS, to_json
from caesura.storage.statements import (
    READ,
    Begin,
    Statement,
    Statements,
    Together,
)

GET: Final = f"{THREADS.select} WHERE thread_id = ?"
LIVE: Final = "(status = 'open' OR (status = 'answered' AND done = 0))"
FLYING: Final = "status IN ('pending', 'running')"
"""Word for word as in the partial index of runs in flight, so that it serves."""
IN_FLIGHT: Final = f"""
SELECT run_id, status FROM runs WHERE thread_id = ? AND {FLYING} ORDER BY created_at, run_id"""
WAITS: Final = f"SELECT 1 FROM thread_interrupts WHERE thread_id = ? AND {LIVE} LIMIT 1"
REMOVE: Final = (
    "DELETE FROM threads WHERE thread_id = ?",
    "DELETE FROM runs WHERE thread_id = ?",
    "DELETE FROM run_events WHERE thread_id = ?",
    "DELETE FROM event_counts WHERE thread_id = ?",
    "DELETE FROM crons WHERE thread_id = ?",
)


def inner(
    statements: Statements,
    first: Statement | Together | Begin | None = None,
    *,
    last: bool = False,
) -> Statements:
    """An operation within a transaction that is open already; ``first``: what it has asked for.

    Only if it is the ``last`` in that transaction, it may end it.
    """
    statement, answer = first, None
    while True:
        if isinstance(statement, Together) and not last:
            statement = statement._replace(ends=False)
        if statement is not None:
            answer = None if type(statement) is Begin else (yield statement)
        try:
            statement = statements.send(answer)
        except StopIteration as done:
            return done.value


def read(dialect: Dialect, thread_id: str, filters: Filters) -> Statements:
    """The thread, if it is there and may be seen; else None."""
    if not filters:
        found = yield GET, (thread_id,)
    else:
        conditions = Conditions(dialect)
        conditions.equal(thread_id=thread_id)
        conditions.may_see("metadata", filters)
        found = yield THREADS.select + conditions.where, conditions.values
    return THREADS.read(found[0]) if found else None


def write(thread: Thread, **changes: Any) -> Statements:
    """Store changes of a thread; returns it as it is then."""
    after = replace(thread, **changes)
    columns = {name: getattr(after, name) for name in changes if name != "ttl"}
    text, values = THREADS.setting(columns)
    if "ttl" in changes:
        ttl = after.ttl
        text += ", ttl = ?"
        values.append(None if ttl is None else to_json([ttl.minutes, ttl.strategy]))
    yield f"UPDATE threads SET {text} WHERE thread_id = ?", [*values, thread.thread_id]
    return after


def create(dialect: Dialect, codec: Codec, op: CreateThread) -> Statements:
    """`CreateThread`."""
    yield Begin(True, op.thread.thread_id)
    return (yield from create_within(dialect, op))


def create_within(dialect: Dialect, op: CreateThread) -> Statements:
    """`CreateThread` in a transaction that is open."""
    thread = replace(op.thread, expires_at=expiry(op.thread.ttl, op.thread.updated_at))
    stored = yield THREADS.insert + " ON CONFLICT (thread_id) DO NOTHING", THREADS.row(thread)
    if stored == 1:
        return thread
    found = (
        (yield from read(dialect, thread.thread_id, op.filters))
        if op.if_exists != "raise"
        else None
    )
    if found is None:
        raise AlreadyExistsError("thread", thread.thread_id)
    return found


def get(dialect: Dialect, codec: Codec, op: GetThread) -> Statements:
    """`GetThread`."""
    return (yield from read(dialect, op.thread_id, op.filters))


def update(dialect: Dialect, codec: Codec, op: UpdateThread) -> Statements:
    """`UpdateThread`."""
    yield Begin(True, op.thread_id)
    thread = yield from read(dialect, op.thread_id, op.filters)
    if thread is None:
        return None
    ttl = thread.ttl if op.ttl is None else op.ttl
    metadata = {**thread.metadata, **(op.metadata or {})}
    return (
        yield from write(
            thread, metadata=metadata, ttl=ttl, expires_at=expiry(ttl, op.at), updated_at=op.at
        )
    )


def note_state(dialect: Dialect, codec: Codec, op: NoteState) -> Statements:
    """`NoteState`."""
    yield Begin(True, op.thread_id)
    thread = yield from read(dialect, op.thread_id, {})
    if thread is None:
        return None
    in_flight = yield IN_FLIGHT, (op.thread_id,)
    return (
        yield from write(
            thread,
            status=thread_status(bool(in_flight), op.status),
            resting=op.status,
            metadata={**thread.metadata, **(op.metadata or {})},
            touched=True,
            updated_at=op.at,
            state_updated_at=op.at,
            expires_at=expiry(thread.ttl, op.at),
        )
    )


def _conditions(dialect: Dialect, op: FindThreads | CountThreads) -> Conditions:
    conditions = Conditions(dialect)
    conditions.equal(status=op.status)
    conditions.holds("metadata", op.metadata)
    conditions.may_see("metadata", op.filters)
    return conditions


def find(dialect: Dialect, codec: Codec, op: FindThreads) -> Statements:
    """`FindThreads`."""
    conditions = _conditions(dialect, op)
    conditions.among("thread_id", op.ids)
    order = THREADS.order(op.sort_by, op.order, "thread_id")
    return (yield from page_of(THREADS, conditions, order, op.limit, op.offset))


def count(dialect: Dialect, codec: Codec, op: CountThreads) -> Statements:
    """`CountThreads`."""
    conditions = _conditions(dialect, op)
    found = yield f"SELECT count(*) FROM threads{conditions.where}", conditions.values
    return found[0][0]


def remove(dialect: Dialect, codec: Codec, op: RemoveThread) -> Statements:
    """`RemoveThread`."""
    yield Begin(True, op.thread_id)
    if (yield from read(dialect, op.thread_id, op.filters)) is None:
        return None
    expired = op.expired_at is None or (yield IS_EXPIRED, (op.thread_id, op.expired_at))
    if not expired:
        return None
    return (yield from remove_within(dialect, codec, op.thread_id))


def remove_within(dialect: Dialect, codec: Codec, thread_id: str) -> Statements:
    """Delete all of a thread, in a transaction that is open; returns its runs in flight."""
    in_flight = yield IN_FLIGHT, (thread_id,)
    for sql in REMOVE:
        yield sql, (thread_id,)
    yield from inner(delete_thread(dialect, codec, DeleteThread(thread_id)))
    return [run_id for run_id, _ in in_flight]


def duplicate(dialect: Dialect, codec: Codec, op: DuplicateThread) -> Statements:
    """`DuplicateThread`."""
    yield Begin(True, op.target_id, beside=op.source_id)
    source = yield from read(dialect, op.source_id, op.filters)
    if source is None:
        return None
    if (yield from read(dialect, op.target_id, {})) is not None:
        raise AlreadyExistsError("thread", op.target_id)
    yield from inner(copy_thread(dialect, codec, CopyThread(op.source_id, op.target_id)))
    waits = yield WAITS, (op.target_id,)
    status: ThreadStatus = "interrupted" if waits else "idle"
    copy = replace(
        source,
        thread_id=op.target_id,
        created_at=op.at,
        updated_at=op.at,
        state_updated_at=op.at,
        metadata={**source.metadata, **(op.metadata or {})},
        status=status,
        resting=status,
        error=None,
        expires_at=expiry(source.ttl, op.at),
        trace=None,
    )
    yield THREADS.insert, THREADS.row(copy)
    return copy


_EXPIRED: Final = """
expires_at <= ? AND status <> 'busy' AND (ttl LIKE '%keep_latest%' OR NOT EXISTS
    (SELECT 1 FROM thread_interrupts AS i
     WHERE i.thread_id = threads.thread_id AND i.status = 'open'))"""
EXPIRED: Final = f"{THREADS.select} WHERE {_EXPIRED} ORDER BY expires_at LIMIT ?"
IS_EXPIRED: Final = f"SELECT 1 FROM threads WHERE thread_id = ? AND {_EXPIRED}"


def find_expired(dialect: Dialect, codec: Codec, op: FindExpired) -> Statements:
    """`FindExpired`."""
    return THREADS.read_all((yield EXPIRED, (op.now, op.limit)))


def measure(dialect: Dialect, codec: Codec, op: MeasureThread) -> Statements:
    """`MeasureThread`."""
    yield READ
    rows = yield (
        "SELECT count(*), "
        "coalesce(sum(length(body) + length(metadata) + coalesce(length(closing), 0)), 0), "
        "coalesce(sum(length(body)), 0) FROM thread_checkpoints WHERE thread_id = ?",
        (op.thread_id,),
    )
    writes = yield (
        "SELECT count(*), coalesce(sum(length(value)), 0) FROM thread_writes WHERE thread_id = ?",
        (op.thread_id,),
    )
    (number, size, bodies), (pending, pending_size) = rows[0], writes[0]
    return {
        "total_bytes": size + pending_size,
        "checkpoints": {"count": number, "bytes": size},
        "channel_values": {"count": number, "bytes": bodies, "by_channel": {}},
        "pending_writes": {"count": pending, "bytes": pending_size},
    }


PERFORM: Final = {
    CreateThread: create,
    GetThread: get,
    UpdateThread: update,
    NoteState: note_state,
    FindThreads: find,
    CountThreads: count,
    RemoveThread: remove,
    DuplicateThread: duplicate,
    FindExpired: find_expired,
    MeasureThread: measure,
}
