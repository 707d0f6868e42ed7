"""LangGraph's name of the SQLite saver for async programs.

`caesura.checkpoint.sqlite.SqliteSaver` serves both kinds; this class only opens and closes the
async way and also takes what LangGraph's takes.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from os import PathLike, fspath
from types import TracebackType
from typing import Any, Self

from caesura.checkpoint.recent import KEEP
from caesura.checkpoint.serde.base import SerializerProtocol
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.errors import StorageError
from caesura.storage.sqlite import Durability, connect

__all__ = ["AsyncSqliteSaver"]


class AsyncSqliteSaver(SqliteSaver):
    """`SqliteSaver` for async programs.

    Args:
        conn: a path, a ``sqlite3.Connection``, or an ``aiosqlite.Connection``, of which only the
            path is used: on first use the saver opens its own connection to that file (or, if
            that one is in memory, to a database in memory of its own).
        serde: turns values into bytes and back.
        durable: see `SqliteSaver`.
        timeout: seconds to wait for other processes.
        keep: see `SqliteSaver`.
    """

    def __init__(
        self,
        conn: Any,
        *,
        serde: SerializerProtocol | None = None,
        durable: Durability = "normal",
        timeout: float = 30,
        keep: int = KEEP,
    ) -> None:
        own = isinstance(conn, (sqlite3.Connection, str, PathLike))
        self._foreign: list[Any] = [] if own else [conn]  # shared with twins over the same store
        if not own and not hasattr(conn, "execute_fetchall"):
            raise TypeError(
                "AsyncSqliteSaver takes a path, a sqlite3.Connection or an aiosqlite.Connection, "
                f"not {type(conn).__name__}"
            )
        super().__init__(
            _connection(conn), serde=serde, durable=durable, timeout=timeout, keep=keep
        )

    @classmethod
    @asynccontextmanager
    async def from_conn_string(  # type: ignore[override]
        cls,
        conn_string: str,
        *,
        serde: SerializerProtocol | None = None,
        durable: Durability = "normal",
        timeout: float = 30,
        keep: int = KEEP,
    ) -> AsyncIterator[Self]:
        """Open a database file (or ``":memory:"``), give its saver, and close it in the end."""
        async with cls(
            conn_string, serde=serde, durable=durable, timeout=timeout, keep=keep
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
        await asyncio.to_thread(self.close)

    async def setup(self) -> None:  # type: ignore[override]
        """Make or upgrade the tables now instead of on first use."""
        if self._foreign:
            await self._follow()
        await asyncio.to_thread(super().setup)

    def execute(self, op: Any) -> Any:
        """Perform one operation; waits while another thread or process writes."""
        if self._foreign:
            raise StorageError(
                "A saver on an aiosqlite connection must be used in async code first, or be set up "
                "with `await saver.setup()`. Nothing was changed."
            )
        return super().execute(op)

    async def aexecute(self, op: Any) -> Any:
        """Perform one operation; what would have to wait, does so in a thread."""
        if self._foreign:
            await self._follow()
        return await super().aexecute(op)

    async def _follow(self) -> None:
        """Move to the file behind the aiosqlite connection."""
        listed = await self._foreign[0].execute_fetchall("PRAGMA database_list")
        path = next((file for _, name, file in listed if name == "main"), "")
        if self._foreign:
            self._foreign.clear()
            if path:
                self._driver.connection = connect(path)


def _connection(conn: Any) -> sqlite3.Connection:
    if isinstance(conn, sqlite3.Connection):
        return conn
    return connect(fspath(conn) if isinstance(conn, (str, PathLike)) else ":memory:")
