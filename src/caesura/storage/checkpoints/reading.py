"""Checkpoints read: one with all that hangs on it, or the next page of a history.

`load` finds a row, its writes and its questions by one statement over three tables, and then the rows that
it builds on, if it is not full. `read_on` answers what a reader of a history asks, a page at a time: each
request is one statement about all places of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple, cast

from caesura.checkpoint import rows
from caesura.checkpoint.history import Asked, Request, Rows, Stored, Walks, asked_in
from caesura.checkpoint.operations import FindCheckpoints, Load, Place
from caesura.checkpoint.rows import INTERRUPT_COLUMNS, Codec, Folded, Row, WriteRow
from caesura.checkpoint.saver import ReadOn
from caesura.storage.checkpoints.finding import find_checkpoints, places_of
from caesura.storage.checkpoints.tables import (
    HEAD,
    INTERRUPTS,
    LIVE,
    NEXT_ROW,
    OF_ROW,
    ROW,
    WITHIN,
    WRITE,
    flat,
    unseal,
    with_given,
    within,
)
from caesura.storage.checkpoints.walking import since_full, since_known, walk_to, walks_to
from caesura.storage.dialect import Dialect
from caesura.storage.statements import READ, Perform, Statement, Statements

_OLDER: Final = HEAD + " AND checkpoint_id < ?"
INTERRUPTS_WITHIN: Final = f"{INTERRUPTS} WHERE thread_id = ? AND {WITHIN} ORDER BY seq"

# A page of checkpoints, of whatever threads: places are ``given`` in the order of `Place` (`with_given`). As a
# condition with IN, SQLite would look at every row.
ROWS_AT: Final = f"""
SELECT c.checkpoint_id, c.thread_id, c.ns,
    (SELECT max(h.checkpoint_id) FROM thread_checkpoints AS h
     WHERE h.thread_id = c.thread_id AND h.ns = c.ns),
    (SELECT CASE WHEN n.parent_id = c.checkpoint_id THEN n.closing END FROM thread_checkpoints AS n
     WHERE n.thread_id = c.thread_id AND n.ns = c.ns AND n.checkpoint_id > c.checkpoint_id
     ORDER BY n.checkpoint_id LIMIT 1),
    {OF_ROW}
FROM (%s) AS given CROSS JOIN thread_checkpoints AS c
WHERE c.thread_id = given.column2 AND c.ns = given.column3 AND c.checkpoint_id = given.column1"""
WRITES_AT: Final = f"""
SELECT w.checkpoint_id, w.thread_id, w.ns, {WRITE}
FROM (%s) AS given CROSS JOIN thread_writes AS w
WHERE w.thread_id = given.column2 AND w.ns = given.column3 AND w.checkpoint_id = given.column1"""
INTERRUPTS_OF: Final = f"{INTERRUPTS} WHERE thread_id IN (%s) ORDER BY seq"

# A checkpoint with all that hangs on it, from three tables in one statement: one round trip, and read at
# one moment without a transaction. Each table's columns stand in places of their type.
_INTEGERS: Final = {"worth", "weight", "step", "idx", "seq", "slot", "done"}
_BLOBS: Final = {"metadata", "body", "value", "payload", "response_schema", "answer"}
_WIDTHS: Final = {int: 3, bytes: 3, str: 17}


def _placed(kind: int, columns: Sequence[str]) -> tuple[str, Callable[[Sequence[Any]], Any]]:
    """``columns`` as a part of that statement, and what takes them out of a row again."""
    free, width = {}, 1
    for of, count in _WIDTHS.items():
        free[of] = iter(range(width, width + count))
        width += count
    places, taken = [str(kind)] + ["NULL"] * (width - 1), []
    for column in columns:
        of = int if column in _INTEGERS else bytes if column in _BLOBS else str
        taken.append(next(free[of]))
        places[taken[-1]] = column
    return ", ".join(places), itemgetter(*taken)


_AN_INTERRUPT, _A_ROW, _A_WRITE = 0, 1, 2
_interrupt_places, _as_interrupt = _placed(_AN_INTERRUPT, ("seq", *INTERRUPT_COLUMNS))
_row_places, _as_row = _placed(
    _A_ROW, ("(SELECT head FROM named)", *ROW.split(", "), "body", "follows")
)
_write_places, _as_write = _placed(_A_WRITE, WRITE.split(", "))

_READ: Final = f"""
WITH named (id, head) AS (
    SELECT %s, checkpoint_id FROM thread_checkpoints
    WHERE thread_id = ? AND ns = ? ORDER BY checkpoint_id DESC LIMIT 1)
SELECT {_interrupt_places} FROM thread_interrupts
WHERE thread_id = ? AND (
    (checkpoint_id = (SELECT id FROM named) AND ns = ?) OR ({LIVE} AND {WITHIN}))
UNION ALL
SELECT {_row_places} FROM thread_checkpoints
WHERE thread_id = ? AND ns = ? AND checkpoint_id = (SELECT id FROM named)
UNION ALL
SELECT {_write_places} FROM thread_writes
WHERE thread_id = ? AND ns = ? AND checkpoint_id = (SELECT id FROM named)"""
READ_NEWEST: Final = _READ % "checkpoint_id"
READ_NAMED: Final = _READ % "CAST(? AS TEXT)"
READ_OLDER: Final = _READ % f"({_OLDER})"


class _Found(NamedTuple):
    """A checkpoint as `_READ` finds it."""

    head_id: str
    row: Row
    writes: list[WriteRow]
    asked: list[Sequence[Any]]


def _read(op: Load) -> Generator[Statement, Any, _Found | None]:
    space = (op.thread_id, op.ns)
    rest = (*space, *space, *within(op.ns), *space, *space)
    if op.checkpoint_id is not None:
        found = yield READ_NAMED, (op.checkpoint_id, *rest)
    elif op.before is not None:
        found = yield READ_OLDER, (*space, op.before, *rest)
    else:
        found = yield READ_NEWEST, rest
    row = next((_as_row(r) for r in found if r[0] == _A_ROW), None)
    if row is None:
        return None
    writes = [WriteRow._make(_as_write(r)) for r in found if r[0] == _A_WRITE]
    asked = sorted((_as_interrupt(r) for r in found if r[0] == _AN_INTERRUPT), key=itemgetter(0))
    return _Found(
        row[0], Row._make((*row[1:-1], None, row[-1])), writes, [columns[1:] for columns in asked]
    )


def load(dialect: Dialect, codec: Codec, op: Load) -> Statements:
    """`Load`: one statement for a full row, two for another: what it builds on does not change.

    Only an older checkpoint, and a walk with forks in it, must be read at one moment in several.
    """
    if op.checkpoint_id is not None or op.before is not None:
        yield READ
    found = yield from _read(op)
    if found is None:
        return None
    folded = yield from _folded(codec, op, found)
    if folded is None:
        yield READ
        found = yield from _read(op)
        if found is None:
            return None
        walked = yield from walk_to(op.thread_id, op.ns, found.row.checkpoint_id)
        folded = rows.Folded(rows.fold(codec, walked), rows.chain_of(walked))
    row = found.row
    asked, closing = unseal(codec, found.asked), None
    if row.checkpoint_id != found.head_id:
        closing = yield from _closing_of(op.thread_id, op.ns, row.checkpoint_id)
    writes = rows.read_writes(codec, found.writes, closing)
    if op.checkpoint_id is not None and writes:
        known = {row.id for row in asked}
        below = unseal(codec, (yield INTERRUPTS_WITHIN, (op.thread_id, *within(op.ns))))
        asked = [row for row in below if row.id in known or rows.inside_of(row, writes)]
    return rows.assemble(
        codec,
        op,
        row,
        *folded,
        head_id=found.head_id,
        writes=writes,
        interrupts=asked,
    )


def _folded(codec: Codec, op: Load, found: _Found) -> Generator[Statement, Any, Folded | None]:
    """The state that was found: on from the one that was read last, or from the full row. None if there
    are other rows between, or some are gone."""
    recent, row = codec.recent, found.row
    if not row.weight:
        return rows.folded(codec, [row])
    known = recent.before(codec, op.thread_id, op.ns, row)
    walked, made = [row], None
    if known is not None:
        walked = yield from since_known(op, known, row)
        made = rows.folded(codec, walked, known)
    if made is None:
        between = yield from since_full(op.thread_id, op.ns, row)
        walked = rows.trace([*between, row], row.checkpoint_id)
        made = rows.folded(codec, walked)
    if made is not None and row.checkpoint_id == found.head_id:
        recent.note(codec, op.thread_id, op.ns, walked, made)
    return made


def read_on(dialect: Dialect, codec: Codec, op: ReadOn) -> Statements:
    """`ReadOn`: the next page of a history, read at one moment, in few statements for all of it."""
    yield READ
    steps, answer = op.reader.page(), None
    while True:
        try:
            request = steps.send(answer)
        except StopIteration as done:
            return done.value
        answer = yield from _answer(dialect, codec, request)


def _answer(dialect: Dialect, codec: Codec, request: Request) -> Statements:
    if isinstance(request, FindCheckpoints):
        return (yield from find_checkpoints(dialect, codec, request))
    if isinstance(request, Rows):
        if isinstance(request.places, FindCheckpoints):
            places, values = places_of(request.places, request.places.limit)
            found = yield ROWS_AT % places, values
        else:
            found = yield with_given(ROWS_AT, 3, len(request.places)), flat(request.places)
        return [Stored(Place._make(r[:3]), r[3], Row(*r[5:]), r[4]) for r in found]
    if isinstance(request, Asked):
        threads = list(dict.fromkeys(thread_id for thread_id, _ in request.spaces))
        found = yield with_given(INTERRUPTS_OF, 1, len(threads)), threads
        return asked_in(codec, request, found)
    if isinstance(request, Walks):
        return (yield from walks_to(request.ends))
    found = yield with_given(WRITES_AT, 3, len(request.places)), flat(request.places)
    return [(Place._make(r[:3]), WriteRow._make(r[3:])) for r in found]


def _closing_of(
    thread_id: str, ns: str, checkpoint_id: str
) -> Generator[Statement, Any, bytes | None]:
    """What was stored of the writes on a checkpoint with the row after it."""
    for _, parent_id, closing in (yield NEXT_ROW, (thread_id, ns, checkpoint_id)):
        return cast("bytes | None", closing) if parent_id == checkpoint_id else None
    return None


PERFORM: Final[dict[type, Perform]] = {
    Load: load,
    ReadOn: read_on,
}
