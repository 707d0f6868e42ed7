"""Vectors compared by the database: a copy of them in the type of pgvector, where that is to be had.

What counts is ``store_vectors``, whose bytes every process can write and compare. ``store_pgvectors``
repeats them in the extension's type, one row a vector, and only that table depends on the extension. A row of
it hangs on the row of bytes that it was made of: a put deletes that one first, whoever puts, and the reference
takes the copy away with it. So a copy may be missing (its writer was of an older version, had no right to
the extension, or there was none yet), but never out of date; ``in_pgvector`` tells which bytes have one. A
search whose namespaces hold bytes without a copy is left to the process that searches, as is any search
where the table is missing. `set_up` makes it and copies what has no copy yet.

Where the extension is, is asked of the catalog each time, so nothing is kept in a session or a process.
Vectors travel as texts that are cast: that needs no adapter, whose number of the type is another one in each
database that a pooler may stand before.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping
from typing import Final

from caesura.storage.dialect import Dialect
from caesura.storage.statements import Begin, Statements
from caesura.store.approximate import Hnsw
from caesura.store.likeness import Distance, unpacked

_OPERATORS: Final[Mapping[Distance, str]] = {"cosine": "<#>", "l2": "<->", "inner_product": "<#>"}
"""What is compared for the cosine is of length 1, so that it is the inner product."""
_CLASSES: Final[Mapping[Distance, str]] = {"cosine": "ip", "l2": "l2", "inner_product": "ip"}
_LONGEST: Final = 16_000
"""Numbers of the longest vector of pgvector."""
_BATCH: Final = 200
"""Rows copied in one transaction."""

_QUOTED: Final = """'"' || replace(n.nspname, '"', '""') || '"'"""
_REACHED: Final = "has_schema_privilege(n.oid, 'USAGE') AND strpos(n.nspname, chr(63)) = 0"
_COLUMN: Final = f"""
SELECT {_QUOTED}, {_REACHED} AND has_table_privilege(a.attrelid, 'SELECT'),
    {_REACHED} AND has_table_privilege(a.attrelid, 'INSERT')
FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
JOIN pg_namespace AS n ON n.oid = t.typnamespace
WHERE a.attrelid = to_regclass(?) AND a.attname = 'numbers' AND NOT a.attisdropped"""
_MAY_MAKE: Final = """
SELECT 1 FROM pg_class AS c WHERE c.oid = to_regclass(?)
AND pg_get_userbyid(c.relowner) = current_user AND has_schema_privilege(c.relnamespace, 'CREATE')
AND current_setting('transaction_read_only') = 'off'
AND EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'vector')"""
_EXTENSION: Final = f"""
SELECT {_QUOTED} FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
WHERE e.extname = 'vector' AND {_REACHED}"""
# Without the right to it, or without a schema public, there is no extension, and no error either.
_MAKE_EXTENSION: Final = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'vector') THEN
        CREATE EXTENSION IF NOT EXISTS vector SCHEMA public;
    END IF;
EXCEPTION WHEN OTHERS THEN NULL;
END $$"""
_MAKE: Final = (
    "DROP TABLE IF EXISTS store_pgvectors",
    "ALTER TABLE store_vectors ADD COLUMN IF NOT EXISTS in_pgvector BOOLEAN NOT NULL DEFAULT false",
    "UPDATE store_vectors SET in_pgvector = false WHERE in_pgvector",
    """CREATE INDEX IF NOT EXISTS store_vectors_left ON store_vectors (item_id)
       WHERE NOT in_pgvector""",
    """CREATE TABLE store_pgvectors (
           item_id BIGINT     NOT NULL REFERENCES store_vectors (item_id) ON DELETE CASCADE,
           n       INTEGER    NOT NULL,
           dims    INTEGER    NOT NULL,
           numbers %s.vector  NOT NULL,
           PRIMARY KEY (item_id, n)
       )""",
)

_LEFT_BELOW: Final = """
    SELECT 1 FROM store_vectors AS v JOIN store_items AS i ON i.id = v.item_id
    JOIN store_namespaces AS n ON n.id = i.namespace_id WHERE NOT v.in_pgvector AND %s"""

_MAY_COPY: Final = """
SELECT 1 FROM store_vectors WHERE NOT in_pgvector
AND has_table_privilege(to_regclass(?), 'UPDATE')
AND current_setting('transaction_read_only') = 'off' LIMIT 1"""
_CAN_GO_ON: Final = """
EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'vector'
    AND extversion !~ '^0\\.[0-7](\\.|$)')"""
"""Since 0.8 an index goes on until enough of what it finds passes the other conditions."""
_MAY_INDEX: Final = f"""
SELECT 1 FROM pg_class AS c WHERE c.oid = to_regclass(?) AND {_CAN_GO_ON}
AND pg_get_userbyid(c.relowner) = current_user
AND current_setting('transaction_read_only') = 'off'"""
_INDEXED: Final = f"""
SELECT 1 FROM pg_index AS x WHERE x.indexrelid = to_regclass(?) AND x.indisvalid AND {_CAN_GO_ON}"""
IN_ORDER: Final = "SET LOCAL hnsw.iterative_scan = strict_order"
_LEFT: Final = f"""
SELECT item_id, dims, vectors FROM store_vectors WHERE NOT in_pgvector AND item_id > ?
ORDER BY item_id LIMIT {_BATCH} FOR UPDATE SKIP LOCKED"""
_COPY: Final = """
INSERT INTO store_pgvectors (item_id, n, dims, numbers)
SELECT t.item_id, t.n, t.dims, t.numbers::%s.vector
FROM unnest(?::bigint[], ?::integer[], ?::integer[], ?::text[]) AS t (item_id, n, dims, numbers)"""
_COPIED: Final = "UPDATE store_vectors SET in_pgvector = true WHERE item_id = ANY(?::bigint[])"


def home(dialect: Dialect, *, writes: bool = False) -> Statements:
    """The schema of the extension, quoted, if this user may use it and the copies; else None."""
    column = yield from _column(dialect)
    return column[0] if column and column[2 if writes else 1] else None


def _column(dialect: Dialect) -> Statements:
    """Where the type of the copies is, and whether they may be read, and written; None: there are none."""
    if not dialect.pgvector:
        return None
    found = yield _COLUMN, (dialect.table("store_pgvectors"),)
    return found[0] if found else None


def literal(numbers: array[float]) -> str | None:
    """A vector as pgvector reads it; None for what it cannot hold."""
    if not 0 < len(numbers) <= _LONGEST or not math.isfinite(sum(numbers)):
        return None
    return f"[{','.join(map('%.9g'.__mod__, numbers))}]"


def literals(vectors: bytes, dims: int) -> list[str] | None:
    """An item's vectors as pgvector reads them; None if it cannot hold one of them."""
    found = [literal(numbers) for numbers in unpacked(vectors, dims)] if dims else []
    kept = [each for each in found if each is not None]
    return kept if kept and len(kept) == len(found) else None


# --- made and filled -------------------------------------------------------------------------


def set_up(dialect: Dialect) -> Statements:
    """Make the copies where the extension is or may be made, and copy what has no copy yet.

    Where it may not, nothing is done. Copying is many transactions of few rows; several processes share it.
    """
    if not (yield from _column(dialect)):
        yield from _make(dialect)
    there = yield from home(dialect, writes=True)
    if there and (yield _MAY_COPY, (dialect.table("store_vectors"),)):
        yield from _copy_all(there)


def make_index(dialect: Dialect, hnsw: Hnsw) -> Statements:
    """Make an index of the copies, where there are any, in no transaction: others read and write meanwhile."""
    there = yield from home(dialect, writes=True)
    if there and (yield _MAY_INDEX, (dialect.table("store_pgvectors"),)):
        yield _index(there, hnsw), ()


def _make(dialect: Dialect) -> Statements:
    if not dialect.pgvector or not (yield _MAY_MAKE, (dialect.table("store_vectors"),)):
        return
    yield Begin(True, "schema")
    yield _MAKE_EXTENSION, ()
    found = yield _EXTENSION, ()
    if not found or (yield from _column(dialect)):  # another process was faster
        return
    for statement in _MAKE:
        yield statement.replace("%s", found[0][0]), ()


def _index(there: str, hnsw: Hnsw) -> str:
    return f"""
CREATE INDEX CONCURRENTLY IF NOT EXISTS {hnsw.name} ON store_pgvectors
USING hnsw ((numbers::{there}.{hnsw.held}({hnsw.dims})) {there}.{hnsw.held}_{_CLASSES[hnsw.distance]}_ops)
WITH (m = {hnsw.m}, ef_construction = {hnsw.ef_construction}) WHERE dims = {hnsw.dims}"""


def _copy_all(there: str) -> Statements:
    last = 0
    while True:
        yield Begin(True)
        rows = yield _LEFT, (last,)
        if not rows:
            return
        last = rows[-1][0]
        fitting = [(row, made) for row in rows if (made := literals(row[2], row[1]))]
        if fitting:
            copies = [(*row[:2], n, one) for row, made in fitting for n, one in enumerate(made, 1)]
            ids, dims, numbers, texts = map(list, zip(*copies, strict=True))
            yield _COPY % there, (ids, numbers, dims, texts)
            yield _COPIED, ([row[0] for row, _ in fitting],)


# --- put and searched ------------------------------------------------------------------------


def keeping(there: str, place: str) -> str:
    """Statement that stores an item's vectors and their copies: dims, vectors, the place, dims, copies.

    ``place``: FROM and WHERE of the item, as ``i``.
    """
    return f"""
WITH kept AS (
    INSERT INTO store_vectors (item_id, dims, vectors, in_pgvector)
    SELECT i.id, ?, ?, true {place} RETURNING item_id
)
INSERT INTO store_pgvectors (item_id, n, dims, numbers)
SELECT kept.item_id, t.n, ?::integer, t.numbers::{there}.vector
FROM kept, unnest(?::text[]) WITH ORDINALITY AS t (numbers, n)"""


def is_indexed(dialect: Dialect, hnsw: Hnsw) -> Statements:
    """Whether there is such an index, and it is whole."""
    return bool((yield _INDEXED, (dialect.table(hnsw.name),)))


def near(there: str, hnsw: Hnsw, below: str, conditions: Iterable[str]) -> str:
    """Statement that gives vectors near the query: item, likeness, whether a process must compare.

    Parameters: the query, those of ``below``, those of ``below`` and ``conditions``, the query, how many.
    """
    operator = f"OPERATOR({there}.{_OPERATORS[hnsw.distance]})"
    held = f"{there}.{hnsw.held}"
    return f"""
SELECT i.id, -(p.numbers {operator} ?::{there}.vector), EXISTS ({_LEFT_BELOW % below})
FROM store_pgvectors AS p JOIN store_items AS i ON i.id = p.item_id
JOIN store_namespaces AS n ON n.id = i.namespace_id
WHERE {" AND ".join((f"p.dims = {hnsw.dims}", below, *conditions))}
ORDER BY p.numbers::{held}({hnsw.dims}) {operator} ?::{held} LIMIT ?::bigint"""


def ranking(
    there: str, distance: Distance, dims: int, below: str, conditions: Iterable[str]
) -> str:
    """Statement that gives id, likeness, and whether a process must compare; the most alike first.

    It must where bytes have no copy, and where a vector has not ``dims`` numbers, which it will tell of. The
    parameters: those of ``below``, the query, those of ``below`` and of ``conditions``. OFFSET 0 keeps the
    database from sorting vectors instead of their likenesses.
    """
    operator = f"OPERATOR({there}.{_OPERATORS[distance]})"
    return f"""
SELECT f.id, f.likeness, coalesce(bool_or(f.other) OVER (), false)
    OR EXISTS ({_LEFT_BELOW % below})
FROM (
    SELECT c.id, c.namespace_id, bool_or(c.other) AS other, max(c.likeness) AS likeness
    FROM (
        SELECT i.id, i.namespace_id, p.dims <> {dims} AS other,
            CASE WHEN p.dims = {dims} THEN -(p.numbers {operator} ?::{there}.vector) END AS likeness
        FROM store_items AS i JOIN store_namespaces AS n ON n.id = i.namespace_id
        LEFT JOIN store_pgvectors AS p ON p.item_id = i.id
        WHERE {" AND ".join((below, *conditions))} OFFSET 0
    ) AS c GROUP BY c.id, c.namespace_id
) AS f ORDER BY f.likeness DESC NULLS LAST, f.namespace_id, f.id"""
