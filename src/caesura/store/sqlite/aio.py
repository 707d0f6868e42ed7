"""LangGraph's name of the SQLite store for async programs.

`caesura.store.sqlite.SqliteStore` serves both kinds; this class only opens, closes and sweeps the
async way, and also takes an aiosqlite connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from caesura.checkpoint.sqlite import SqliteSaver
from caesura.checkpoint.sqlite.aio import AsyncSqliteSaver
from caesura.storage.store import SetUpStore
from caesura.store.base import IndexConfig, TTLConfig
from caesura.store.sqlite import SqliteStore, utc_now

__all__ = ["AsyncSqliteStore"]


class AsyncSqliteStore(SqliteStore):
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

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)

    async def setup(self) -> None:  # type: ignore[override]
        """Make or upgrade the tables now instead of on first use."""
        await self._saver.aexecute(SetUpStore())

    async def sweep_ttl(self) -> int:  # type: ignore[override]
        """Delete the expired items; returns how many."""
        await self.setup()
        return await asyncio.to_thread(self._sweep)

    async def start_ttl_sweeper(  # type: ignore[override]
        self, sweep_interval_minutes: float | None = None
    ) -> asyncio.Future[None]:
        """Sweep now and again until `stop_ttl_sweeper`; see `SqliteStore.start_ttl_sweeper`."""
        await self.setup()
        return asyncio.wrap_future(super().start_ttl_sweeper(sweep_interval_minutes))

    async def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:  # type: ignore[override]
        """Stop sweeping; True if it has ended within ``timeout`` seconds."""
        return await asyncio.to_thread(super().stop_ttl_sweeper, timeout)
