"""Threads, namespaces, checkpoints and runs found.

Checkpoints are found by their keys, newest first. What is asked of their metadata is decided here and not
in SQL, because they are encoded: pages of places with metadata are read, more at a time, until enough match.
"""

from __future__ import annotations

from typing import Final

from caesura.checkpoint import rows
from caesura.checkpoint.operations import (
    FindCheckpoints,
    FindNamespaces,
    FindRuns,
    FindThreads,
    Namespace,
    Place,
    ThreadSummary,
)
from caesura.checkpoint.rows import Codec
from caesura.storage.dialect import Dialect
from caesura.storage.statements import Perform, Statement, Statements

_SUMMARIES: Final = """
SELECT h.thread_id, h.head, c.ts, c.step, h.n,
    (SELECT count(*) FROM thread_interrupts AS i
     WHERE i.thread_id = h.thread_id AND i.status = 'open')
FROM (
    SELECT thread_id, max(checkpoint_id) AS head, count(*) AS n FROM thread_checkpoints
    WHERE ns = ''%s GROUP BY thread_id ORDER BY head DESC LIMIT ?
) AS h
JOIN thread_checkpoints AS c
    ON c.thread_id = h.thread_id AND c.ns = '' AND c.checkpoint_id = h.head
ORDER BY h.head DESC"""
SUMMARIES: Final = _SUMMARIES % ""
SUMMARY: Final = _SUMMARIES % " AND thread_id = ?"
_ALL: Final = 2**62

NAMESPACES: Final = """
SELECT thread_id, ns, max(checkpoint_id) FROM thread_checkpoints GROUP BY thread_id, ns"""
NAMESPACES_OF: Final = """
SELECT thread_id, ns, max(checkpoint_id) FROM thread_checkpoints WHERE thread_id = ?
GROUP BY thread_id, ns"""

_PLACES: Final = """
SELECT checkpoint_id AS column1, thread_id AS column2, ns AS column3, %s FROM thread_checkpoints
WHERE %s ORDER BY checkpoint_id DESC, thread_id DESC, ns DESC LIMIT ?"""
_FEW: Final = 64
_MANY: Final = 16_384
"""Checkpoints whose metadata are read at a time to find some, first and later on."""


def find_threads(dialect: Dialect, codec: Codec, op: FindThreads) -> Statements:
    """`FindThreads`."""
    limit = _ALL if op.limit is None else op.limit
    if op.thread_id is None:
        found = yield SUMMARIES, (limit,)
    else:
        found = yield SUMMARY, (op.thread_id, limit)
    return [ThreadSummary._make(r) for r in found]


def find_namespaces(dialect: Dialect, codec: Codec, op: FindNamespaces) -> Statements:
    """`FindNamespaces`."""
    if op.thread_id is None:
        found = yield NAMESPACES, ()
    else:
        found = yield NAMESPACES_OF, (op.thread_id,)
    return [Namespace._make(r) for r in found]


def find_checkpoints(dialect: Dialect, codec: Codec, op: FindCheckpoints) -> Statements:
    """`FindCheckpoints`: the key serves, and its order does within one namespace."""
    size = max(op.limit, _FEW) if op.filter else op.limit
    found: list[Place] = []
    while True:
        page = yield places_of(op, size)
        for *place, metadata in page:
            if not op.filter or rows.matches(codec.decode(metadata), op.filter):
                found.append(Place(*place))
        if len(page) < size or len(found) >= op.limit:
            return found[: op.limit]
        op, size = op._replace(before=Place(*page[-1][:3])), min(4 * size, _MANY)


def places_of(op: FindCheckpoints, size: int) -> Statement:
    """The newest places that are asked for, and the metadata there if those decide."""
    terms, values = ["true"], []
    for name, value in (("thread_id = ?", op.thread_id), ("ns = ?", op.ns)):
        if value is not None:
            terms.append(name)
            values.append(value)
    if op.before is not None:
        terms.append("(checkpoint_id, thread_id, ns) < (?, ?, ?)")
        values += op.before
    column = "metadata" if op.filter else "NULL"
    return _PLACES % (column, " AND ".join(terms)), (*values, size)


def find_runs(dialect: Dialect, codec: Codec, op: FindRuns) -> Statements:
    """`FindRuns`."""
    if not op.run_ids:
        return []
    places = ", ".join("?" * len(op.run_ids))
    sql = f"SELECT DISTINCT thread_id FROM thread_checkpoints WHERE run_id IN ({places})"
    return [r[0] for r in (yield sql, list(op.run_ids))]


PERFORM: Final[dict[type, Perform]] = {
    FindThreads: find_threads,
    FindNamespaces: find_namespaces,
    FindCheckpoints: find_checkpoints,
    FindRuns: find_runs,
}
