"""The outbox: webhooks that are to be sent. They are stored by `runs.finish`, with the end of their run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from caesura.checkpoint.rows import Codec
from caesura.records.operations import (
    ClaimDeliveries,
    CountDeliveries,
    FindDeliverers,
    NextDelivery,
    ReleaseDeliveries,
    SettleDelivery,
    SweepDeliveries,
)
from caesura.records.shapes import Delivery
from caesura.storage.dialect import Dialect
from caesura.storage.records.filters import Conditions
from caesura.storage.records.tables import DELIVERIES
from caesura.storage.statements import Begin, Statements

_IS_DUE: Final = "WHERE status = 'waiting' AND due_at <= ?"
ANY_DUE: Final = f"SELECT 1 FROM webhook_deliveries {_IS_DUE} LIMIT 1"
DUE: Final = f"{DELIVERIES.select} {_IS_DUE} ORDER BY due_at, run_id LIMIT ?"
CLAIM: Final = """
UPDATE webhook_deliveries SET attempts = attempts + 1, due_at = ?, worker = ?
WHERE run_id = ? AND attempts = ? AND status = 'waiting'"""
_HELD: Final = "WHERE run_id = ? AND attempts = ? AND status = 'waiting'"
DELIVERED: Final = f"DELETE FROM webhook_deliveries {_HELD}"
FAILED: Final = f"""
UPDATE webhook_deliveries SET status = ?, due_at = ?, reason = ?, worker = NULL {_HELD}"""
NEXT: Final = "SELECT min(due_at) FROM webhook_deliveries WHERE status = 'waiting'"
WORKERS: Final = "SELECT DISTINCT worker FROM webhook_deliveries WHERE worker IS NOT NULL"
COUNT: Final = "SELECT status, count(*) FROM webhook_deliveries GROUP BY status"
SWEEP: Final = "DELETE FROM webhook_deliveries WHERE status = 'dead' AND due_at < ?"


def claim(dialect: Dialect, codec: Codec, op: ClaimDeliveries) -> Statements:
    """`ClaimDeliveries`."""
    if not (yield ANY_DUE, (op.now,)):  # looked up without a lock: it is asked again and again
        return []
    yield Begin(True)
    claimed: list[Delivery] = []
    for found in DELIVERIES.read_all((yield DUE, (op.now, op.limit))):
        ours = replace(found, attempts=found.attempts + 1, due_at=op.lease_until, worker=op.worker)
        if (yield CLAIM, (ours.due_at, ours.worker, found.run_id, found.attempts)) == 1:
            claimed.append(ours)
    return claimed


def settle(dialect: Dialect, codec: Codec, op: SettleDelivery) -> Statements:
    """`SettleDelivery`."""
    held = (op.run_id, op.attempts)
    if op.reason is None:
        return (yield DELIVERED, held) == 1
    status = "dead" if op.again_at is None else "waiting"
    at = op.now if op.again_at is None else op.again_at
    return (yield FAILED, (status, at, op.reason, *held)) == 1


def next_due(dialect: Dialect, codec: Codec, op: NextDelivery) -> Statements:
    """`NextDelivery`."""
    found = yield NEXT, ()
    return found[0][0]


def workers(dialect: Dialect, codec: Codec, op: FindDeliverers) -> Statements:
    """`FindDeliverers`."""
    return [name for (name,) in (yield WORKERS, ())]


def release(dialect: Dialect, codec: Codec, op: ReleaseDeliveries) -> Statements:
    """`ReleaseDeliveries`."""
    conditions = Conditions(dialect)
    conditions.add("status = 'waiting'")
    conditions.among("worker", list(op.workers))
    sql = f"UPDATE webhook_deliveries SET due_at = ?, worker = NULL{conditions.where}"
    return (yield sql, [op.now, *conditions.values])


def count(dialect: Dialect, codec: Codec, op: CountDeliveries) -> Statements:
    """`CountDeliveries`."""
    return {"waiting": 0, "dead": 0, **dict((yield COUNT, ()))}


def sweep(dialect: Dialect, codec: Codec, op: SweepDeliveries) -> Statements:
    """`SweepDeliveries`."""
    return (yield SWEEP, (op.before,))


PERFORM: Final[dict[type, Any]] = {
    ClaimDeliveries: claim,
    SettleDelivery: settle,
    NextDelivery: next_due,
    FindDeliverers: workers,
    ReleaseDeliveries: release,
    CountDeliveries: count,
    SweepDeliveries: sweep,
}
