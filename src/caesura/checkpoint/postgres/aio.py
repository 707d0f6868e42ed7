"""LangGraph's name of the Postgres saver for async programs.

It works on async connections only. A sync call from another thread (a sync node calling a graph, say)
is handed to the event loop that the saver belongs to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

from psycopg import AsyncConnection

from caesura.checkpoint.operations import History, Loaded
from caesura.checkpoint.postgres import PostgresSaver
from caesura.checkpoint.recent import KEEP
from caesura.checkpoint.saver import EngineSaver
from caesura.checkpoint.serde.base import SerializerProtocol
from caesura.storage.connections import (
    AsyncConnections,
    AsyncOneConnection,
    AsyncPoolConnections,
    placed,
    running_loop,
)
from caesura.storage.postgres import AsyncDriver
from caesura.warnings import warn_shallow

__all__ = ["AsyncPostgresSaver", "AsyncShallowPostgresSaver"]


class AsyncPostgresSaver(PostgresSaver):
    """`PostgresSaver` for async programs.

    Args:
        conn: a connection string, a ``psycopg.AsyncConnection``, or a
            ``psycopg_pool.AsyncConnectionPool`` that is open.
        pipe: has no effect.
        serde: turns values into bytes and back.
        schema: where the tables are.
        timeout: seconds to wait for a connection, and for a database that went away.
        keep: see `PostgresSaver`.
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
        EngineSaver.__init__(self, serde=serde, keep=keep)
        conn, self.dialect = placed(conn, schema)
        self._adriver = AsyncDriver(_connections(conn), self.dialect, timeout=timeout)
        self._loop: asyncio.AbstractEventLoop | None = running_loop()

    @classmethod
    @asynccontextmanager
    async def from_conn_string(  # type: ignore[override]
        cls,
        conn_string: str,
        *,
        pipeline: bool = False,
        serde: SerializerProtocol | None = None,
        schema: str = "caesura",
        timeout: float = 30,
        keep: int = KEEP,
    ) -> AsyncIterator[Self]:
        """A saver on the database that the string names; its connections are closed in the end."""
        async with cls(
            conn_string, serde=serde, schema=schema, timeout=timeout, keep=keep
        ) as saver:
            yield saver

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def setup(self) -> None:  # type: ignore[override]
        """Make or upgrade the tables now instead of on first use. Does nothing a second time."""
        await self._adriver.setup()

    def close(self) -> None:
        """Close the connections that the saver opened."""
        self._adriver.connections.finish()

    def execute(self, op: Any) -> Any:
        """Perform one operation, from another thread than the event loop's."""
        if type(op) is History:
            return self.history(op)
        return self._wait_for(self._adriver.run(self.codec, op))

    def history(self, op: History) -> Iterator[Loaded]:
        """The checkpoints that ``op`` asks for, from another thread than the event loop's."""
        return super().history(op)

    async def aexecute(self, op: Any) -> Any:
        """Perform one operation in a transaction."""
        if self._loop is None or not self._loop.is_running():
            self._loop = asyncio.get_running_loop()
        if type(op) is History:
            return self.ahistory(op)
        return await self._adriver.run(self.codec, op)

    def _wait_for(self, work: Any) -> Any:
        loop = self._loop
        if loop is None or not loop.is_running() or loop is running_loop():
            work.close()
            raise asyncio.InvalidStateError(
                "A sync method of AsyncPostgresSaver must be called from another thread than its event "
                "loop's, while that runs. Use the async one here (`await saver.a…`), or PostgresSaver."
            )
        return asyncio.run_coroutine_threadsafe(work, loop).result()


class AsyncShallowPostgresSaver(AsyncPostgresSaver):
    """Deprecated: use `AsyncPostgresSaver`, which this is.

    LangGraph's class of this name keeps the newest checkpoint of a thread only. This one keeps its
    history, as `AsyncPostgresSaver` does; ``prune`` deletes what is older.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warn_shallow("AsyncShallowPostgresSaver", "AsyncPostgresSaver")
        super().__init__(*args, **kwargs)


def _connections(conn: Any) -> AsyncConnections:
    if isinstance(conn, str):
        return AsyncConnections(conn)
    if isinstance(conn, AsyncConnection):
        return AsyncOneConnection(conn)
    if hasattr(conn, "getconn") and hasattr(conn, "__aenter__"):
        return AsyncPoolConnections(conn)
    raise TypeError(
        "AsyncPostgresSaver takes a connection string, a psycopg.AsyncConnection or a "
        f"psycopg_pool.AsyncConnectionPool, not {type(conn).__name__}"
    )
