"""Crons and API keys: what the clock starts, and who may come in."""

from __future__ import annotations

from typing import Any, Final

from caesura.checkpoint.rows import Codec
from caesura.records.errors import UnknownRecordError
from caesura.records.operations import (
    AdvanceCron,
    CountCrons,
    DeleteCron,
    FindCrons,
    FindDueCrons,
    FindKeys,
    GetCron,
    NoteKeyUse,
    PutCron,
    PutKey,
    RevokeKey,
)
from caesura.storage.dialect import Dialect
from caesura.storage.records import threads
from caesura.storage.records.filters import Conditions
from caesura.storage.records.pages import page_of
from caesura.storage.records.tables import CRONS, KEYS
from caesura.storage.statements import Begin, Statements

DUE: Final = f"{CRONS.select} WHERE enabled = 1 AND next_run_date <= ? ORDER BY next_run_date"
ADVANCE: Final = """
UPDATE crons SET next_run_date = ?, enabled = CASE WHEN CAST(? AS TEXT) IS NULL THEN 0 ELSE enabled END
WHERE cron_id = ? AND next_run_date = ? AND enabled = 1"""


def put(dialect: Dialect, codec: Codec, op: PutCron) -> Statements:
    """`PutCron`."""
    cron = op.cron
    yield Begin(True, f"cron {cron.cron_id}")
    if (
        cron.thread_id is not None
        and (yield from threads.read(dialect, cron.thread_id, {})) is None
    ):
        raise UnknownRecordError("thread", cron.thread_id)
    if op.replaces is not None:
        found = CRONS.read_all((yield f"{CRONS.select} WHERE cron_id = ?", (cron.cron_id,)))
        if found != [op.replaces]:
            return None
    deleted = yield "DELETE FROM crons WHERE cron_id = ?", (cron.cron_id,)
    if op.replaces is not None and deleted != 1:
        return None
    yield CRONS.insert, CRONS.row(cron)
    return cron


def _conditions(dialect: Dialect, op: Any) -> Conditions:
    conditions = Conditions(dialect)
    conditions.equal(assistant_id=op.assistant_id, thread_id=op.thread_id)
    enabled = getattr(op, "enabled", None)
    conditions.equal(enabled=None if enabled is None else int(enabled))
    conditions.holds("metadata", op.metadata)
    conditions.may_see("metadata", op.filters)
    return conditions


def get(dialect: Dialect, codec: Codec, op: GetCron) -> Statements:
    """`GetCron`."""
    conditions = Conditions(dialect)
    conditions.equal(cron_id=op.cron_id)
    conditions.may_see("metadata", op.filters)
    found = yield CRONS.select + conditions.where, conditions.values
    return CRONS.read(found[0]) if found else None


def find(dialect: Dialect, codec: Codec, op: FindCrons) -> Statements:
    """`FindCrons`."""
    conditions = _conditions(dialect, op)
    order = CRONS.order(op.sort_by, op.order, "cron_id")
    return (yield from page_of(CRONS, conditions, order, op.limit, op.offset))


def count(dialect: Dialect, codec: Codec, op: CountCrons) -> Statements:
    """`CountCrons`."""
    conditions = _conditions(dialect, op)
    found = yield f"SELECT count(*) FROM crons{conditions.where}", conditions.values
    return found[0][0]


def delete(dialect: Dialect, codec: Codec, op: DeleteCron) -> Statements:
    """`DeleteCron`."""
    conditions = Conditions(dialect)
    conditions.equal(cron_id=op.cron_id)
    conditions.may_see("metadata", op.filters)
    return (yield f"DELETE FROM crons{conditions.where}", conditions.values) == 1


def due(dialect: Dialect, codec: Codec, op: FindDueCrons) -> Statements:
    """`FindDueCrons`."""
    return CRONS.read_all((yield DUE, (op.now,)))


def advance(dialect: Dialect, codec: Codec, op: AdvanceCron) -> Statements:
    """`AdvanceCron`."""
    return (yield from advance_within(op))


def advance_within(op: AdvanceCron) -> Statements:
    """`AdvanceCron`, within a transaction."""
    changed = yield ADVANCE, (op.next_run_date, op.next_run_date, op.cron_id, op.expected)
    return changed == 1


# --- keys ----------------------------------------------------------------------------------------


def put_key(dialect: Dialect, codec: Codec, op: PutKey) -> Statements:
    """`PutKey`."""
    yield KEYS.insert, KEYS.row(op.key)


def find_keys(dialect: Dialect, codec: Codec, op: FindKeys) -> Statements:
    """`FindKeys`."""
    conditions = Conditions(dialect)
    conditions.equal(digest=op.digest, key_id=op.key_id)
    sql = f"{KEYS.select}{conditions.where} ORDER BY created_at, key_id"
    return KEYS.read_all((yield sql, conditions.values))


def revoke_key(dialect: Dialect, codec: Codec, op: RevokeKey) -> Statements:
    """`RevokeKey`."""
    sql = "UPDATE api_keys SET revoked_at = ? WHERE key_id = ? AND revoked_at IS NULL"
    return (yield sql, (op.at, op.key_id)) == 1


def note_use(dialect: Dialect, codec: Codec, op: NoteKeyUse) -> Statements:
    """`NoteKeyUse`."""
    yield "UPDATE api_keys SET last_used_at = ? WHERE key_id = ?", (op.at, op.key_id)


PERFORM: Final[dict[type, Any]] = {
    PutCron: put,
    GetCron: get,
    FindCrons: find,
    CountCrons: count,
    DeleteCron: delete,
    FindDueCrons: due,
    AdvanceCron: advance,
    PutKey: put_key,
    FindKeys: find_keys,
    RevokeKey: revoke_key,
    NoteKeyUse: note_use,
}
