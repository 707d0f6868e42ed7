"""The store in a PostgreSQL database: what programs remember, for programs on many machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from caesura.checkpoint.postgres import PostgresSaver
from caesura.store.base import IndexConfig, TTLConfig
from caesura.store.sql import SqlStore, utc_now

if TYPE_CHECKING:
    from caesura.store.postgres.aio import AsyncPostgresStore as AsyncPostgresStore

__all__ = ["AsyncPostgresStore", "PostgresStore"]


class PostgresStore(SqlStore):
    """Items in a PostgreSQL database. Behaves as `caesura.store.sqlite.SqliteStore`.

    With ``index`` a query orders by likeness: compared by the database where it has pgvector, or lets this user
    make it, else in this process, with the same result. An approximate index (``ann_index_config``) is made by
    `setup`.

    Args:
        conn: a connection string, a ``psycopg.Connection`` that no one else may use meanwhile, a
            ``psycopg_pool.ConnectionPool``, or a `PostgresSaver`, whose connections are shared.
        index: how to embed values; None: a query is ignored.
        ttl: how long items live; None: for ever, unless a put says otherwise.
        schema: where the tables are; a saver has its own.
        clock: tells the time, in UTC.

    Raises:
        StorageError: from any method, if the database fails. Nothing is stored then.
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
        given = isinstance(conn, PostgresSaver)
        saver = conn if given else self._open(conn, schema)
        super().__init__(saver, owns=not given, index=index, ttl=ttl, clock=clock)

    @staticmethod
    def _open(conn: Any, schema: str) -> PostgresSaver:
        return PostgresSaver(conn, schema=schema)

    @classmethod
    @contextmanager
    def from_conn_string(
        cls,
        conn_string: str,
        *,
        pipeline: bool = False,
        pool_config: Any = None,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        schema: str = "caesura",
    ) -> Iterator[Self]:
        """A store on the database that the string names; its connections are closed in the end.

        ``pipeline`` and ``pool_config`` have no effect.
        """
        store = cls(conn_string, index=index, ttl=ttl, schema=schema)
        try:
            yield store
        finally:
            store.close()


def __getattr__(name: str) -> Any:
    if name == "AsyncPostgresStore":  # which is built on what is above
        from caesura.store.postgres.aio import AsyncPostgresStore

        return AsyncPostgresStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
