"""Records for tests, and the databases that keep them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from tests.databases import fresh_schema, postgres_url

from caesura.checkpoint.operations import ANY_HEAD, Commit, FullState, InterruptRow, PutWrites
from caesura.checkpoint.postgres import PostgresSaver
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.records.operations import AcceptRun, CreateThread, Outcome
from caesura.records.shapes import Run, Thread
from caesura.storage.sqlite import connect

Database = SqliteSaver | PostgresSaver
Open = Callable[[], Database]
"""Opens one more connection to the database of the test."""


@contextmanager
def sqlite(folder: Path) -> Iterator[Open]:
    yield lambda: SqliteSaver(connect(str(folder / "records.db")))


@contextmanager
def postgres(folder: Path) -> Iterator[Open]:
    with fresh_schema() as schema:
        yield lambda: PostgresSaver(postgres_url(), schema=schema)


DATABASES: dict[str, Callable[[Path], AbstractContextManager[Open]]] = {
    "sqlite": sqlite,
    "postgres": postgres,
}

NOW = 1_000_000.0


def at(second: float = 0) -> str:
    """The time ``second`` seconds after `NOW`, as stored."""
    return datetime.fromtimestamp(NOW + second, UTC).isoformat(timespec="microseconds")


def thread(thread_id: str = "t", **fields: Any) -> Thread:
    return Thread(thread_id, *(fields.pop("when", at()),) * 3, **fields)


def run(run_id: str, thread_id: str = "t", **fields: Any) -> Run:
    when = fields.pop("when", at())
    return Run(run_id, thread_id, "a", "g", when, when, **fields)


def accept(database: Database, given: Run, **fields: Any) -> Outcome:
    """Accept a run, on a thread that is made if it is not there."""
    made = fields.pop("new_thread", thread(given.thread_id))
    moment = {"at": at(1), "now": NOW + 1, **fields}
    outcome: Outcome = database.execute(AcceptRun(given, new_thread=made, **moment))
    return outcome


def begin(database: Database, given: Run, **fields: Any) -> Run:
    """Accept a run and claim it at once."""
    return accept(database, given, claim_for=("w", NOW + 30), **fields).run


def keep(database: Database, *given: Thread) -> None:
    for each in given:
        database.execute(CreateThread(each))


def question(id: str, thread_id: str = "t", asked_at: str = "", **fields: Any) -> InterruptRow:
    return InterruptRow(
        id=id.rjust(32, "0"), thread_id=thread_id, ns=fields.pop("ns", ""), checkpoint_id="c",
        task_id="task", ancestors=(), node="ask", slot=0, digest="d",
        payload=fields.pop("payload", "Really?"), asked_at=asked_at or at(), **fields,
    )  # fmt: skip


def ask(database: Database, *rows: InterruptRow) -> None:
    for row in rows:
        database.execute(PutWrites(row.thread_id, row.ns, "c", "task", "", [], opened=[row]))


def commit(thread_id: str, checkpoint_id: str = "c1", ns: str = "") -> Commit:
    return Commit(
        thread_id, ns, checkpoint_id, None, ANY_HEAD, at(), {"step": 0}, {}, {}, {}, [],
        lambda: FullState({"x": 1}, {"x": 1}, {}),
    )  # fmt: skip


def rows(database: Database, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """What a query gives, on a connection of its own."""
    if isinstance(database, SqliteSaver):
        return list(database.conn.execute(sql, parameters))
    with psycopg.connect(postgres_url(), autocommit=True) as connection:
        cursor = psycopg.RawCursor(connection)
        cursor.execute(database.dialect.sql(sql).encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []


def stored(database: Database, table: str, thread_id: str = "t") -> int:
    """How many rows of a thread a table holds."""
    return int(rows(database, f"SELECT count(*) FROM {table} WHERE thread_id = ?", thread_id)[0][0])


def dump(database: Database) -> str:
    """All that is stored."""
    if isinstance(database, SqliteSaver):
        return "\n".join(database.conn.iterdump())
    sql = "SELECT tablename FROM pg_tables WHERE schemaname = ? ORDER BY 1"
    tables = [name for (name,) in rows(database, sql, database.dialect.schema)]
    return "\n".join(
        f"{t}: {sorted(map(str, rows(database, f'SELECT * FROM {t}')))}" for t in tables
    )
