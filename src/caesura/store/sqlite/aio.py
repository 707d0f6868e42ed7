"""LangGraph's name of the SQLite store for async programs.

`caesura.store.sqlite.SqliteStore` serves both kinds; this class only opens, closes and sweeps the
async way, and also takes an aiosqlite connection.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Self

from caesura.checkpoint.sqlite import SqliteSaver
from caesura.checkpoint.sqlite.aio import AsyncSqliteSaver
from caesura.store.base import IndexConfig, TTLConfig
from caesura.store.sql import AsyncSqlStore, utc_now
from caesura.store.sqlite import SqliteStore

__all__ = ["AsyncSqliteStore"]


class AsyncSqliteStore(AsyncSqlStore, SqliteStore):
    """`SqliteStore` for async programs.

    ``conn`` may also be an ``aiosqlite.Connection``, of which only the path is used: on first use
    the store opens its own connection to that file.
    """

    def __init__(
        self,
        conn: Any,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__(conn, index=index, ttl=ttl, clock=clock)

    @staticmethod
    def _open(conn: Any) -> SqliteSaver:
        return AsyncSqliteSaver(conn)

    @classmethod
    @asynccontextmanager
    async def from_conn_string(  # type: ignore[override]
        cls,
        conn_string: str,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
    ) -> AsyncIterator[Self]:
        """Open a database file (or ``":memory:"``), give its store, and close it in the end."""
        async with cls(conn_string, index=index, ttl=ttl) as store:
            yield store
