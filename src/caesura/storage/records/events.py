"""The events of threads: one sequence a thread, over all its runs and kinds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from caesura.checkpoint.rows import Codec
from caesura.records.operations import AppendEvents, FindEvent, ReadEvents, SweepEvents
from caesura.records.shapes import Event
from caesura.storage.dialect import Dialect
from caesura.storage.records.filters import Conditions
from caesura.storage.statements import Begin, Statements, Together

TAKE: Final = """
INSERT INTO event_counts (thread_id, last)
SELECT thread_id, ? FROM threads WHERE thread_id = ?
ON CONFLICT (thread_id) DO UPDATE SET last = event_counts.last + excluded.last RETURNING last"""
APPEND: Final = """
INSERT INTO run_events (thread_id, seq, run_id, kind, id, millis, number, name, data, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
SWEEP: Final = """
DELETE FROM run_events WHERE (thread_id, seq) IN (
    SELECT e.thread_id, e.seq FROM run_events AS e
    LEFT JOIN runs AS r ON r.thread_id = e.thread_id AND r.run_id = e.run_id
    WHERE e.at < ? AND e.kind = 'run' AND (r.run_id IS NULL OR r.ended_at < ?)
    LIMIT ?)"""


def append(dialect: Dialect, codec: Codec, op: AppendEvents) -> Statements:
    """`AppendEvents`."""
    yield Begin(True, op.thread_id)
    found = yield TAKE, (len(op.events), op.thread_id)
    if not found:
        return 0
    first = found[0][0] - len(op.events) + 1
    rows = [
        (op.thread_id, seq, op.run_id, kind, id, *_key(id), name, data, op.at)
        for seq, (kind, id, name, data) in enumerate(op.events, first)
    ]
    yield Together([(APPEND, row) for row in rows], ends=True, result=first)
    return first


def _key(id: str) -> tuple[int, int]:
    millis, _, number = id.partition("-")
    if not id.isascii() or not millis.isdigit() or not (number or "0").isdigit():
        return 0, 0
    return int(millis), int(number or 0)


def read(dialect: Dialect, codec: Codec, op: ReadEvents) -> Statements:
    """`ReadEvents`."""
    conditions = Conditions(dialect)
    conditions.equal(thread_id=op.thread_id)
    conditions.add("seq > ?", op.after)
    conditions.equal(kind=op.kind, run_id=op.run_id)
    sql = (
        f"SELECT thread_id, seq, run_id, kind, id, name, data FROM run_events{conditions.where} "
        "ORDER BY seq LIMIT ?"
    )
    return [Event(*row) for row in (yield sql, [*conditions.values, op.limit])]


def find(dialect: Dialect, codec: Codec, op: FindEvent) -> Statements:
    """`FindEvent`."""
    conditions = Conditions(dialect)
    conditions.equal(thread_id=op.thread_id, run_id=op.run_id, kind=op.kind)
    millis, number = _key(op.id)
    conditions.add("(millis < ? OR (millis = ? AND number <= ?))", millis, millis, number)
    sql = f"SELECT seq FROM run_events{conditions.where} ORDER BY seq DESC LIMIT 1"
    found = yield sql, conditions.values
    return found[0][0] if found else 0


def sweep(dialect: Dialect, codec: Codec, op: SweepEvents) -> Statements:
    """`SweepEvents`."""
    yield Begin(True)
    yield "DELETE FROM idempotency_keys WHERE at < ?", (op.keys_before,)
    ended = datetime.fromtimestamp(op.before, UTC).isoformat(timespec="microseconds")
    return (yield SWEEP, (op.before, ended, op.limit))


PERFORM: Final[dict[type, Any]] = {
    AppendEvents: append,
    ReadEvents: read,
    FindEvent: find,
    SweepEvents: sweep,
}
