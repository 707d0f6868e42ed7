"""The saver that keeps everything in one SQLite file: durable, and shared between processes.

One class serves sync and async programs. An async call is performed at once, in the event loop's
own thread: that takes some ten microseconds, less than handing it to another one. Only if it would
have to wait, for another process or thread, or for the disk, is it given to a thread.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Final, Self

from caesura.checkpoint.operations import FindCheckpoints, History
from caesura.checkpoint.recent import KEEP
from caesura.checkpoint.saver import EngineSaver, ReadOn
from caesura.checkpoint.serde.base import SerializerProtocol
from caesura.storage.sqlite import Busy, Driver, Durability, connect

__all__ = ["SqliteSaver"]

_LONG: Final = (ReadOn, FindCheckpoints)
"""What may take longer than an event loop should be held up."""


class SqliteSaver(EngineSaver):
    """Stores checkpoints in a SQLite database. Tables are made on first use.

    Args:
        conn: an open connection, which the saver takes over: autocommit, WAL, no other users. Open
        it
            with ``check_same_thread=False`` if several threads, or async programs, use the saver.
        serde: turns values into bytes and back.
        durable: ``"normal"`` (a commit survives the process; questions and answers, with all before them,
            a power cut) or ``"full"`` (every commit survives a power cut).
        timeout: seconds to wait for other processes.
        keep: bytes of memory for what was read last, so that the next run on a thread reads only what came
            since; 0: nothing is kept. Where an encrypting serializer is used, nothing ever is.

    Raises:
        StorageError: from any method, if the database fails. Nothing is stored then.
    """

    in_loop: ClassVar[bool] = True

    def __init__(
        self,
        conn: sqlite3.Connection,
        *,
        serde: SerializerProtocol | None = None,
        durable: Durability = "normal",
        timeout: float = 30,
        keep: int = KEEP,
    ) -> None:
        super().__init__(serde=serde, keep=keep)
        self._driver = Driver(conn, durable=durable, timeout=timeout)

    @classmethod
    @contextmanager
    def from_conn_string(
        cls,
        conn_string: str,
        *,
        serde: SerializerProtocol | None = None,
        durable: Durability = "normal",
        timeout: float = 30,
        keep: int = KEEP,
    ) -> Iterator[Self]:
        """Open a database file (or ``":memory:"``), give its saver, and close it in the end."""
        saver = cls(connect(conn_string), serde=serde, durable=durable, timeout=timeout, keep=keep)
        try:
            yield saver
        finally:
            saver.close()

    def another(self) -> Self:
        """A saver on the same file with a connection of its own; this one, if it is in memory.

        What takes long there does not hold up what is done here.
        """
        path = self._driver.path
        if not path:
            return self
        return type(self)(
            connect(path),
            serde=self.serde,
            durable=self._driver.durable,
            timeout=self._driver.timeout,
            keep=self._recent.keep,
        )

    def interrupt(self) -> None:
        """Break off what the connection is doing, from another thread."""
        self.conn.interrupt()

    @property
    def conn(self) -> sqlite3.Connection:
        """The connection; only to look at."""
        return self._driver.connection

    def setup(self) -> None:
        """Make or upgrade the tables now instead of on first use."""
        self._driver.setup()

    def close(self) -> None:
        """Close the connection."""
        self._driver.close()

    def execute(self, op: Any) -> Any:
        """Perform one operation; waits while another thread or process writes."""
        if type(op) is History:
            return self.history(op)
        return self._driver.run(self.codec, op)

    async def aexecute(self, op: Any) -> Any:
        """Perform one operation; what would have to wait, does so in a thread."""
        kind = type(op)
        if kind is History:
            return self.ahistory(op)
        if kind not in _LONG and self._driver.durable == "normal":
            try:
                return self._driver.run(self.codec, op, wait=False)
            except Busy:
                pass
        return await asyncio.to_thread(self._driver.run, self.codec, op)
