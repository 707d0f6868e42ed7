"""Rows that are to go or to become others: first, nothing may depend on them any more.

A row builds on its parent, and holds what the tasks wrote on its parent. So before the parent goes, the
row is made a full one (`REFOUND`), and what it holds of others moves to rows of its own (`part`).
`headlines` lists the rows of a thread and, where writers are not alone, holds them until the transaction ends.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

from caesura.checkpoint import rows
from caesura.checkpoint.operations import PutWrites
from caesura.checkpoint.rows import Codec, Headline
from caesura.storage.checkpoints.batches import store_writes
from caesura.storage.checkpoints.tables import EXISTS, NEXT_ROW
from caesura.storage.checkpoints.walking import walk_to
from caesura.storage.dialect import Dialect
from caesura.storage.statements import Statement, Statements

CLEAR_CLOSING: Final = """
UPDATE thread_checkpoints SET closing = NULL
WHERE thread_id = ? AND ns = ? AND checkpoint_id = ?"""
REFOUND: Final = """
UPDATE thread_checkpoints SET
    parent_id = ?, worth = ?, weight = 0, body = ?, closing = NULL, follows = checkpoint_id
WHERE thread_id = ? AND ns = ? AND checkpoint_id = ?"""
_HEADS_OF: Final = """
SELECT ns, checkpoint_id, parent_id, weight, run_id FROM thread_checkpoints WHERE thread_id = ?
ORDER BY ns, checkpoint_id"""


def free_row(
    dialect: Dialect, codec: Codec, thread_id: str, ns: str, checkpoint_id: str
) -> Statements:
    """Nothing is built on this row any more: if it is there, it is about to be another."""
    space = (thread_id, ns)
    yield from part(dialect, *space, checkpoint_id)
    if not (yield EXISTS, (*space, checkpoint_id)):
        return
    for line in (yield from headlines(dialect, thread_id)).get(ns, ()):
        if line.weight and line.parent_id == checkpoint_id:
            walked = yield from walk_to(*space, line.checkpoint_id)
            row = rows.collapsed(codec, walked, checkpoint_id)
            yield REFOUND, (checkpoint_id, row.worth, row.body, *space, row.checkpoint_id)


def part(dialect: Dialect, thread_id: str, ns: str, checkpoint_id: str) -> Statements:
    """What the next row holds of this one, or of the one before, moves to a place of its own."""
    for next_id, parent_id, closing in (yield NEXT_ROW, (thread_id, ns, checkpoint_id)):
        if closing is not None:
            parent = PutWrites(thread_id, ns, parent_id, "", "", ())
            yield from store_writes(dialect, parent, [rows.packed_row(closing, next_id)])
            yield CLEAR_CLOSING, (thread_id, ns, next_id)


def headlines(
    dialect: Dialect, thread_id: str
) -> Generator[Statement, Any, dict[str, list[Headline]]]:
    """All checkpoints of a thread. None is built on any of them until the transaction ends."""
    before, found = None, (yield _HEADS_OF + dialect.freezing, (thread_id,))
    while (
        dialect.freezing and found != before
    ):  # one more may have come while the first were locked
        before, found = found, (yield _HEADS_OF + dialect.freezing, (thread_id,))
    made: dict[str, list[Headline]] = {}
    for ns, *line in found:
        made.setdefault(ns, []).append(Headline._make(line))
    return made
