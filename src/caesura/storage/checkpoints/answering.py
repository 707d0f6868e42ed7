"""Questions to people: answered, withdrawn, superseded, found.

What may happen to a question is decided by `caesura.interrupts.lifecycle`; here its rows are read, and the
moves that it decides are stored, each only if the row still stands as it was read.
"""

from __future__ import annotations

from typing import Any, Final

from caesura.checkpoint import rows
from caesura.checkpoint.operations import Accept, FindInterrupts, InterruptRow, PutWrites, Withdraw
from caesura.checkpoint.rows import INTERRUPT_COLUMNS, Codec
from caesura.errors import StorageError
from caesura.interrupts import lifecycle
from caesura.storage.checkpoints.batches import encode_tasks, store_writes
from caesura.storage.checkpoints.tables import INTERRUPTS, WITHIN, unseal
from caesura.storage.dialect import Dialect
from caesura.storage.statements import Begin, Perform, Statement, Statements, Together

OPEN_OF_THREAD: Final = f"""
{INTERRUPTS} WHERE thread_id = ? AND status = 'open' ORDER BY seq"""
INTERRUPT: Final = f"{INTERRUPTS} WHERE id = ? AND thread_id = ?"
_CHANGING: Final = (
    "status", "answer", "answered_at", "answered_by",
    "reason", "superseded_by", "closed_at", "done",
)  # fmt: skip
MOVE: Final = f"""
UPDATE thread_interrupts SET {", ".join(name + " = ?" for name in _CHANGING)}
WHERE id = ? AND thread_id = ? AND status = ?"""
WITHDRAW_WITHIN: Final = f"""
UPDATE thread_interrupts SET status = 'withdrawn', reason = ?, closed_at = ?
WHERE thread_id = ? AND status = 'open' AND {WITHIN}"""


def _move(codec: Codec, before: InterruptRow, after: InterruptRow) -> Statement:
    """Statement that stores the move of a row, if it still stands where it was read."""
    sealed = dict(zip(INTERRUPT_COLUMNS, rows.seal_interrupt(codec, after), strict=True))
    changed = [sealed[name] for name in _CHANGING]
    return MOVE, (*changed, before.id, before.thread_id, before.status)


def supersede(codec: Codec, op: PutWrites) -> Statements:
    """Close the questions that others, asked by the same task, replace."""
    asked_at = {row.id: row.asked_at for row in op.opened}
    for old, new, reason in op.superseded:
        for row in unseal(codec, (yield INTERRUPT, (old, op.thread_id))):
            closed = lifecycle.supersede(row, new, reason, asked_at.get(new))
            if closed is not None:
                yield _move(codec, row, closed)


def accept(dialect: Dialect, codec: Codec, op: Accept) -> Statements:
    """`Accept`: read, decide, and write only what still stands as it was read."""
    writes = encode_tasks(codec, op.writes)
    for answer in op.answers:
        codec.encode(answer.value)
    yield Begin(True, op.thread_id, "now")
    found = {row.id: row for row in unseal(codec, (yield OPEN_OF_THREAD, (op.thread_id,)))}
    for interrupt_id in {a.interrupt_id for a in op.answers} - found.keys():
        for row in unseal(codec, (yield INTERRUPT, (interrupt_id, op.thread_id))):
            found[row.id] = row
    made = lifecycle.accept(found.values(), op.answers, op.at)
    moves = [_move(codec, found[row.id], row) for row in made]
    alone = len(moves) == 1 and not writes  # else some could be refused, and others not
    for row, moved in zip(made, (yield Together(moves, alone, made)), strict=True):
        if moved != 1:
            raise StorageError(f"Interrupt {row.id} changed while it was answered. Try again.")
    if writes:
        place = PutWrites(op.thread_id, op.ns, rows.target_of(op), "", "", ())
        yield from store_writes(dialect, place, writes)
    return made


def withdraw(dialect: Dialect, codec: Codec, op: Withdraw) -> Statements:
    """`Withdraw`."""
    yield Begin(True, op.thread_id)
    found = unseal(codec, (yield OPEN_OF_THREAD, (op.thread_id,)))
    made, moves = [], []
    for row in found:
        if op.ids is None or row.id in op.ids:
            closed = lifecycle.withdraw(row, op.reason, op.at)
            if closed is not None:
                moves.append(_move(codec, row, closed))
                made.append(closed)
    yield Together(moves, ends=True, result=made)
    return made


def find_interrupts(dialect: Dialect, codec: Codec, op: FindInterrupts) -> Statements:
    """`FindInterrupts`."""
    terms: list[str] = []
    values: list[Any] = []
    for column, value in (("thread_id", op.thread_id), ("id", op.interrupt_id)):
        if value is not None:
            terms.append(f"{column} = ?")
            values.append(value)
    if op.status == "open":
        terms.append("status = 'open'")  # as a constant, so that the partial index serves
    elif op.status is not None:
        terms.append("status = ?")
        values.append(op.status)
    where = f" WHERE {' AND '.join(terms)}" if terms else ""
    limit = "" if op.limit is None else " LIMIT ?"
    values += [] if op.limit is None else [op.limit]
    return unseal(
        codec, (yield f"{INTERRUPTS}{where} ORDER BY asked_at, thread_id, seq{limit}", values)
    )


PERFORM: Final[dict[type, Perform]] = {
    Accept: accept,
    Withdraw: withdraw,
    FindInterrupts: find_interrupts,
}
