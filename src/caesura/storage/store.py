"""The operations of the long-term store as generators of statements, as in `storage.checkpoints`.

A batch is one transaction: its reads, then a longer life for what they read, then its puts. A search
goes through the namespaces below its prefix, one after another, in pages of rows, and stops when it
has found enough; it only collects ids, and the rows of its page are fetched in the end. Equalities
of a filter are also asked of the database, where it cannot think otherwise than Python; what tells
is the rule of `caesura.store.matching`, on each value. A database that can compare vectors ranks a
search with a query itself, and is asked for items in that order until there are enough.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from caesura.checkpoint.rows import Codec
from caesura.storage import pgvector
from caesura.storage.conditions import Condition
from caesura.storage.dialect import Dialect
from caesura.storage.parts import register
from caesura.storage.statements import READ, Begin, Statements
from caesura.store.approximate import Hnsw
from caesura.store.base import GetOp, ListNamespacesOp, PutOp, SearchOp
from caesura.store.likeness import (
    Distance,
    best_likenesses,
    compared,
    most_alike_first,
    packed,
    require_length,
)
from caesura.store.matching import Test
from caesura.store.plan import Namespace, Plan, listed, page, page_end
from caesura.store.values import from_text

WRITE: Final = Begin(writes=True)


class ItemRow(NamedTuple):
    """An item as stored. ``path`` is its namespace, ``value`` its JSON."""

    id: int
    path: str
    key: str
    value: str
    created_at: str
    updated_at: str
    ttl: float | None

    @property
    def namespace(self) -> Namespace:
        """The labels of the path."""
        return namespace_of(self.path)


class Scored(NamedTuple):
    """An item that a search found, and its likeness to the query."""

    row: ItemRow
    score: float | None


@dataclass(slots=True)
class Put:
    """A put, encoded. ``value`` None deletes; ``dims`` 0: no vectors."""

    path: str
    key: str
    value: str | None
    ttl: float | None
    dims: int
    vectors: bytes


@dataclass(slots=True)
class StoreBatch:
    """Perform a plan → one result for each operation, in their order.

    For a get an `ItemRow` or None, for a search a list of `Scored`, for a listing namespaces, for a
    put None. ``at`` is now; ``shows_expired``: reads also find what is expired and not yet swept.
    """

    plan: Plan
    at: datetime
    shows_expired: bool
    puts: Sequence[Put]
    distance: Distance = "cosine"
    hnsw: Hnsw | None = None
    """An index that may be used, where there is one."""
    reads: Callable[[str], dict[str, Any]] = from_text
    """Makes values of stored texts."""

    @classmethod
    def of(
        cls,
        plan: Plan,
        at: datetime,
        shows_expired: bool = False,
        distance: Distance = "cosine",
        hnsw: Hnsw | None = None,
    ) -> StoreBatch:
        """``plan`` with its puts encoded."""
        puts = [_encode(plan, op, distance) for op in plan.puts.values()]
        return cls(plan, at, shows_expired, puts, distance, hnsw)

    @property
    def alive_at(self) -> float:
        """What expires later than this is shown."""
        return float("-inf") if self.shows_expired else self.at.timestamp()


@dataclass(slots=True)
class SweepStore:
    """Delete what has expired → how many items that were."""

    at: datetime


@dataclass(slots=True)
class SetUpStore:
    """Make or upgrade the tables of the store; ``compares``: also what compares vectors in them."""

    compares: bool = False


@dataclass(slots=True)
class IndexStore:
    """Make an index of what `SetUpStore` made to compare vectors, if it could."""

    hnsw: Hnsw


def _encode(plan: Plan, op: PutOp, distance: Distance) -> Put:
    vectors = plan.vectors_of(op)
    dims = len(vectors[0].numbers) if vectors else 0
    path, kept = path_of(op.namespace), plan.kept(op)
    return Put(path, op.key, kept, op.ttl, dims, packed(vectors, distance))


def path_of(namespace: Iterable[str]) -> str:
    """A namespace as one text: each label and a period."""
    return "".join(f"{label}." for label in namespace)


def namespace_of(path: str) -> Namespace:
    """The labels of a path."""
    return tuple(path.split(".")[:-1])


# --- the statements --------------------------------------------------------------------------

_ALIVE: Final = "(i.expires_at IS NULL OR i.expires_at > ?)"
_FROM: Final = "FROM store_items AS i JOIN store_namespaces AS n ON n.id = i.namespace_id"
_ROW: Final = f"SELECT i.id, n.path, i.key, i.value, i.created_at, i.updated_at, i.ttl {_FROM}"
ITEM: Final = f"{_ROW} WHERE n.path = ? AND i.key = ? AND {_ALIVE}"
ITEMS: Final = _ROW + " WHERE i.id IN (%s)"

NAMESPACES: Final = "SELECT n.id FROM store_namespaces AS n WHERE %s ORDER BY n.id"
INHABITED: Final = f"""
SELECT n.path FROM store_namespaces AS n WHERE %s
AND EXISTS (SELECT 1 FROM store_items AS i WHERE i.namespace_id = n.id AND {_ALIVE})"""

REFRESH: Final = """
UPDATE store_items SET expires_at = ? + ttl * 60 WHERE expires_at > ? AND id IN (%s)"""

PLACE: Final = f"SELECT i.id, i.namespace_id, {_ALIVE} {_FROM} WHERE n.path = ? AND i.key = ?"
MAKE_NAMESPACE: Final = "INSERT INTO store_namespaces (path) VALUES (?) ON CONFLICT DO NOTHING"
MAKE: Final = """
INSERT INTO store_items (namespace_id, key, value, created_at, updated_at, ttl, expires_at)
SELECT id, ?, ?, ?, ?, ?, ? FROM store_namespaces WHERE path = ?"""
REPLACE: Final = """
UPDATE store_items SET value = ?, updated_at = ?, ttl = ?, expires_at = ? WHERE id = ?"""
_ITEM: Final = f"{_FROM} WHERE n.path = ? AND i.key = ?"
KEEP_VECTORS: Final = (
    f"INSERT INTO store_vectors (item_id, dims, vectors) SELECT i.id, ?, ? {_ITEM}"
)
DROP_VECTORS: Final = "DELETE FROM store_vectors WHERE item_id = ?"
DROP: Final = "DELETE FROM store_items WHERE id = ?"
DROP_EMPTY: Final = """
DELETE FROM store_namespaces
WHERE id = ? AND NOT EXISTS (SELECT 1 FROM store_items WHERE namespace_id = ?)"""

_EXPIRED: Final = "FROM store_items WHERE expires_at <= ?"
EXPIRED_IN: Final = f"SELECT DISTINCT namespace_id {_EXPIRED}"
SWEEP_VECTORS: Final = f"DELETE FROM store_vectors WHERE item_id IN (SELECT id {_EXPIRED})"
SWEEP: Final = f"DELETE {_EXPIRED}"

_ROWS: Final = 1000
"""Rows of one step of a search: what it may hold beyond its need, and how long one statement takes."""
_IDS: Final = 500


def _scan_sql(value: bool, vectors: bool, condition: str) -> str:
    """A step through one namespace: (id, value or None, dims or None, vectors or None)."""
    columns = f"i.id, {'i.value' if value else 'NULL'}, "
    columns += "v.dims, v.vectors" if vectors else "NULL, NULL"
    joined = " LEFT JOIN store_vectors AS v ON v.item_id = i.id" if vectors else ""
    return f"""
SELECT {columns} FROM store_items AS i{joined}
WHERE i.namespace_id = ? AND i.id > ? AND {_ALIVE} AND {condition} ORDER BY i.id LIMIT ?"""


# --- a batch ---------------------------------------------------------------------------------


def store_batch(dialect: Dialect, codec: Codec, op: StoreBatch) -> Statements:
    """`StoreBatch`."""
    yield WRITE if op.puts else READ
    results: list[Any] = []
    refreshed: set[int] = set()
    for asked in op.plan.ops:
        result: Any = None
        if isinstance(asked, GetOp):
            result = yield from _get(op, asked)
            refreshed.update(_living([result] if result and asked.refresh_ttl else []))
        elif isinstance(asked, SearchOp):
            result = yield from _search(dialect, op, asked)
            refreshed.update(_living(found.row for found in result if asked.refresh_ttl))
        elif isinstance(asked, ListNamespacesOp):
            result = yield from _list(op, asked)
        results.append(result)
    if refreshed and not op.puts:
        yield WRITE
    now = op.at.timestamp()
    for ids in _portions(sorted(refreshed)):
        yield REFRESH % _places(ids), (now, now, *ids)
    embedded = any(put.dims for put in op.puts)
    there = (yield from pgvector.home(dialect, writes=True)) if embedded else None
    for put in op.puts:
        yield from _put(op, put, there)
    return results


def _living(rows: Iterable[ItemRow]) -> Iterator[int]:
    return (row.id for row in rows if row.ttl is not None)


def _get(op: StoreBatch, asked: GetOp) -> Statements:
    found = yield ITEM, (path_of(asked.namespace), asked.key, op.alive_at)
    return ItemRow._make(found[0]) if found else None


def _list(op: StoreBatch, asked: ListNamespacesOp) -> Statements:
    below, range_ = _below(_common_prefix(asked))
    found = yield INHABITED % below, (*range_, op.alive_at)
    return listed(asked, (namespace_of(path) for (path,) in found))


def _common_prefix(asked: ListNamespacesOp) -> Namespace:
    """Labels with which all namespaces that are asked for start."""
    for condition in asked.match_conditions or ():
        if condition.match_type == "prefix":
            path = tuple(condition.path)
            return path[: path.index("*")] if "*" in path else path
    return ()


def _below(prefix: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """The condition that a namespace starts with these labels: a range of paths."""
    path = path_of(prefix)
    return ("n.path >= ? AND n.path < ?", (path, path[:-1] + "/")) if path else ("1 = 1", ())


def _places(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def _portions(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + _IDS] for start in range(0, len(ids), _IDS))


# --- a search --------------------------------------------------------------------------------


def _search(dialect: Dialect, op: StoreBatch, asked: SearchOp) -> Statements:
    query = op.plan.query_of(asked)
    test = op.plan.test_of(asked) if asked.filter else None
    # What is stored in another form, the database cannot compare.
    equal = list(_equalities(asked.filter or {})) if op.reads is from_text else []
    equality = dialect.json.scalars("i.value", equal)
    found = _Page(op, asked, test)
    if query is not None:
        numbers = compared(query, op.distance)
        if (there := (yield from pgvector.home(dialect))) and (wanted := pgvector.literal(numbers)):
            ranked = None
            if op.hnsw is not None:
                ranked = yield from _near(
                    dialect, op, asked, test, equality, there, wanted, op.hnsw
                )
            if ranked is None:
                ranked = yield from _ranked(op, asked, test, equality, there, wanted, len(numbers))
            if ranked is not None:
                return ranked
        found = _Ranking(op, asked, test, numbers)
    yield from _scan(op, asked, found, equality)
    return (yield from _rows_of(found.page()))


def _scan(op: StoreBatch, asked: SearchOp, found: _Page, equality: Condition) -> Statements:
    """Show ``found`` all rows below the prefix until it wants no more."""
    condition, values = equality
    sql = _scan_sql(found.test is not None, isinstance(found, _Ranking), condition)
    below, range_ = _below(asked.namespace_prefix)
    namespaces = yield NAMESPACES % below, range_
    for (namespace_id,) in namespaces:
        last, more = 0, found.wanted > 0
        while more and found.wanted > 0:
            size = min(_ROWS, found.wanted) if found.test is None else _ROWS
            rows = yield sql, (namespace_id, last, op.alive_at, *values, size)
            found.take(rows)
            last, more = (rows[-1][0], True) if len(rows) == size else (0, False)


def _ranked(
    op: StoreBatch,
    asked: SearchOp,
    test: Test | None,
    equality: Condition,
    there: str,
    query: str,
    dims: int,
) -> Statements:
    """The page as the database ranks it; None if the vectors must be compared here."""
    below, range_ = _below(asked.namespace_prefix)
    condition, values = equality
    sql = pgvector.ranking(there, op.distance, dims, below, (_ALIVE, condition))
    parameters = (*range_, query, *range_, op.alive_at, *values)
    end = page_end(asked.limit, asked.offset)
    if end is not None and end <= max(asked.offset, 0):
        return []
    if test is None:
        cut = (None if end is None else asked.limit, min(max(asked.offset, 0), _ALL))
        rows = yield f"{sql} LIMIT ?::bigint OFFSET ?::bigint", (*parameters, *cut)
        return None if _left_to_us(rows) else (yield from _rows_of(_scores(rows)))
    yield f"DECLARE {_CURSOR} NO SCROLL CURSOR FOR {sql}", parameters
    passing: list[Scored] | None = []
    while passing is not None and (end is None or len(passing) < end):
        rows = yield f"FETCH {_IDS} FROM {_CURSOR}", ()
        if _left_to_us(rows):
            passing = None
        else:
            scored = yield from _rows_of(_scores(rows))
            passing += [each for each in scored if test(op.reads(each.row.value))]
            if len(rows) < _IDS:
                break
    yield f"CLOSE {_CURSOR}", ()
    return None if passing is None else list(page(passing, asked.limit, asked.offset))


def _near(
    dialect: Dialect,
    op: StoreBatch,
    asked: SearchOp,
    test: Test | None,
    equality: Condition,
    there: str,
    query: str,
    hnsw: Hnsw,
) -> Statements:
    """The page as an approximate index ranks it; None if there is none, or it does not fill the page."""
    end = page_end(asked.limit, asked.offset)
    if end is None or not 0 < end < _IDS or not (yield from pgvector.is_indexed(dialect, hnsw)):
        return None
    below, range_ = _below(asked.namespace_prefix)
    condition, values = equality
    sql = pgvector.near(there, hnsw, below, (_ALIVE, condition))
    yield pgvector.IN_ORDER, ()
    wanted = 4 * end + _SPARE
    parameters = (query, *range_, *range_, op.alive_at, *values, query, wanted)
    rows = yield sql, parameters
    if _left_to_us(rows):
        return None
    best: dict[int, float] = {}
    for item_id, likeness, _ in rows:
        best[item_id] = max(likeness, best.get(item_id, likeness))
    scored = yield from _rows_of([(likeness, item_id) for item_id, likeness in best.items()])
    passing = [one for one in scored if test is None or test(op.reads(one.row.value))]
    if len(passing) < end:
        return None
    passing.sort(key=lambda one: one.score, reverse=True)
    return list(page(passing, asked.limit, asked.offset))


_SPARE: Final = 50
"""Vectors asked for beyond four an item: some belong to one item, some to items that do not pass."""
_CURSOR: Final = "caesura_ranked"


def _left_to_us(rows: Sequence[Sequence[Any]]) -> bool:
    return bool(rows) and rows[0][2]


def _scores(rows: Iterable[Sequence[Any]]) -> list[tuple[float | None, int]]:
    return [(row[1], row[0]) for row in rows]


def _rows_of(chosen: Sequence[tuple[float | None, int]]) -> Statements:
    rows: dict[int, ItemRow] = {}
    for ids in _portions([item_id for _, item_id in chosen]):
        fetched = yield ITEMS % _places(ids), ids
        rows.update((row[0], ItemRow._make(row)) for row in fetched)
    return [Scored(rows[item_id], score) for score, item_id in chosen]


_ALL: Final = 2**62


class _Page:
    """What a search without a query has found, up to the end of its page."""

    def __init__(self, op: StoreBatch, asked: SearchOp, test: Test | None) -> None:
        self.asked, self.test, self.reads = asked, test, op.reads
        self.scored: list[tuple[float | None, int]] = []
        self._end = page_end(asked.limit, asked.offset)

    @property
    def wanted(self) -> int:
        """How many more are of use."""
        return _ALL if self._end is None else self._end - len(self.scored)

    def take(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take the next rows, as `_scan_sql` gives them."""
        self.scored += [(None, row[0]) for row in self._passing(rows)]

    def _passing(self, rows: Iterable[Sequence[Any]]) -> Iterable[Sequence[Any]]:
        test, reads = self.test, self.reads
        return rows if test is None else (row for row in rows if test(reads(row[1])))

    def page(self) -> list[tuple[float | None, int]]:
        """Likeness and id of what is on the page."""
        return list(page(self.scored, self.asked.limit, self.asked.offset))


class _Ranking(_Page):
    """What a search with a query has found: all there is, with its likeness."""

    def __init__(
        self, op: StoreBatch, asked: SearchOp, test: Test | None, query: array[float]
    ) -> None:
        super().__init__(op, asked, test)
        self._query, self._distance = query, op.distance
        self._waiting: list[Sequence[Any]] = []

    @property
    def wanted(self) -> int:
        """All, unless the page is empty anyway."""
        return 0 if self.asked.limit == 0 else _ALL

    def take(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take the next rows; they are compared many at a time."""
        self._waiting.extend(self._passing(rows))
        if len(self._waiting) >= _ROWS:
            self._compare()

    def _compare(self) -> None:
        with_vectors = [row for row in self._waiting if row[3] is not None]
        for dims in {row[2] for row in with_vectors}:
            require_length(len(self._query), dims)
        vectors = [row[3] for row in with_vectors]
        best = best_likenesses(self._query, vectors, self._distance)
        scores = dict(zip((row[0] for row in with_vectors), best, strict=True))
        self.scored += [(scores.get(row[0]), row[0]) for row in self._waiting]
        self._waiting.clear()

    def page(self) -> list[tuple[float | None, int]]:
        """Likeness and id of what is on the page, the most alike first."""
        self._compare()
        self.scored = most_alike_first(self.scored)
        return super().page()


_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _equalities(filter: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Keys and what must stand there, as far as the database is sure to agree with Python.

    Left out are floats (they may be read otherwise in the last digit), large integers (which are
    floats to JSON functions), and texts that a database may cut or cannot take (NUL, surrogates).
    """
    for name, condition in filter.items():
        only = condition.get("$eq") if type(condition) is dict else condition
        if _NAME.fullmatch(str(name)) and _comparable(only):
            yield name, only


def _comparable(value: Any) -> bool:
    if type(value) is str:
        return value.isprintable()
    return type(value) is bool or (type(value) is int and abs(value) < 2**53)


# --- puts ------------------------------------------------------------------------------------


def _put(op: StoreBatch, put: Put, there: str | None) -> Statements:
    """``there``: where pgvector is, if the database is to compare the vectors."""
    place = (put.path, put.key)
    for item_id, namespace_id, alive in (yield PLACE, (op.at.timestamp(), *place)):
        yield DROP_VECTORS, (item_id,)
        if alive and put.value is not None:
            yield REPLACE, (put.value, op.at.isoformat(), *_life(op, put), item_id)
            break
        yield DROP, (item_id,)
        yield DROP_EMPTY, (namespace_id, namespace_id)
    else:
        if put.value is None:
            return
        yield MAKE_NAMESPACE, (put.path,)
        at = op.at.isoformat()
        yield MAKE, (put.key, put.value, at, at, *_life(op, put), put.path)
    copies = pgvector.literals(put.vectors, put.dims) if there else None
    if there and copies:
        sql = pgvector.keeping(there, _ITEM)
        yield sql, (put.dims, put.vectors, *place, put.dims, copies)
    elif put.dims:
        yield KEEP_VECTORS, (put.dims, put.vectors, *place)


def _life(op: StoreBatch, put: Put) -> tuple[float | None, float | None]:
    """Time to live, and when it ends."""
    return put.ttl, None if put.ttl is None else op.at.timestamp() + put.ttl * 60


def sweep_store(dialect: Dialect, codec: Codec, op: SweepStore) -> Statements:
    """`SweepStore`: looks first, so that a sweep that finds nothing holds up nobody."""
    now = (op.at.timestamp(),)
    if not (yield EXPIRED_IN + " LIMIT 1", now):
        return 0
    yield WRITE
    namespaces = yield EXPIRED_IN, now
    yield SWEEP_VECTORS, now
    count = yield SWEEP, now
    for (namespace_id,) in namespaces:
        yield DROP_EMPTY, (namespace_id, namespace_id)
    return count


def set_up_store(dialect: Dialect, codec: Codec, op: SetUpStore) -> Statements:
    """`SetUpStore`: the driver makes a part's tables before its first operation; the rest is done here."""
    if op.compares:
        yield from pgvector.set_up(dialect)


def index_store(dialect: Dialect, codec: Codec, op: IndexStore) -> Statements:
    """`IndexStore`."""
    yield from pgvector.make_index(dialect, op.hnsw)


register(
    "store",
    {
        StoreBatch: store_batch,
        SweepStore: sweep_store,
        SetUpStore: set_up_store,
        IndexStore: index_store,
    },
)
