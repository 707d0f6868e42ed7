"""The walk from a checkpoint up to its full row, which its state is folded from.

Parent pointers decide what a walk is. `walk_to` follows them in one recursive query and is right always.
Where nothing was forked, the rows between two ids are the walk, and to read a range takes less: `since_full`
and `since_known` do that, and who calls them sees whether what came is a whole walk.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Final

from caesura.checkpoint import rows
from caesura.checkpoint.history import Space
from caesura.checkpoint.operations import Load, Place
from caesura.checkpoint.recent import Known
from caesura.checkpoint.rows import Row
from caesura.storage.checkpoints.tables import OF_ROW, ROW, flat, with_given
from caesura.storage.statements import Statement

# From a checkpoint up to its full row, in one query: ids decide nothing, parent pointers do.
WALK: Final = f"""
WITH RECURSIVE walk ({ROW}, body) AS (
    SELECT {ROW}, body FROM thread_checkpoints
    WHERE thread_id = ? AND ns = ? AND checkpoint_id = ?
    UNION ALL
    SELECT {", ".join("c." + name for name in ROW.split(", "))}, c.body
    FROM walk JOIN thread_checkpoints AS c ON c.checkpoint_id = walk.parent_id
    WHERE walk.weight > 0 AND c.thread_id = ? AND c.ns = ?
)
SELECT {ROW}, body, NULL, NULL FROM walk"""

# The same, where nothing was forked since the full row: all rows since the newest full one. A fork leaves
# rows between that are of no use, and the walk is broken or, if they are many, cut off by the limit.
SINCE_FULL: Final = """
SELECT checkpoint_id, parent_id, worth, weight, ts, 0, NULL, '', body, NULL, follows
FROM thread_checkpoints WHERE thread_id = ? AND ns = ? AND checkpoint_id <= ? AND checkpoint_id >= (
    SELECT checkpoint_id FROM thread_checkpoints
    WHERE thread_id = ? AND ns = ? AND checkpoint_id <= ? AND weight = 0
    ORDER BY checkpoint_id DESC LIMIT 1)
ORDER BY checkpoint_id DESC LIMIT ?"""

# The same from a row on whose state is known.
SINCE_KNOWN: Final = """
SELECT checkpoint_id, parent_id, worth, weight, ts, 0, NULL, '', body, NULL, follows
FROM thread_checkpoints
WHERE thread_id = ? AND ns = ? AND checkpoint_id < ? AND checkpoint_id >= ?
ORDER BY checkpoint_id DESC LIMIT ?"""

# Several, of whatever threads: the ends are ``given``.
WALKS: Final = f"""
WITH RECURSIVE walk (thread_id, ns, {ROW}, body) AS (
    SELECT c.thread_id, c.ns, {OF_ROW} FROM (%s) AS given CROSS JOIN thread_checkpoints AS c
    WHERE c.thread_id = given.column2 AND c.ns = given.column3 AND c.checkpoint_id = given.column1
    UNION ALL
    SELECT c.thread_id, c.ns, {OF_ROW} FROM walk CROSS JOIN thread_checkpoints AS c
    WHERE walk.weight > 0
        AND c.thread_id = walk.thread_id AND c.ns = walk.ns AND c.checkpoint_id = walk.parent_id
)
SELECT thread_id, ns, {ROW}, body FROM walk"""
_SHORT: Final = 32
"""Rows of a walk that is read with others, at most: to go from row to row takes longer for each."""


def since_known(op: Load, known: Known, row: Row) -> Generator[Statement, Any, list[Row]]:
    """The walk to ``row`` from the row of a known state on, or the end of it."""
    if known.is_at(row):
        return [row]
    place = (op.thread_id, op.ns, row.checkpoint_id, known.row.checkpoint_id)
    found = yield SINCE_KNOWN, (*place, rows.longest(row, known.row))
    return rows.trace([*map(Row._make, found), row], row.checkpoint_id)


def since_full(thread_id: str, ns: str, row: Row) -> Generator[Statement, Any, list[Row]]:
    """The rows from the newest full one up to ``row``: its walk, if nothing was forked."""
    place = (thread_id, ns, row.checkpoint_id)
    found = yield SINCE_FULL, (*place, *place, rows.longest(row))
    return list(map(Row._make, found))


def walk_to(thread_id: str, ns: str, checkpoint_id: str) -> Generator[Statement, Any, list[Row]]:
    """The walk to a checkpoint, whatever was forked."""
    found = yield WALK, (thread_id, ns, checkpoint_id, thread_id, ns)
    return rows.walk(map(Row._make, found), checkpoint_id)


def walks_to(ends: Sequence[tuple[Space, Row]]) -> Generator[Statement, Any, list[list[Row]]]:
    """Several short walks come in one statement, others by themselves."""
    short = [Place(row.checkpoint_id, *s) for s, row in ends if rows.longest(row) <= _SHORT]
    found: dict[Space, list[Row]] = {}
    if len(short) > 1:
        for thread_id, ns, *columns in (yield with_given(WALKS, 3, len(short)), flat(short)):
            found.setdefault((thread_id, ns), []).append(Row(*columns))
    made = []
    for space, row in ends:
        if space in found:
            made.append(rows.walk(found[space], row.checkpoint_id))
        else:
            made.append((yield from _walk_back(space, row)))
    return made


def _walk_back(space: Space, row: Row) -> Generator[Statement, Any, list[Row]]:
    walked = rows.trace((yield from since_full(*space, row)), row.checkpoint_id)
    if walked and not walked[0].weight:
        return walked
    return (yield from walk_to(*space, row.checkpoint_id))
