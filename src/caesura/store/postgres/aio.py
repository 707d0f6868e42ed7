"""LangGraph's name of the Postgres store for async programs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Self

from caesura.checkpoint.postgres import PostgresSaver
from caesura.checkpoint.postgres.aio import AsyncPostgresSaver
from caesura.store.base import IndexConfig, TTLConfig
from caesura.store.postgres import PostgresStore
from caesura.store.sql import AsyncSqlStore, utc_now

__all__ = ["AsyncPostgresStore"]


class AsyncPostgresStore(AsyncSqlStore, PostgresStore):
    """`PostgresStore` for async programs.

    ``conn`` is a connection string, a ``psycopg.AsyncConnection``, a ``psycopg_pool.AsyncConnectionPool``
    that is open, or a `PostgresSaver`. Sync methods may be called from other threads than the event loop's.
    """

    def __init__(
        self,
        conn: Any,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        schema: str = "caesura",
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__(conn, index=index, ttl=ttl, schema=schema, clock=clock)

    @staticmethod
    def _open(conn: Any, schema: str) -> PostgresSaver:
        return AsyncPostgresSaver(conn, schema=schema)

    @classmethod
    @asynccontextmanager
    async def from_conn_string(  # type: ignore[override]
        cls,
        conn_string: str,
        *,
        pipeline: bool = False,
        pool_config: Any = None,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        schema: str = "caesura",
    ) -> AsyncIterator[Self]:
        """A store on the database that the string names; its connections are closed in the end."""
        async with cls(conn_string, index=index, ttl=ttl, schema=schema) as store:
            yield store
