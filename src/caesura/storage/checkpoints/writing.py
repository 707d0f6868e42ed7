"""What tasks wrote and asked, stored on the checkpoint that they ran on.

Mostly that is one statement: the writes of one task or of several, or a single question. What comes with
them (questions that are superseded, answers that are used up, errors that are mended) makes it a
transaction. Writes hang on a checkpoint that must be there; questions, on the newest one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from caesura.checkpoint import rows
from caesura.checkpoint.operations import ANY_HEAD, Flush, PutTogether, PutWrites, Sync
from caesura.checkpoint.rows import INTERRUPT_COLUMNS, Codec, WriteRow
from caesura.errors import StaleThreadError
from caesura.storage.checkpoints.answering import supersede
from caesura.storage.checkpoints.batches import batches_of, store_writes
from caesura.storage.checkpoints.tables import COLUMNS, EXISTS, HEAD, head_of
from caesura.storage.dialect import Dialect
from caesura.storage.statements import Begin, Perform, Statements, Together

ASK: Final = f"""
INSERT INTO thread_interrupts ({COLUMNS}, seq)
SELECT {", ".join("?" * len(INTERRUPT_COLUMNS))}, coalesce(max(seq), 0) + 1
FROM thread_interrupts WHERE thread_id = ?
ON CONFLICT (id, thread_id) DO NOTHING"""
ASK_AT_HEAD: Final = f"""
INSERT INTO thread_interrupts ({COLUMNS}, seq)
SELECT {", ".join("?" * len(INTERRUPT_COLUMNS))},
    (SELECT coalesce(max(seq), 0) + 1 FROM thread_interrupts WHERE thread_id = ?)
WHERE coalesce(({HEAD}), '') = ?
ON CONFLICT (id, thread_id) DO NOTHING"""
ASKED_AT: Final = "SELECT asked_at FROM thread_interrupts WHERE thread_id = ? AND id = ?"
DONE: Final = "UPDATE thread_interrupts SET done = 1 WHERE thread_id = ? AND task_id = ?"
DROP_ERROR: Final = """
DELETE FROM thread_writes
WHERE thread_id = ? AND ns = ? AND checkpoint_id = ? AND task_id = ? AND idx = -1"""


def put_writes(dialect: Dialect, codec: Codec, op: PutWrites) -> Statements:
    """`PutWrites`: one statement, if all there is to store are a few writes, or a question."""
    if rows.only_writes(op) and op.sync != "now" and len(op.writes) == 1:
        return _hang(
            dialect, op, rows.encode_writes(codec, op.task_id, op.task_path, op.writes), op.sync
        )
    if len(op.opened) == 1 and op.expected_head not in (None, ANY_HEAD) and _only_asks(op):
        return _ask(op, *seal_opened(codec, op))
    return _put(dialect, codec, (op,), op.sync)


def put_together(dialect: Dialect, codec: Codec, op: PutTogether) -> Statements:
    """`PutTogether`: the writes of all in as few statements as if one task had made them."""
    return _put(dialect, codec, op.puts, op.sync)


def _put(dialect: Dialect, codec: Codec, puts: Sequence[PutWrites], sync: Sync) -> Statements:
    encoded = [(put, *encode_put(codec, put)) for put in puts]
    writes = encoded[0][1]
    if len(puts) > 1:
        writes = rows.merged(write for _, written, _ in encoded for write in written)
    more = [(put, opened) for put, _, opened in encoded if not rows.only_writes(put)]
    if more or sync == "now" or len(batches_of(writes)) > 1:
        yield Begin(True, puts[0].thread_id, sync)
    for put, opened in more:
        if opened:
            yield from _refuse_stale(put)
        yield from mend(put)
    yield from _hang(dialect, puts[0], writes, sync)
    for put, opened in more:
        yield from apply_rest(codec, put, opened)


def _hang(dialect: Dialect, op: PutWrites, writes: Sequence[WriteRow], sync: Sync) -> Statements:
    """Store writes on the checkpoint of ``op``. Raises `StaleThreadError` if it is not there."""
    stored = yield from store_writes(dialect, op, writes, sync=sync, hangs=not op.early)
    place = (op.thread_id, op.ns, op.checkpoint_id)
    if stored < len(writes) and not op.early and not (yield EXISTS, place):
        raise StaleThreadError(op.thread_id, op.checkpoint_id, (yield from head_of(op)))


def _only_asks(op: PutWrites) -> bool:
    return not (op.writes or op.superseded or op.done or op.mended)


def _ask(op: PutWrites, columns: tuple[Any, ...]) -> Statements:
    """Ask one question. It is there already if it was asked before, or nobody heard that it was stored."""
    place = (op.thread_id, op.ns)
    yield Begin(True, op.thread_id, op.sync)
    question = ASK_AT_HEAD, (*columns, op.thread_id, *place, op.expected_head)
    (stored,) = yield Together([question], ends=True)
    if stored == 1:
        return
    head = yield from head_of(op)
    if head != op.expected_head:
        found = yield ASKED_AT, (op.thread_id, op.opened[0].id)
        if [(op.opened[0].asked_at,)] != found:
            raise StaleThreadError(op.thread_id, op.expected_head, head)


def _refuse_stale(op: PutWrites) -> Statements:
    """Raises `StaleThreadError` if questions were not asked on the newest checkpoint, as they must be."""
    if op.expected_head is not None and op.expected_head != ANY_HEAD:
        head = yield from head_of(op)
        if head != op.expected_head:
            raise StaleThreadError(op.thread_id, op.expected_head, head)


def flush(dialect: Dialect, codec: Codec, op: Flush) -> Statements:
    """`Flush`."""
    if dialect.flush:
        yield dialect.flush, ()


def encode_put(codec: Codec, op: PutWrites) -> tuple[list[WriteRow], list[tuple[Any, ...]]]:
    """What a task wrote, and what it asked, as rows."""
    return rows.encode_writes(codec, op.task_id, op.task_path, op.writes), seal_opened(codec, op)


def seal_opened(codec: Codec, op: PutWrites) -> list[tuple[Any, ...]]:
    """What a task asked, as rows."""
    return [rows.seal_interrupt(codec, row) for row in op.opened]


def mend(op: PutWrites) -> Statements:
    """The error that is stored for a task goes, if that is asked for."""
    if op.mended:
        yield DROP_ERROR, (op.thread_id, op.ns, op.checkpoint_id, op.task_id)


def apply_rest(codec: Codec, op: PutWrites, opened: Iterable[tuple[Any, ...]]) -> Statements:
    """What comes with the writes of a task, once they are stored."""
    for columns in opened:
        yield ASK, (*columns, op.thread_id)
    if op.superseded:
        yield from supersede(codec, op)
    if op.done:
        yield DONE, (op.thread_id, op.task_id)


PERFORM: Final[dict[type, Perform]] = {
    PutWrites: put_writes,
    PutTogether: put_together,
    Flush: flush,
}
