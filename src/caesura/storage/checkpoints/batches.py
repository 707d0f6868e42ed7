"""Writes of tasks as rows, in few statements.

A statement takes a fixed number of writes, so that there are few to prepare; what is missing to that
number is padding, which the statement leaves out. A batch ends where it has as many bytes as one statement
should carry.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from caesura.checkpoint import rows
from caesura.checkpoint.operations import Commit, PutWrites, Sync, TaskWrites
from caesura.checkpoint.rows import Codec, WriteRow
from caesura.storage.checkpoints.tables import EXISTS, WRITE
from caesura.storage.dialect import Dialect
from caesura.storage.statements import Statements

_WRITE_BATCHES: Final = (1, 2, 8, 32, 128)
"""How many writes a statement stores: few numbers, because each is a statement to prepare."""
_WRITE_BYTES: Final = 1 << 22
"""And how many bytes, unless a single write has more."""
_PADDING: Final = WriteRow("", -99, "", "", b"")


@cache
def _put_writes_sql(dialect: Dialect, count: int, sync: Sync, hangs: bool = False) -> str:
    """Store ``count`` writes on a checkpoint, which is named before and, if they hang on it, after them:
    then only if it is there, and stays so."""
    there = f" AND EXISTS ({EXISTS}{dialect.holding})" if hangs else ""
    return f"""
INSERT INTO thread_writes (thread_id, ns, checkpoint_id, {WRITE})
SELECT ?, ?, ?, given.* FROM (VALUES {", ".join(["(?, ?, ?, ?, ?)"] * count)}) AS given
WHERE column2 > {_PADDING.idx}{there}{dialect.also(sync)}
ON CONFLICT (thread_id, ns, checkpoint_id, task_id, idx) DO UPDATE SET
    task_path = excluded.task_path, channel = excluded.channel, value = excluded.value
WHERE excluded.idx < 0"""


def encode_tasks(codec: Codec, tasks: Sequence[TaskWrites]) -> list[WriteRow]:
    """The writes of several tasks as rows."""
    return [
        row
        for task in tasks
        for row in rows.encode_writes(codec, task.task_id, task.task_path, task.writes)
    ]


def store_writes(
    dialect: Dialect,
    op: Commit | PutWrites,
    writes: Sequence[WriteRow],
    *,
    sync: Sync | None = None,
    hangs: bool = False,
) -> Statements:
    """Returns how many of the writes were stored."""
    place = (op.thread_id, op.ns, op.checkpoint_id)
    there = place if hangs else ()
    stored = 0
    for size, batch in batches_of(writes):
        values = [value for write in batch for value in write]
        sql = _put_writes_sql(dialect, size, sync or op.sync, hangs)
        stored += yield sql, (*place, *values, *_PADDING * (size - len(batch)), *there)
    return stored


def batches_of(writes: Sequence[WriteRow]) -> list[tuple[int, Sequence[WriteRow]]]:
    """Writes in portions for a statement each, which takes so many of them (`_PADDING` included)."""
    if len(writes) == 1:
        return [(1, writes)]
    made, start, weight = [], 0, 0
    for end, write in enumerate(writes):
        weight += len(write.value)
        if end > start and (weight > _WRITE_BYTES or end - start == _WRITE_BATCHES[-1]):
            made.append(writes[start:end])
            start, weight = end, len(write.value)
    if writes:
        made.append(writes[start:])
    return [(next(s for s in _WRITE_BATCHES if s >= len(batch)), batch) for batch in made]
