"""The store in a SQLite file: what programs remember, durable and shared between processes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from os import PathLike, fspath
from typing import Any, Self

from caesura.checkpoint.sqlite import SqliteSaver
from caesura.storage.sqlite import connect
from caesura.store.base import IndexConfig, TTLConfig
from caesura.store.sql import SqlStore, utc_now

__all__ = ["SqliteStore"]


class SqliteStore(SqlStore):
    """Items in a SQLite database. Behaves as `caesura.store.memory.InMemoryStore`, and lasts.

    Values are stored as JSON; what JSON cannot hold is refused with TypeError or ValueError. Items
    can be given minutes to live: an expired item is not found any more, and `sweep_ttl` deletes it.

    With ``index`` a query orders by likeness (cosine). A search compares the query with every
    vector below its prefix; that is meant for up to some 100,000 vectors of 384 numbers below one
    prefix: about half a second with numpy installed, two without. All texts must be embedded by one
    model: after a change of model or of ``fields``, put the items again.

    Args:
        conn: a path or ``":memory:"``; an open connection, which the store takes over, so nothing
            else may use it; or a `SqliteSaver`, whose connection is shared. A store on a path has
            a connection of its own, so that a long search does not hold up a saver on the file.
        index: how to embed values; None: a query is ignored.
        ttl: how long items live; None: for ever, unless a put says otherwise. Reading an item lets
            it live on (``refresh_on_read``), which makes of the read a write.
        clock: tells the time, in UTC.
        searcher: a saver on the same file for async calls that may take long, so that they hold up
            nobody on ``conn``. It is not closed here.

    Raises:
        StorageError: from any method, if the database fails. Nothing is stored then.
    """

    def __init__(
        self,
        conn: sqlite3.Connection | str | PathLike[str] | SqliteSaver,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        clock: Callable[[], datetime] = utc_now,
        searcher: SqliteSaver | None = None,
    ) -> None:
        given = isinstance(conn, SqliteSaver)
        saver = conn if isinstance(conn, SqliteSaver) else self._open(conn)
        super().__init__(
            saver, owns=not given, index=index, ttl=ttl, clock=clock, searcher=searcher
        )

    @staticmethod
    def _open(conn: Any) -> SqliteSaver:
        own = isinstance(conn, sqlite3.Connection)
        return SqliteSaver(conn if own else connect(fspath(conn)))

    @classmethod
    @contextmanager
    def from_conn_string(
        cls,
        conn_string: str,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
    ) -> Iterator[Self]:
        """Open a database file (or ``":memory:"``), give its store, and close it in the end."""
        store = cls(conn_string, index=index, ttl=ttl)
        try:
            yield store
        finally:
            store.close()


def __getattr__(name: str) -> Any:
    """LangGraph has the async store here, too; it is imported when somebody asks for it."""
    if name == "AsyncSqliteStore":
        from caesura.store.sqlite.aio import AsyncSqliteStore

        return AsyncSqliteStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
