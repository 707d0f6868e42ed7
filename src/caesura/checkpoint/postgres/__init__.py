"""The saver that keeps everything in a PostgreSQL database: for programs on many machines.

An operation is one transaction within one thread, which holds that thread's lock; so many processes
may work on one database, and a pooler may stand between. One class serves sync and async programs:
opened with a connection string, it has connections of both kinds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from caesura.checkpoint.operations import History
from caesura.checkpoint.recent import KEEP
from caesura.checkpoint.saver import EngineSaver
from caesura.checkpoint.serde.base import SerializerProtocol
from caesura.warnings import warn_shallow

try:
    import psycopg

    from caesura.storage.connections import (
        AsyncConnections,
        Connections,
        OneConnection,
        PoolConnections,
        placed,
    )
    from caesura.storage.postgres import AsyncDriver, Driver
except ImportError as error:
    raise ImportError(
        "PostgresSaver needs psycopg. Install it with `pip install 'caesura[postgres]'`."
    ) from error

__all__ = ["PostgresSaver", "ShallowPostgresSaver"]


class PostgresSaver(EngineSaver):
    """Stores checkpoints in a PostgreSQL database (13 or newer).

    Tables are made on first use, in a schema of their own; several savers with different schemas may
    share a database. A lost connection is opened anew, and an operation that it cut is done again
    unless it was done; so a restart of the database is a pause, not an error.

    Args:
        conn: a connection string, which may end in ``?schema=…``; a ``psycopg.Connection``, which no
            one else may use meanwhile; or a ``psycopg_pool.ConnectionPool``.
        pipe: taken for the sake of programs written for LangGraph; has no effect.
        serde: turns values into bytes and back.
        schema: where the tables are.
        timeout: seconds to wait for a connection, and for a database that went away.
        keep: bytes of memory for what was read last, so that the next run on a thread reads only what came
            since; 0: nothing is kept. Where an encrypting serializer is used, nothing ever is.

    Raises:
        StorageError: from any method, if the database fails. Nothing is stored then.
    """

    def __init__(
        self,
        conn: Any,
        pipe: Any = None,
        serde: SerializerProtocol | None = None,
        *,
        schema: str = "caesura",
        timeout: float = 30,
        keep: int = KEEP,
    ) -> None:
        super().__init__(serde=serde, keep=keep)
        conn, self.dialect = placed(conn, schema)
        self._driver = Driver(_connections(conn), self.dialect, timeout=timeout)
        self._async_driver: AsyncDriver | None = None
        if isinstance(conn, str):
            self._async_driver = AsyncDriver(AsyncConnections(conn), self.dialect, timeout=timeout)

    @classmethod
    @contextmanager
    def from_conn_string(
        cls,
        conn_string: str,
        *,
        pipeline: bool = False,
        serde: SerializerProtocol | None = None,
        schema: str = "caesura",
        timeout: float = 30,
        keep: int = KEEP,
    ) -> Iterator[Self]:
        """A saver on the database that the string names; its connections are closed in the end.

        ``pipeline`` has no effect.
        """
        saver = cls(conn_string, serde=serde, schema=schema, timeout=timeout, keep=keep)
        try:
            yield saver
        finally:
            saver.close()

    def setup(self) -> None:
        """Make or upgrade the tables now instead of on first use. Does nothing a second time."""
        self._driver.setup()

    def close(self) -> None:
        """Close the connections that the saver opened, of sync and of async programs."""
        self._driver.close()
        if self._async_driver is not None:
            self._async_driver.connections.finish()

    def execute(self, op: Any) -> Any:
        """Perform one operation in a transaction."""
        if type(op) is History:
            return self.history(op)
        return self._driver.run(self.codec, op)

    async def aexecute(self, op: Any) -> Any:
        """Perform one operation in a transaction."""
        if type(op) is History:
            return self.ahistory(op)
        if self._async_driver is not None:
            return await self._async_driver.run(self.codec, op)
        return await asyncio.to_thread(self._driver.run, self.codec, op)


class ShallowPostgresSaver(PostgresSaver):
    """Deprecated: use `PostgresSaver`, which this is.

    LangGraph's class of this name keeps the newest checkpoint of a thread only. This one keeps its
    history, as `PostgresSaver` does; ``prune`` deletes what is older.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warn_shallow("ShallowPostgresSaver", "PostgresSaver")
        super().__init__(*args, **kwargs)


def _connections(conn: Any) -> Connections:
    if isinstance(conn, str):
        return Connections(conn)
    if isinstance(conn, psycopg.Connection):
        return OneConnection(conn)
    if hasattr(conn, "getconn") and not hasattr(conn, "__aenter__"):
        return PoolConnections(conn)
    raise TypeError(
        "PostgresSaver takes a connection string, a psycopg.Connection or a "
        f"psycopg_pool.ConnectionPool, not {type(conn).__name__}"
    )
