"""A checkpoint stored at the end of a step.

The insert is guarded: it stores the row only if the newest checkpoint is the expected one. Mostly that one
statement is all; otherwise what the closing tasks wrote, the answers that they used and the questions that are
withdrawn are stored beside it, in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

from caesura.checkpoint import rows
from caesura.checkpoint.operations import ANY_HEAD, Commit, PutWrites, Sync
from caesura.checkpoint.rows import Codec, Row, WriteRow
from caesura.errors import StaleThreadError
from caesura.storage.checkpoints.answering import WITHDRAW_WITHIN
from caesura.storage.checkpoints.batches import encode_tasks, store_writes
from caesura.storage.checkpoints.parting import free_row
from caesura.storage.checkpoints.tables import EXISTS, ROW, WITHIN, head_of, within
from caesura.storage.checkpoints.writing import DONE, apply_rest, encode_put, mend, seal_opened
from caesura.storage.dialect import Dialect
from caesura.storage.statements import Begin, Perform, Statement, Statements, Together

_WAITS: Final = (
    f"SELECT 1 FROM thread_interrupts WHERE thread_id = ? AND status = 'open' AND {WITHIN}"
)

_INSERT_ROW: Final = f"""
INSERT INTO thread_checkpoints (thread_id, ns, {ROW}, body, closing, follows)
SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"""
_REPLACING: Final = """
ON CONFLICT (thread_id, ns, checkpoint_id) DO UPDATE SET
    parent_id = excluded.parent_id, worth = excluded.worth, weight = excluded.weight,
    ts = excluded.ts, step = excluded.step, run_id = excluded.run_id,
    metadata = excluded.metadata, body = excluded.body"""
PUT_ROW: Final = _INSERT_ROW + " WHERE true" + _REPLACING + ", follows = excluded.follows"


@cache
def insert_row_if_head(dialect: Dialect, sync: Sync, nested: bool, if_idle: bool) -> str:
    """The statement that stores a checkpoint, if the newest one is the last parameter ('': none). If it
    is ``nested``, three more name the checkpoint that must be there; ``if_idle``, and five more, in what
    namespace, nobody may be waited for."""
    under = f" AND EXISTS ({EXISTS}{dialect.holding})" if nested else ""
    under += f" AND NOT EXISTS ({_WAITS})" if if_idle else ""
    return f"""{_INSERT_ROW} WHERE coalesce((
    SELECT checkpoint_id FROM thread_checkpoints WHERE thread_id = ? AND ns = ?
    ORDER BY checkpoint_id DESC LIMIT 1{dialect.holding}), '') = ?{under}{dialect.also(sync)}{_REPLACING}"""


_CLOSING_BYTES: Final = 1 << 24
"""Of writes in the row of the checkpoint that they led to."""


def commit(dialect: Dialect, codec: Codec, op: Commit) -> Statements:
    """`Commit`: one guarded insert, if there is nothing else to store.

    A checkpoint that directly follows its parent takes along what the closing tasks wrote on it:
    one row for both. It is the next row after its parent, and stays so (`part`).
    """
    direct = op.expected_head == op.parent_id
    kept = direct and all(put.checkpoint_id == op.parent_id for put in op.closing)
    closing = rows.pack_closing(codec, op.closing) if kept and op.closing else None
    if closing is not None and len(op.closing) > 1 and len(closing) > _CLOSING_BYTES:
        kept, closing = False, None
    row = rows.encode_commit(codec, op, closing=closing)
    more = op.writes or not all(kept and rows.only_writes(put) for put in op.closing)
    if direct and not more and (op.withdraw is None or not dialect.freezing):
        # Mostly there is nothing to take back; where writers are alone, one statement sees that.
        stored = yield _insertion(dialect, op, row, if_idle=op.withdraw is not None)
        if stored != 1 and op.withdraw is None:
            yield from _require_stored(op, stored)
        if stored == 1 or op.withdraw is None:
            return rows.chain_after(row, op.chain)
    return (yield from _commit_more(dialect, codec, op, row, kept=kept))


def _commit_more(dialect: Dialect, codec: Codec, op: Commit, row: Row, *, kept: bool) -> Statements:
    """Store a checkpoint that is not all there is to store. ``kept``: it holds what tasks wrote."""
    direct = op.expected_head == op.parent_id
    writes = encode_tasks(codec, op.writes)
    puts: list[tuple[PutWrites, list[WriteRow], list[tuple[Any, ...]]]]
    if kept:
        puts = [
            (put, [], seal_opened(codec, put)) for put in op.closing if not rows.only_writes(put)
        ]
    else:
        puts = [(put, *encode_put(codec, put)) for put in op.closing]
    yield Begin(True, op.thread_id, op.sync)
    if row.weight and not direct and not (yield EXISTS, (op.thread_id, op.ns, row.parent_id)):
        row = rows.encode_commit(codec, op, full=True)
    if op.expected_head != ANY_HEAD and not writes and all(_only_ends(*put) for put in puts):
        answers = yield Together(
            [
                _insertion(dialect, op, row),
                *(_if_stored(dialect, op, DONE, (op.thread_id, put.task_id)) for put, *_ in puts),
                *_withdrawal(dialect, codec, op),
            ],
            ends=True,
        )
        yield from _require_stored(op, answers[0])
        return rows.chain_after(row, op.chain)
    yield from _insert(dialect, codec, op, row)
    for put, written, opened in puts:
        yield from mend(put)
        yield from store_writes(dialect, put, written)
        yield from apply_rest(codec, put, opened)
    if writes:
        yield from store_writes(dialect, op, writes)
    yield from _withdrawal(dialect, codec, op)
    return rows.chain_after(row, op.chain)


def _only_ends(op: PutWrites, written: Sequence[WriteRow], opened: Sequence[Any]) -> bool:
    """True if all there is left to store is that the answers of a task are used up."""
    return not (written or opened or op.superseded or op.mended)


def _withdrawal(dialect: Dialect, codec: Codec, op: Commit) -> Iterator[Statement]:
    """Statement that takes back what waits for a person, if that is asked for."""
    if op.withdraw is not None:
        values = (codec.seal_text(op.withdraw), op.ts, op.thread_id, *within(op.ns))
        yield _if_stored(dialect, op, WITHDRAW_WITHIN, values)


def _if_stored(dialect: Dialect, op: Commit, sql: str, values: Sequence[Any]) -> Statement:
    """The statement, to be performed only if the checkpoint was just stored."""
    there = f"{sql} AND EXISTS ({EXISTS}{dialect.ours})"
    return there, (*values, op.thread_id, op.ns, op.checkpoint_id)


def _insert(dialect: Dialect, codec: Codec, op: Commit, row: Row) -> Statements:
    """Store a row, beside others that cannot be stored in one go with it."""
    if op.expected_head != ANY_HEAD:
        yield from _require_stored(op, (yield _insertion(dialect, op, row)))
        return
    space = (op.thread_id, op.ns)
    yield from free_row(dialect, codec, *space, op.checkpoint_id)
    yield PUT_ROW, (*space, *row._replace(follows=rows.put_mark(op.checkpoint_id)))
    codec.recent.drop(op.thread_id)


def _insertion(dialect: Dialect, op: Commit, row: Row, *, if_idle: bool = False) -> Statement:
    """Statement that stores a row after the head that it expects; that is ``follows``, if not its parent."""
    space, head = (op.thread_id, op.ns), op.expected_head or ""
    if op.expected_head != op.parent_id:
        row = row._replace(follows=head)
    under = (op.thread_id, *op.under) if op.under is not None else ()
    idle = (op.thread_id, *within(op.ns)) if if_idle else ()
    sql = insert_row_if_head(dialect, op.sync, bool(under), if_idle)
    return sql, (*space, *row, *space, head, *under, *idle)


def _require_stored(op: Commit, stored: int) -> Statements:
    """Raises `StaleThreadError` unless the row is there: perhaps since an attempt nobody heard of."""
    if stored != 1 and not (yield EXISTS, (op.thread_id, op.ns, op.checkpoint_id)):
        raise (yield from _stale(op))


def _stale(op: Commit) -> Statements:
    head = yield from head_of(op)
    if head == op.expected_head and op.under is not None:
        ns, id = op.under
        return StaleThreadError(op.thread_id, id, (yield from head_of(op, ns)))
    return StaleThreadError(op.thread_id, op.expected_head, head)


PERFORM: Final[dict[type, Perform]] = {
    Commit: commit,
}
