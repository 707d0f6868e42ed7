"""What happened to interrupts, over all threads, in order of time: for those who follow them.

Keys first, each kind of change by its own index; rows only for what is not known yet.
"""

from __future__ import annotations

from typing import Any, Final

from caesura.checkpoint.rows import Codec
from caesura.records.operations import Changed, FindChangedQuestions
from caesura.storage.dialect import Dialect
from caesura.storage.records.questions import COLUMNS, FROM, THREAD_COLUMNS, question_of
from caesura.storage.statements import READ, Statements

_KEYS: Final = """
SELECT {0}, id, thread_id, {1} FROM thread_interrupts
WHERE {0} >= ? AND {2} ORDER BY {0}, id, thread_id LIMIT ?"""
# An answer that was given stays something that happened, even if the row was superseded since.
MOMENTS: Final = (
    _KEYS.format("asked_at", "'asked'", "true"),
    _KEYS.format("answered_at", "'answered'", "answered_at IS NOT NULL"),
    _KEYS.format(
        "closed_at", "status", "closed_at IS NOT NULL AND status IN ('withdrawn', 'superseded')"
    ),
)
_ROW: Final = f"SELECT {COLUMNS}, {THREAD_COLUMNS} {FROM} WHERE i.id = ? AND i.thread_id = ?"


def find(dialect: Dialect, codec: Codec, op: FindChangedQuestions) -> Statements:
    """`FindChangedQuestions`."""
    known = set(op.known)
    yield READ
    keys: list[tuple[str, str, str, str]] = []
    for sql in MOMENTS:
        keys += map(tuple, (yield sql, (op.since, op.limit + len(known))))
    found = []
    for key in sorted(key for key in keys if key not in known)[: op.limit]:
        for row in (yield _ROW, key[1:3]):
            found.append(Changed(key, *question_of(codec, row)))
    return found


PERFORM: Final[dict[type, Any]] = {FindChangedQuestions: find}
