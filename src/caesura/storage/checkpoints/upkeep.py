"""Threads deleted, copied and pruned, and what runs stored taken away.

What stays must not build on what goes: see `caesura.storage.checkpoints.parting`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from caesura.checkpoint import rows
from caesura.checkpoint.operations import CopyThread, DeleteRuns, DeleteThread, Prune
from caesura.checkpoint.rows import INTERRUPT_COLUMNS, Codec, Headline
from caesura.errors import StorageError
from caesura.storage.checkpoints.finding import NAMESPACES_OF
from caesura.storage.checkpoints.parting import REFOUND, headlines, part
from caesura.storage.checkpoints.tables import LIVE, ROW, TABLES, WRITE
from caesura.storage.checkpoints.walking import walk_to
from caesura.storage.dialect import Dialect
from caesura.storage.statements import Begin, Perform, Statements, Together

_COPY_ROWS: Final = f"""
INSERT INTO thread_checkpoints (thread_id, ns, {ROW}, body, closing, follows)
SELECT ?, ns, {ROW}, body, closing, follows FROM thread_checkpoints WHERE thread_id = ?"""
_COPY_WRITES: Final = f"""
INSERT INTO thread_writes (thread_id, ns, checkpoint_id, {WRITE})
SELECT ?, ns, checkpoint_id, {WRITE} FROM thread_writes WHERE thread_id = ?"""
_OTHERS: Final = ", ".join(["seq", *(n for n in INTERRUPT_COLUMNS if n != "thread_id")])
_COPY_INTERRUPTS: Final = f"""
INSERT INTO thread_interrupts (thread_id, {_OTHERS})
SELECT ?, {_OTHERS} FROM thread_interrupts WHERE thread_id = ?"""


def delete_thread(dialect: Dialect, codec: Codec, op: DeleteThread) -> Statements:
    """`DeleteThread`."""
    yield Begin(True, op.thread_id)
    if dialect.freezing:
        yield from headlines(dialect, op.thread_id)
    yield Together(
        [(f"DELETE FROM {table} WHERE thread_id = ?", (op.thread_id,)) for table in TABLES],
        ends=True,
    )
    codec.recent.drop(op.thread_id)


def copy_thread(dialect: Dialect, codec: Codec, op: CopyThread) -> Statements:
    """`CopyThread`."""
    yield Begin(True, op.target_id, beside=op.source_id)
    if (yield NAMESPACES_OF, (op.target_id,)):
        raise StorageError(rows.target_exists(op))
    if dialect.freezing:  # a step of a run is stored without the thread's lock
        yield from headlines(dialect, op.source_id)
    place = (op.target_id, op.source_id)
    copies = [(sql, place) for sql in (_COPY_ROWS, _COPY_WRITES, _COPY_INTERRUPTS)]
    yield Together(copies, ends=True, result=None)


def prune(dialect: Dialect, codec: Codec, op: Prune) -> Statements:
    """`Prune`."""
    yield Begin(True, op.thread_id)
    for ns, lines in (yield from headlines(dialect, op.thread_id)).items():
        doomed = {line.checkpoint_id for line in lines[:-1]}
        yield from _remove(dialect, codec, op.thread_id, ns, lines, doomed, keep_live=True)
    codec.recent.drop(op.thread_id)


def delete_runs(dialect: Dialect, codec: Codec, op: DeleteRuns) -> Statements:
    """`DeleteRuns`."""
    yield Begin(True, op.thread_id)
    wanted = set(op.run_ids)
    for ns, lines in (yield from headlines(dialect, op.thread_id)).items():
        doomed = {line.checkpoint_id for line in lines if line.run_id in wanted}
        yield from _remove(dialect, codec, op.thread_id, ns, lines, doomed, keep_live=False)
    codec.recent.drop(op.thread_id)


def _remove(
    dialect: Dialect,
    codec: Codec,
    thread_id: str,
    ns: str,
    lines: Sequence[Headline],
    doomed: set[str],
    *,
    keep_live: bool,
) -> Statements:
    space = (thread_id, ns)
    for line, parent in rows.orphans(lines, doomed):
        walked = yield from walk_to(*space, line.checkpoint_id)
        row = rows.collapsed(codec, walked, parent)
        yield REFOUND, (parent, row.worth, row.body, *space, row.checkpoint_id)
    for parent_id in {line.parent_id for line in lines if line.checkpoint_id in doomed} - doomed:
        if parent_id is not None:
            yield from part(dialect, *space, parent_id)
    for checkpoint_id in doomed:
        place = (*space, checkpoint_id)
        for table in TABLES:
            spared = f" AND NOT {LIVE}" if keep_live and table == "thread_interrupts" else ""
            yield (
                f"DELETE FROM {table} WHERE thread_id = ? AND ns = ? AND checkpoint_id = ?{spared}",
                place,
            )


PERFORM: Final[dict[type, Perform]] = {
    DeleteThread: delete_thread,
    DeleteRuns: delete_runs,
    Prune: prune,
    CopyThread: copy_thread,
}
