"""Every operation of a saver as a generator of statements, written once for all SQL databases.

A generator yields ``(sql, parameters)``, is sent the rows of a query or the number of rows changed,
and returns the operation's result. A driver runs it: it decides what a connection is and who waits.
An operation of several statements first yields a `Begin`; then the driver makes one transaction of
the rest, and takes back all of it on any error. All encoding is done before that.

Where a database is far away, each wait for an answer counts. So statements that need not wait for each
other are yielded as one `Together`, and those that end the transaction say so: then they are committed
in the same round trip.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, Final, NamedTuple, cast

from caesura.checkpoint import rows
from caesura.checkpoint.history import Asked, Request, Rows, Space, Stored, Walks, asked_in
from caesura.checkpoint.operations import (
    ANY_HEAD,
    Accept,
    Commit,
    CopyThread,
    DeleteRuns,
    DeleteThread,
    FindCheckpoints,
    FindInterrupts,
    FindNamespaces,
    FindRuns,
    FindThreads,
    Flush,
    InterruptRow,
    Load,
    Namespace,
    Place,
    Prune,
    PutTogether,
    PutWrites,
    Sync,
    TaskWrites,
    ThreadSummary,
    Withdraw,
)
from caesura.checkpoint.recent import Known
from caesura.checkpoint.rows import INTERRUPT_COLUMNS, Codec, Folded, Headline, Row, WriteRow
from caesura.checkpoint.saver import ReadOn
from caesura.constants import NS_SEP
from caesura.errors import StaleThreadError, StorageError
from caesura.interrupts import lifecycle
from caesura.storage.dialect import Dialect


class Begin(NamedTuple):
    """Start of a transaction, and the end of the one before, if there was one.

    ``scope``: whose lock to take where the database needs one, a thread's id mostly; then nobody
    else is in a transaction of that scope. Without it a transaction must be right row by row.
    ``beside``: a second scope, which is read in several statements and must not change between them.
    """

    writes: bool
    scope: str | None = None
    sync: Sync = "usual"
    beside: str | None = None


READ: Final = Begin(writes=False)

Statement = tuple[str, Sequence[Any]]
UNTOLD: Final[Any] = object()


class Together(NamedTuple):
    """Statements that are performed in order, in one go → the list of their answers.

    ``ends``: with them the transaction is committed, whatever they changed. So each has its conditions in
    itself: if the first stores nothing because it is refused, the others must not either. What is yielded
    after them is no part of the transaction.

    If nobody hears whether that happened, the operation is begun anew, and must recognise what it has
    stored. ``result``: what it returns then, where it could not tell that from what others store; there
    must have been another statement in the transaction before these.
    """

    statements: Sequence[Statement]
    ends: bool = False
    result: Any = UNTOLD


Statements = Generator[Statement | Together | Begin, Any, Any]


# --- the statements --------------------------------------------------------------------------

_ROW: Final = "checkpoint_id, parent_id, worth, weight, ts, step, run_id, metadata"
_HEAD: Final = "SELECT max(checkpoint_id) FROM thread_checkpoints WHERE thread_id = ? AND ns = ?"
_OLDER: Final = _HEAD + " AND checkpoint_id < ?"
_EXISTS: Final = (
    "SELECT 1 FROM thread_checkpoints WHERE thread_id = ? AND ns = ? AND checkpoint_id = ?"
)

_WITHIN: Final = "(? = '' OR ns = ? OR substr(ns, 1, ?) = ?)"
_WAITS: Final = (
    f"SELECT 1 FROM thread_interrupts WHERE thread_id = ? AND status = 'open' AND {_WITHIN}"
)

_INSERT_ROW: Final = f"""
INSERT INTO thread_checkpoints (thread_id, ns, {_ROW}, body, closing, follows)
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
    under = f" AND EXISTS ({_EXISTS}{dialect.holding})" if nested else ""
    under += f" AND NOT EXISTS ({_WAITS})" if if_idle else ""
    return f"""{_INSERT_ROW} WHERE coalesce((
    SELECT checkpoint_id FROM thread_checkpoints WHERE thread_id = ? AND ns = ?
    ORDER BY checkpoint_id DESC LIMIT 1{dialect.holding}), '') = ?{under}{dialect.also(sync)}{_REPLACING}"""


# What the step left that ends in a checkpoint is found in the row after it (see `commit`).
NEXT_ROW: Final = """
SELECT checkpoint_id, parent_id, closing FROM thread_checkpoints
WHERE thread_id = ? AND ns = ? AND checkpoint_id > ? ORDER BY checkpoint_id LIMIT 1"""
CLEAR_CLOSING: Final = """
UPDATE thread_checkpoints SET closing = NULL
WHERE thread_id = ? AND ns = ? AND checkpoint_id = ?"""
REFOUND: Final = """
UPDATE thread_checkpoints SET
    parent_id = ?, worth = ?, weight = 0, body = ?, closing = NULL, follows = checkpoint_id
WHERE thread_id = ? AND ns = ? AND checkpoint_id = ?"""

# From a checkpoint up to its full row, in one query: ids decide nothing, parent pointers do.
WALK: Final = f"""
WITH RECURSIVE walk ({_ROW}, body) AS (
    SELECT {_ROW}, body FROM thread_checkpoints
    WHERE thread_id = ? AND ns = ? AND checkpoint_id = ?
    UNION ALL
    SELECT {", ".join("c." + name for name in _ROW.split(", "))}, c.body
    FROM walk JOIN thread_checkpoints AS c ON c.checkpoint_id = walk.parent_id
    WHERE walk.weight > 0 AND c.thread_id = ? AND c.ns = ?
)
SELECT {_ROW}, body, NULL, NULL FROM walk"""

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

_WRITE: Final = "task_id, idx, task_path, channel, value"
_COLUMNS: Final = ", ".join(INTERRUPT_COLUMNS)
_INTERRUPTS: Final = f"SELECT {_COLUMNS} FROM thread_interrupts"
_LIVE: Final = "(status = 'open' OR (status = 'answered' AND done = 0))"
INTERRUPTS_WITHIN: Final = f"{_INTERRUPTS} WHERE thread_id = ? AND {_WITHIN} ORDER BY seq"
OPEN_OF_THREAD: Final = f"""
{_INTERRUPTS} WHERE thread_id = ? AND status = 'open' ORDER BY seq"""
INTERRUPT: Final = f"{_INTERRUPTS} WHERE id = ? AND thread_id = ?"

# A page of checkpoints, of whatever threads: places are ``given`` in the order of `Place` (`_given`). As a
# condition with IN, SQLite would look at every row.
_OF_ROW: Final = ", ".join("c." + name for name in (*_ROW.split(", "), "body"))
ROWS_AT: Final = f"""
SELECT c.checkpoint_id, c.thread_id, c.ns,
    (SELECT max(h.checkpoint_id) FROM thread_checkpoints AS h
     WHERE h.thread_id = c.thread_id AND h.ns = c.ns),
    (SELECT CASE WHEN n.parent_id = c.checkpoint_id THEN n.closing END FROM thread_checkpoints AS n
     WHERE n.thread_id = c.thread_id AND n.ns = c.ns AND n.checkpoint_id > c.checkpoint_id
     ORDER BY n.checkpoint_id LIMIT 1),
    {_OF_ROW}
FROM (%s) AS given CROSS JOIN thread_checkpoints AS c
WHERE c.thread_id = given.column2 AND c.ns = given.column3 AND c.checkpoint_id = given.column1"""
WRITES_AT: Final = f"""
SELECT w.checkpoint_id, w.thread_id, w.ns, {_WRITE}
FROM (%s) AS given CROSS JOIN thread_writes AS w
WHERE w.thread_id = given.column2 AND w.ns = given.column3 AND w.checkpoint_id = given.column1"""
INTERRUPTS_OF: Final = f"{_INTERRUPTS} WHERE thread_id IN (%s) ORDER BY seq"
WALKS: Final = f"""
WITH RECURSIVE walk (thread_id, ns, {_ROW}, body) AS (
    SELECT c.thread_id, c.ns, {_OF_ROW} FROM (%s) AS given CROSS JOIN thread_checkpoints AS c
    WHERE c.thread_id = given.column2 AND c.ns = given.column3 AND c.checkpoint_id = given.column1
    UNION ALL
    SELECT c.thread_id, c.ns, {_OF_ROW} FROM walk CROSS JOIN thread_checkpoints AS c
    WHERE walk.weight > 0
        AND c.thread_id = walk.thread_id AND c.ns = walk.ns AND c.checkpoint_id = walk.parent_id
)
SELECT thread_id, ns, {_ROW}, body FROM walk"""
_SHORT: Final = 32
"""Rows of a walk that is read with others, at most: to go from row to row takes longer for each."""


@cache
def _given(sql: str, width: int, count: int) -> str:
    """``sql``, which is about ``count`` things that have ``width`` parameters each."""
    one = "(" + ", ".join("?" * width) + ")"
    return sql % ("VALUES " + ", ".join([one] * count))


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
    _A_ROW, ("(SELECT head FROM named)", *_ROW.split(", "), "body", "follows")
)
_write_places, _as_write = _placed(_A_WRITE, _WRITE.split(", "))

_READ: Final = f"""
WITH named (id, head) AS (
    SELECT %s, checkpoint_id FROM thread_checkpoints
    WHERE thread_id = ? AND ns = ? ORDER BY checkpoint_id DESC LIMIT 1)
SELECT {_interrupt_places} FROM thread_interrupts
WHERE thread_id = ? AND (
    (checkpoint_id = (SELECT id FROM named) AND ns = ?) OR ({_LIVE} AND {_WITHIN}))
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
    rest = (*space, *space, *_within(op.ns), *space, *space)
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


ASK: Final = f"""
INSERT INTO thread_interrupts ({_COLUMNS}, seq)
SELECT {", ".join("?" * len(INTERRUPT_COLUMNS))}, coalesce(max(seq), 0) + 1
FROM thread_interrupts WHERE thread_id = ?
ON CONFLICT (id, thread_id) DO NOTHING"""
ASK_AT_HEAD: Final = f"""
INSERT INTO thread_interrupts ({_COLUMNS}, seq)
SELECT {", ".join("?" * len(INTERRUPT_COLUMNS))},
    (SELECT coalesce(max(seq), 0) + 1 FROM thread_interrupts WHERE thread_id = ?)
WHERE coalesce(({_HEAD}), '') = ?
ON CONFLICT (id, thread_id) DO NOTHING"""
ASKED_AT: Final = "SELECT asked_at FROM thread_interrupts WHERE thread_id = ? AND id = ?"
_CHANGING: Final = (
    "status", "answer", "answered_at", "answered_by",
    "reason", "superseded_by", "closed_at", "done",
)  # fmt: skip
MOVE: Final = f"""
UPDATE thread_interrupts SET {", ".join(name + " = ?" for name in _CHANGING)}
WHERE id = ? AND thread_id = ? AND status = ?"""
WITHDRAW_WITHIN: Final = f"""
UPDATE thread_interrupts SET status = 'withdrawn', reason = ?, closed_at = ?
WHERE thread_id = ? AND status = 'open' AND {_WITHIN}"""
DONE: Final = "UPDATE thread_interrupts SET done = 1 WHERE thread_id = ? AND task_id = ?"
DROP_ERROR: Final = """
DELETE FROM thread_writes
WHERE thread_id = ? AND ns = ? AND checkpoint_id = ? AND task_id = ? AND idx = -1"""

_WRITE_BATCHES: Final = (1, 2, 8, 32, 128)
"""How many writes a statement stores: few numbers, because each is a statement to prepare."""
_WRITE_BYTES: Final = 1 << 22
"""And how many bytes, unless a single write has more."""
_CLOSING_BYTES: Final = 1 << 24
"""Of writes in the row of the checkpoint that they led to."""
_PADDING: Final = WriteRow("", -99, "", "", b"")


@cache
def _put_writes_sql(dialect: Dialect, count: int, sync: Sync, hangs: bool = False) -> str:
    """Store ``count`` writes on a checkpoint, which is named before and, if they hang on it, after them:
    then only if it is there, and stays so."""
    there = f" AND EXISTS ({_EXISTS}{dialect.holding})" if hangs else ""
    return f"""
INSERT INTO thread_writes (thread_id, ns, checkpoint_id, {_WRITE})
SELECT ?, ?, ?, given.* FROM (VALUES {", ".join(["(?, ?, ?, ?, ?)"] * count)}) AS given
WHERE column2 > {_PADDING.idx}{there}{dialect.also(sync)}
ON CONFLICT (thread_id, ns, checkpoint_id, task_id, idx) DO UPDATE SET
    task_path = excluded.task_path, channel = excluded.channel, value = excluded.value
WHERE excluded.idx < 0"""


_TABLES: Final = ("thread_checkpoints", "thread_writes", "thread_interrupts")


# --- checkpoints -----------------------------------------------------------------------------


def commit(dialect: Dialect, codec: Codec, op: Commit) -> Statements:
    """`Commit`: one guarded insert, if there is nothing else to store.

    A checkpoint that directly follows its parent takes along what the closing tasks wrote on it:
    one row for both. It is the next row after its parent, and stays so (`_part`).
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
    writes = _encode_tasks(codec, op.writes)
    puts: list[tuple[PutWrites, list[WriteRow], list[tuple[Any, ...]]]]
    if kept:
        puts = [(put, [], _seal(codec, put)) for put in op.closing if not rows.only_writes(put)]
    else:
        puts = [(put, *_encode_put(codec, put)) for put in op.closing]
    yield Begin(True, op.thread_id, op.sync)
    if row.weight and not direct and not (yield _EXISTS, (op.thread_id, op.ns, row.parent_id)):
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
        yield from _mend(put)
        yield from _store_writes(dialect, put, written)
        yield from _apply_rest(codec, put, opened)
    if writes:
        yield from _store_writes(dialect, op, writes)
    yield from _withdrawal(dialect, codec, op)
    return rows.chain_after(row, op.chain)


def _only_ends(op: PutWrites, written: Sequence[WriteRow], opened: Sequence[Any]) -> bool:
    """True if all there is left to store is that the answers of a task are used up."""
    return not (written or opened or op.superseded or op.mended)


def _withdrawal(dialect: Dialect, codec: Codec, op: Commit) -> Iterator[Statement]:
    """Statement that takes back what waits for a person, if that is asked for."""
    if op.withdraw is not None:
        values = (codec.seal_text(op.withdraw), op.ts, op.thread_id, *_within(op.ns))
        yield _if_stored(dialect, op, WITHDRAW_WITHIN, values)


def _if_stored(dialect: Dialect, op: Commit, sql: str, values: Sequence[Any]) -> Statement:
    """The statement, to be performed only if the checkpoint was just stored."""
    there = f"{sql} AND EXISTS ({_EXISTS}{dialect.ours})"
    return there, (*values, op.thread_id, op.ns, op.checkpoint_id)


def _insert(dialect: Dialect, codec: Codec, op: Commit, row: Row) -> Statements:
    """Store a row, beside others that cannot be stored in one go with it."""
    if op.expected_head != ANY_HEAD:
        yield from _require_stored(op, (yield _insertion(dialect, op, row)))
        return
    space = (op.thread_id, op.ns)
    yield from _free(dialect, codec, *space, op.checkpoint_id)
    yield PUT_ROW, (*space, *row._replace(follows=rows.put_mark(op.checkpoint_id)))
    codec.recent.drop(op.thread_id)


def _insertion(dialect: Dialect, op: Commit, row: Row, *, if_idle: bool = False) -> Statement:
    """Statement that stores a row after the head that it expects; that is ``follows``, if not its parent."""
    space, head = (op.thread_id, op.ns), op.expected_head or ""
    if op.expected_head != op.parent_id:
        row = row._replace(follows=head)
    under = (op.thread_id, *op.under) if op.under is not None else ()
    idle = (op.thread_id, *_within(op.ns)) if if_idle else ()
    sql = insert_row_if_head(dialect, op.sync, bool(under), if_idle)
    return sql, (*space, *row, *space, head, *under, *idle)


def _require_stored(op: Commit, stored: int) -> Statements:
    """Raises `StaleThreadError` unless the row is there: perhaps since an attempt nobody heard of."""
    if stored != 1 and not (yield _EXISTS, (op.thread_id, op.ns, op.checkpoint_id)):
        raise (yield from _stale(op))


def _stale(op: Commit) -> Statements:
    head = yield from _head(op)
    if head == op.expected_head and op.under is not None:
        ns, id = op.under
        return StaleThreadError(op.thread_id, id, (yield from _head(op, ns)))
    return StaleThreadError(op.thread_id, op.expected_head, head)


def _free(
    dialect: Dialect, codec: Codec, thread_id: str, ns: str, checkpoint_id: str
) -> Statements:
    """Nothing is built on this row any more: if it is there, it is about to be another."""
    space = (thread_id, ns)
    yield from _part(dialect, *space, checkpoint_id)
    if not (yield _EXISTS, (*space, checkpoint_id)):
        return
    for line in (yield from _headlines(dialect, thread_id)).get(ns, ()):
        if line.weight and line.parent_id == checkpoint_id:
            walked = yield from _walk(*space, line.checkpoint_id)
            row = rows.collapsed(codec, walked, checkpoint_id)
            yield REFOUND, (checkpoint_id, row.worth, row.body, *space, row.checkpoint_id)


def _part(dialect: Dialect, thread_id: str, ns: str, checkpoint_id: str) -> Statements:
    """What the next row holds of this one, or of the one before, moves to a place of its own."""
    for next_id, parent_id, closing in (yield NEXT_ROW, (thread_id, ns, checkpoint_id)):
        if closing is not None:
            parent = PutWrites(thread_id, ns, parent_id, "", "", ())
            yield from _store_writes(dialect, parent, [rows.packed_row(closing, next_id)])
            yield CLEAR_CLOSING, (thread_id, ns, next_id)


def _head(
    op: Load | Commit | PutWrites, ns: str | None = None
) -> Generator[Statement, Any, str | None]:
    found = yield _HEAD, (op.thread_id, op.ns if ns is None else ns)
    return cast("str | None", found[0][0])


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
        walked = yield from _walk(op.thread_id, op.ns, found.row.checkpoint_id)
        folded = rows.Folded(rows.fold(codec, walked), rows.chain_of(walked))
    row = found.row
    asked, closing = _unseal(codec, found.asked), None
    if row.checkpoint_id != found.head_id:
        closing = yield from _closing_of(op.thread_id, op.ns, row.checkpoint_id)
    writes = rows.read_writes(codec, found.writes, closing)
    if op.checkpoint_id is not None and writes:
        known = {row.id for row in asked}
        below = _unseal(codec, (yield INTERRUPTS_WITHIN, (op.thread_id, *_within(op.ns))))
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
        walked = yield from _since(op, known, row)
        made = rows.folded(codec, walked, known)
    if made is None:
        between = yield from _range(op.thread_id, op.ns, row)
        walked = rows.trace([*between, row], row.checkpoint_id)
        made = rows.folded(codec, walked)
    if made is not None and row.checkpoint_id == found.head_id:
        recent.note(codec, op.thread_id, op.ns, walked, made)
    return made


def _since(op: Load, known: Known, row: Row) -> Generator[Statement, Any, list[Row]]:
    """The walk to ``row`` from the row of a known state on, or the end of it."""
    if known.is_at(row):
        return [row]
    place = (op.thread_id, op.ns, row.checkpoint_id, known.row.checkpoint_id)
    found = yield SINCE_KNOWN, (*place, rows.longest(row, known.row))
    return rows.trace([*map(Row._make, found), row], row.checkpoint_id)


def _range(thread_id: str, ns: str, row: Row) -> Generator[Statement, Any, list[Row]]:
    place = (thread_id, ns, row.checkpoint_id)
    found = yield SINCE_FULL, (*place, *place, rows.longest(row))
    return list(map(Row._make, found))


def _walk(thread_id: str, ns: str, checkpoint_id: str) -> Generator[Statement, Any, list[Row]]:
    found = yield WALK, (thread_id, ns, checkpoint_id, thread_id, ns)
    return rows.walk(map(Row._make, found), checkpoint_id)


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
            places, values = _places(request.places, request.places.limit)
            found = yield ROWS_AT % places, values
        else:
            found = yield _given(ROWS_AT, 3, len(request.places)), _flat(request.places)
        return [Stored(Place._make(r[:3]), r[3], Row(*r[5:]), r[4]) for r in found]
    if isinstance(request, Asked):
        threads = list(dict.fromkeys(thread_id for thread_id, _ in request.spaces))
        found = yield _given(INTERRUPTS_OF, 1, len(threads)), threads
        return asked_in(codec, request, found)
    if isinstance(request, Walks):
        return (yield from _walks(request.ends))
    found = yield _given(WRITES_AT, 3, len(request.places)), _flat(request.places)
    return [(Place._make(r[:3]), WriteRow._make(r[3:])) for r in found]


def _flat(given: Iterable[Sequence[Any]]) -> list[Any]:
    return [value for each in given for value in each]


def _walks(ends: Sequence[tuple[Space, Row]]) -> Generator[Statement, Any, list[list[Row]]]:
    """Several short walks come in one statement, others by themselves."""
    short = [Place(row.checkpoint_id, *s) for s, row in ends if rows.longest(row) <= _SHORT]
    found: dict[Space, list[Row]] = {}
    if len(short) > 1:
        for thread_id, ns, *columns in (yield _given(WALKS, 3, len(short)), _flat(short)):
            found.setdefault((thread_id, ns), []).append(Row(*columns))
    made = []
    for space, row in ends:
        if space in found:
            made.append(rows.walk(found[space], row.checkpoint_id))
        else:
            made.append((yield from _walk_to(space, row)))
    return made


def _walk_to(space: Space, row: Row) -> Generator[Statement, Any, list[Row]]:
    walked = rows.trace((yield from _range(*space, row)), row.checkpoint_id)
    if walked and not walked[0].weight:
        return walked
    return (yield from _walk(*space, row.checkpoint_id))


def _closing_of(
    thread_id: str, ns: str, checkpoint_id: str
) -> Generator[Statement, Any, bytes | None]:
    """What was stored of the writes on a checkpoint with the row after it."""
    for _, parent_id, closing in (yield NEXT_ROW, (thread_id, ns, checkpoint_id)):
        return cast("bytes | None", closing) if parent_id == checkpoint_id else None
    return None


def _within(ns: str) -> tuple[str, str, int, str]:
    """Parameters of ``_WITHIN``."""
    prefix = ns + NS_SEP
    return ns, ns, len(prefix), prefix


# --- writes ----------------------------------------------------------------------------------


def put_writes(dialect: Dialect, codec: Codec, op: PutWrites) -> Statements:
    """`PutWrites`: one statement, if all there is to store are a few writes, or a question."""
    if len(op.opened) == 1 and op.expected_head not in (None, ANY_HEAD) and _only_asks(op):
        return _ask(op, *_seal(codec, op))
    return _put(dialect, codec, (op,), op.sync)


def put_together(dialect: Dialect, codec: Codec, op: PutTogether) -> Statements:
    """`PutTogether`: the writes of all in as few statements as if one task had made them."""
    return _put(dialect, codec, op.puts, op.sync)


def _put(dialect: Dialect, codec: Codec, puts: Sequence[PutWrites], sync: Sync) -> Statements:
    encoded = [(put, *_encode_put(codec, put)) for put in puts]
    writes = encoded[0][1]
    if len(puts) > 1:
        writes = rows.merged(write for _, written, _ in encoded for write in written)
    more = [(put, opened) for put, _, opened in encoded if not rows.only_writes(put)]
    if more or sync == "now" or len(_batches(writes)) > 1:
        yield Begin(True, puts[0].thread_id, sync)
    for put, opened in more:
        if opened:
            yield from _refuse_stale(put)
        yield from _mend(put)
    yield from _hang(dialect, puts[0], writes, sync)
    for put, opened in more:
        yield from _apply_rest(codec, put, opened)


def _hang(dialect: Dialect, op: PutWrites, writes: Sequence[WriteRow], sync: Sync) -> Statements:
    """Store writes on the checkpoint of ``op``. Raises `StaleThreadError` if it is not there."""
    stored = yield from _store_writes(dialect, op, writes, sync=sync, hangs=not op.early)
    place = (op.thread_id, op.ns, op.checkpoint_id)
    if stored < len(writes) and not op.early and not (yield _EXISTS, place):
        raise StaleThreadError(op.thread_id, op.checkpoint_id, (yield from _head(op)))


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
    head = yield from _head(op)
    if head != op.expected_head:
        found = yield ASKED_AT, (op.thread_id, op.opened[0].id)
        if [(op.opened[0].asked_at,)] != found:
            raise StaleThreadError(op.thread_id, op.expected_head, head)


def _refuse_stale(op: PutWrites) -> Statements:
    """Raises `StaleThreadError` if questions were not asked on the newest checkpoint, as they must be."""
    if op.expected_head is not None and op.expected_head != ANY_HEAD:
        head = yield from _head(op)
        if head != op.expected_head:
            raise StaleThreadError(op.thread_id, op.expected_head, head)


def flush(dialect: Dialect, codec: Codec, op: Flush) -> Statements:
    """`Flush`."""
    if dialect.flush:
        yield dialect.flush, ()


def _encode_put(codec: Codec, op: PutWrites) -> tuple[list[WriteRow], list[tuple[Any, ...]]]:
    return rows.encode_writes(codec, op.task_id, op.task_path, op.writes), _seal(codec, op)


def _seal(codec: Codec, op: PutWrites) -> list[tuple[Any, ...]]:
    return [rows.seal_interrupt(codec, row) for row in op.opened]


def _encode_tasks(codec: Codec, tasks: Sequence[TaskWrites]) -> list[WriteRow]:
    return [
        row
        for task in tasks
        for row in rows.encode_writes(codec, task.task_id, task.task_path, task.writes)
    ]


def _mend(op: PutWrites) -> Statements:
    if op.mended:
        yield DROP_ERROR, (op.thread_id, op.ns, op.checkpoint_id, op.task_id)


def _apply_rest(codec: Codec, op: PutWrites, opened: Iterable[tuple[Any, ...]]) -> Statements:
    """What comes with the writes of a task, once they are stored."""
    for columns in opened:
        yield ASK, (*columns, op.thread_id)
    if op.superseded:
        yield from _supersede(codec, op)
    if op.done:
        yield DONE, (op.thread_id, op.task_id)


def _store_writes(
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
    for size, batch in _batches(writes):
        values = [value for write in batch for value in write]
        sql = _put_writes_sql(dialect, size, sync or op.sync, hangs)
        stored += yield sql, (*place, *values, *_PADDING * (size - len(batch)), *there)
    return stored


def _batches(writes: Sequence[WriteRow]) -> list[tuple[int, Sequence[WriteRow]]]:
    """Writes in portions for a statement each, which takes so many of them (`_PADDING` included)."""
    made, start, weight = [], 0, 0
    for end, write in enumerate(writes):
        weight += len(write.value)
        if end > start and (weight > _WRITE_BYTES or end - start == _WRITE_BATCHES[-1]):
            made.append(writes[start:end])
            start, weight = end, len(write.value)
    if writes:
        made.append(writes[start:])
    return [(next(s for s in _WRITE_BATCHES if s >= len(batch)), batch) for batch in made]


# --- interrupts ------------------------------------------------------------------------------


def _unseal(codec: Codec, found: Iterable[Sequence[Any]]) -> list[InterruptRow]:
    return [rows.unseal_interrupt(codec, columns) for columns in found]


def _move(codec: Codec, before: InterruptRow, after: InterruptRow) -> Statement:
    """Statement that stores the move of a row, if it still stands where it was read."""
    sealed = dict(zip(INTERRUPT_COLUMNS, rows.seal_interrupt(codec, after), strict=True))
    changed = [sealed[name] for name in _CHANGING]
    return MOVE, (*changed, before.id, before.thread_id, before.status)


def _supersede(codec: Codec, op: PutWrites) -> Statements:
    asked_at = {row.id: row.asked_at for row in op.opened}
    for old, new, reason in op.superseded:
        for row in _unseal(codec, (yield INTERRUPT, (old, op.thread_id))):
            closed = lifecycle.supersede(row, new, reason, asked_at.get(new))
            if closed is not None:
                yield _move(codec, row, closed)


def accept(dialect: Dialect, codec: Codec, op: Accept) -> Statements:
    """`Accept`: read, decide, and write only what still stands as it was read."""
    writes = _encode_tasks(codec, op.writes)
    for answer in op.answers:
        codec.encode(answer.value)
    yield Begin(True, op.thread_id, "now")
    found = {row.id: row for row in _unseal(codec, (yield OPEN_OF_THREAD, (op.thread_id,)))}
    for interrupt_id in {a.interrupt_id for a in op.answers} - found.keys():
        for row in _unseal(codec, (yield INTERRUPT, (interrupt_id, op.thread_id))):
            found[row.id] = row
    made = lifecycle.accept(found.values(), op.answers, op.at)
    moves = [_move(codec, found[row.id], row) for row in made]
    alone = len(moves) == 1 and not writes  # else some could be refused, and others not
    for row, moved in zip(made, (yield Together(moves, alone, made)), strict=True):
        if moved != 1:
            raise StorageError(f"Interrupt {row.id} changed while it was answered. Try again.")
    if writes:
        place = PutWrites(op.thread_id, op.ns, rows.target_of(op), "", "", ())
        yield from _store_writes(dialect, place, writes)
    return made


def withdraw(dialect: Dialect, codec: Codec, op: Withdraw) -> Statements:
    """`Withdraw`."""
    yield Begin(True, op.thread_id)
    found = _unseal(codec, (yield OPEN_OF_THREAD, (op.thread_id,)))
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
    return _unseal(
        codec, (yield f"{_INTERRUPTS}{where} ORDER BY asked_at, thread_id, seq{limit}", values)
    )


# --- threads ---------------------------------------------------------------------------------

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
        page = yield _places(op, size)
        for *place, metadata in page:
            if not op.filter or rows.matches(codec.decode(metadata), op.filter):
                found.append(Place(*place))
        if len(page) < size or len(found) >= op.limit:
            return found[: op.limit]
        op, size = op._replace(before=Place(*page[-1][:3])), min(4 * size, _MANY)


def _places(op: FindCheckpoints, size: int) -> Statement:
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


# --- upkeep ----------------------------------------------------------------------------------

_COPY_ROWS: Final = f"""
INSERT INTO thread_checkpoints (thread_id, ns, {_ROW}, body, closing, follows)
SELECT ?, ns, {_ROW}, body, closing, follows FROM thread_checkpoints WHERE thread_id = ?"""
_COPY_WRITES: Final = f"""
INSERT INTO thread_writes (thread_id, ns, checkpoint_id, {_WRITE})
SELECT ?, ns, checkpoint_id, {_WRITE} FROM thread_writes WHERE thread_id = ?"""
_OTHERS: Final = ", ".join(["seq", *(n for n in INTERRUPT_COLUMNS if n != "thread_id")])
_COPY_INTERRUPTS: Final = f"""
INSERT INTO thread_interrupts (thread_id, {_OTHERS})
SELECT ?, {_OTHERS} FROM thread_interrupts WHERE thread_id = ?"""
_HEADS_OF: Final = """
SELECT ns, checkpoint_id, parent_id, weight, run_id FROM thread_checkpoints WHERE thread_id = ?
ORDER BY ns, checkpoint_id"""


def delete_thread(dialect: Dialect, codec: Codec, op: DeleteThread) -> Statements:
    """`DeleteThread`."""
    yield Begin(True, op.thread_id)
    if dialect.freezing:
        yield from _headlines(dialect, op.thread_id)
    yield Together(
        [(f"DELETE FROM {table} WHERE thread_id = ?", (op.thread_id,)) for table in _TABLES],
        ends=True,
    )
    codec.recent.drop(op.thread_id)


def copy_thread(dialect: Dialect, codec: Codec, op: CopyThread) -> Statements:
    """`CopyThread`."""
    yield Begin(True, op.target_id, beside=op.source_id)
    if (yield NAMESPACES_OF, (op.target_id,)):
        raise StorageError(rows.target_exists(op))
    if dialect.freezing:  # a step of a run is stored without the thread's lock
        yield from _headlines(dialect, op.source_id)
    place = (op.target_id, op.source_id)
    copies = [(sql, place) for sql in (_COPY_ROWS, _COPY_WRITES, _COPY_INTERRUPTS)]
    yield Together(copies, ends=True, result=None)


def prune(dialect: Dialect, codec: Codec, op: Prune) -> Statements:
    """`Prune`."""
    yield Begin(True, op.thread_id)
    for ns, lines in (yield from _headlines(dialect, op.thread_id)).items():
        doomed = {line.checkpoint_id for line in lines[:-1]}
        yield from _remove(dialect, codec, op.thread_id, ns, lines, doomed, keep_live=True)
    codec.recent.drop(op.thread_id)


def delete_runs(dialect: Dialect, codec: Codec, op: DeleteRuns) -> Statements:
    """`DeleteRuns`."""
    yield Begin(True, op.thread_id)
    wanted = set(op.run_ids)
    for ns, lines in (yield from _headlines(dialect, op.thread_id)).items():
        doomed = {line.checkpoint_id for line in lines if line.run_id in wanted}
        yield from _remove(dialect, codec, op.thread_id, ns, lines, doomed, keep_live=False)
    codec.recent.drop(op.thread_id)


def _headlines(
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
        walked = yield from _walk(*space, line.checkpoint_id)
        row = rows.collapsed(codec, walked, parent)
        yield REFOUND, (parent, row.worth, row.body, *space, row.checkpoint_id)
    for parent_id in {line.parent_id for line in lines if line.checkpoint_id in doomed} - doomed:
        if parent_id is not None:
            yield from _part(dialect, *space, parent_id)
    for checkpoint_id in doomed:
        place = (*space, checkpoint_id)
        for table in _TABLES:
            spared = f" AND NOT {_LIVE}" if keep_live and table == "thread_interrupts" else ""
            yield (
                f"DELETE FROM {table} WHERE thread_id = ? AND ns = ? AND checkpoint_id = ?{spared}",
                place,
            )


Perform = Callable[[Dialect, Codec, Any], Statements]

PERFORM: Final[dict[type, Perform]] = {
    Load: load,
    Commit: commit,
    PutWrites: put_writes,
    PutTogether: put_together,
    Flush: flush,
    Accept: accept,
    Withdraw: withdraw,
    FindInterrupts: find_interrupts,
    FindThreads: find_threads,
    FindNamespaces: find_namespaces,
    FindCheckpoints: find_checkpoints,
    FindRuns: find_runs,
    ReadOn: read_on,
    DeleteThread: delete_thread,
    DeleteRuns: delete_runs,
    Prune: prune,
    CopyThread: copy_thread,
}
"""Operation → its generator."""
