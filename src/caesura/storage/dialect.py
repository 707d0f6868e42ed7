"""What SQL databases differ in. Statements are written once, with ``?`` for parameters.

The generators of `caesura.storage.checkpoints` ask a dialect for the few things that they cannot say
in the SQL that all databases share; the drivers ask it for the rest: how a statement is spelt, how a
transaction begins, and where the tables are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count
from pathlib import Path
from typing import Final

from caesura.checkpoint.operations import Sync
from caesura.storage.conditions import JsonColumns, PostgresJson, SqliteJson

_MIGRATIONS: Final = Path(__file__).with_name("migrations")


@dataclass(frozen=True, eq=False)
class Dialect:
    """One database's way of speaking."""

    name: str
    json: JsonColumns
    """How to search in JSON columns."""
    in_text: str
    """Condition that the parameter stands in a column of text (``{}``), in whatever case."""
    in_bytes: str
    """The same for a column of bytes that are text here and there."""
    holding: str
    """Clause with which a row that a statement reads stays until that statement is committed."""
    freezing: str
    """The same for rows that are about to go. Empty: a transaction that writes is alone anyway."""
    ours: str
    """Clause that finds a checkpoint only if this very transaction stored it. Empty: ids tell enough,
    where no transaction can still be under way that its program has given up."""
    flush: str
    """Statement that makes sure of what transactions of ``sync`` "lazy" stored. Empty: none does."""
    table_exists: str
    """Statement that gives a row if there is a table; its parameter is `table` of its name."""
    pgvector: bool = False
    """Whether it may have the extension that compares vectors; see `caesura.storage.pgvector`."""
    preparation: tuple[tuple[str | None, str], ...] = ()
    """``(query, statement)`` to make room for tables: the statement, unless the query gives a row."""

    def sql(self, statement: str) -> str:
        """``statement`` as this database wants it."""
        return statement

    def also(self, sync: Sync) -> str:
        """What to add to the conditions of a statement that is a transaction by itself."""
        return ""

    def table(self, name: str) -> str:
        """The full name of a table."""
        return name

    def migrations(self, part: str) -> list[Callable[[], str]]:
        """Readers of a part's migration files, in order; the n-th leads to version n."""
        files = (_MIGRATIONS / part).glob(f"{self.name}_*.sql")
        return [path.read_text for path in sorted(files)]


SQLITE: Final = Dialect(
    "sqlite",
    SqliteJson(),
    in_text="instr(lower({}), lower(?)) > 0",
    in_bytes="instr(lower(CAST({} AS TEXT)), lower(?)) > 0",
    holding="",
    freezing="",
    ours="",
    flush="",
    table_exists="SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?",
)

_TABLES: Final = re.compile(
    r"(?<!\")\b(caesura_schema|thread_checkpoints|thread_writes|thread_interrupts|store_namespaces"
    r"|store_items|store_vectors|store_pgvectors|assistants|assistant_versions|threads|runs|crons|run_events"
    r"|event_counts|idempotency_keys|api_keys|webhook_deliveries)\b"
)
_SCHEMA_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_WAIT: Final = 30
"""Seconds that a transaction waits for a lock, and that an idle one keeps its own."""


@dataclass(frozen=True, eq=False)
class Postgres(Dialect):
    """PostgreSQL from version 13 on, with all tables in one schema.

    Transactions of several statements that write take a lock on what they are about (a thread,
    mostly), so that what they read stays true until they commit; those that read see the database
    as it was at one moment. A single statement takes no lock: what it relies on, it holds itself.
    """

    schema: str = "caesura"
    _spelt: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    def sql(self, statement: str) -> str:
        spelt = self._spelt.get(statement)
        if spelt is None:
            numbers = count(1)
            spelt = re.sub(r"\?", lambda _: f"${next(numbers)}", statement)
            spelt = _TABLES.sub(rf'"{self.schema}".\1', spelt)
            if len(self._spelt) > 4096:  # lists of conditions make ever new ones
                self._spelt.clear()
            self._spelt[statement] = spelt
        return spelt

    def table(self, name: str) -> str:
        return f'"{self.schema}".{name}'

    def also(self, sync: Sync) -> str:
        return (
            "" if sync != "lazy" else " AND set_config('synchronous_commit', 'off', true) = 'off'"
        )

    def begin(
        self, *, writes: bool, scope: str | None, sync: Sync, beside: str | None = None
    ) -> list[tuple[str, tuple[str, ...]]]:
        """What begins a transaction and holds what it is about. The second statement tells its id."""
        if not writes:
            return [("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", ())]
        # In order: of two transactions that want the same two, none waits for the other's second.
        # By themselves: only what is asked after a lock was got sees what its last holder did.
        numbers = sorted(
            {_number(self.schema, name) for name in (scope, beside) if name is not None}
        )
        locks = [(_LOCK, (str(number),)) for number in numbers]
        return [("BEGIN", ()), (_LAZY_SETTINGS if sync == "lazy" else _SETTINGS, ()), *locks]


_SETTINGS: Final = (
    f"SELECT pg_current_xact_id()::text, set_config('lock_timeout', '{_WAIT}s', true), "
    f"set_config('idle_in_transaction_session_timeout', '{_WAIT}s', true)"
)
_LAZY_SETTINGS: Final = f"{_SETTINGS}, set_config('synchronous_commit', 'off', true)"
_LOCK: Final = "SELECT pg_advisory_xact_lock($1::bigint)"


def _number(schema: str, scope: str) -> int:
    """The number that stands for a scope among the locks of a database."""
    digest = blake2b(f"{schema}\0{scope}".encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "big", signed=True)


def postgres(schema: str = "caesura") -> Postgres:
    """The dialect of PostgreSQL for tables in ``schema``. Raises ValueError for a strange name."""
    if not _SCHEMA_NAME.fullmatch(schema):
        raise ValueError(
            f"A schema is named with small letters, digits and _, not {schema!r}. Nothing was done."
        )
    return Postgres(
        "postgres",
        PostgresJson(),
        in_text="strpos(lower({}), lower(?)) > 0",
        in_bytes=(
            "strpos(lower(encode({}, 'escape')), lower(encode(convert_to(?, 'UTF8'), 'escape'))) > 0"
        ),
        holding=" FOR KEY SHARE",
        freezing=" FOR UPDATE",
        ours=" AND xmin = pg_current_xact_id()::xid",
        flush="SELECT pg_logical_emit_message(true, 'caesura', '')",
        table_exists="SELECT 1 WHERE to_regclass(?) IS NOT NULL",
        pgvector=True,
        preparation=(
            (
                f"SELECT 1 FROM pg_namespace WHERE nspname = '{schema}'",
                f'CREATE SCHEMA "{schema}"',
            ),
            (None, f'SET LOCAL search_path TO "{schema}", pg_temp'),
        ),
        schema=schema,
    )
