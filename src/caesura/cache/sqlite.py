"""The cache in a SQLite file: it outlives the process, and processes share it.

One connection for each process that uses the object, opened when first needed, and one lock. The
file is in WAL mode: whoever reads does not wait for whoever writes. Writers wait for each other, for
a short while only, since a value that is not stored can be computed again.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from caesura.cache.base import BaseCache, FullKey, Namespace, Typed, ValueT
from caesura.checkpoint.serde.base import SerializerProtocol
from caesura.errors import StorageError

__all__ = ["SqliteCache"]

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS caesura_cache (
    ns TEXT NOT NULL,
    key TEXT NOT NULL,
    tag TEXT NOT NULL,
    value BLOB NOT NULL,
    expires_at REAL,
    PRIMARY KEY (ns, key)
)"""
_BY_EXPIRY: Final = """
CREATE INDEX IF NOT EXISTS caesura_cache_by_expiry ON caesura_cache (expires_at)
WHERE expires_at IS NOT NULL"""
_GET: Final = """
SELECT tag, value FROM caesura_cache
WHERE ns = ? AND key = ? AND (expires_at IS NULL OR expires_at > ?)"""
_SET: Final = "INSERT OR REPLACE INTO caesura_cache VALUES (?, ?, ?, ?, ?)"
_SWEEP: Final = "DELETE FROM caesura_cache WHERE expires_at <= ?"
_CLEAR: Final = "DELETE FROM caesura_cache WHERE ns = ?"


class SqliteCache(BaseCache[ValueT]):
    """Values in a SQLite file. Threads and processes may use one file at the same time.

    Args:
        path: the file, which is made if it is not there, or ``":memory:"``. It may be that of a
            saver; the table is called ``caesura_cache``.
        serde: see `BaseCache`.
        timeout: seconds to wait while another process writes.
        clock: tells the time, in seconds since 1970; the same for all that share the file.

    Raises:
        StorageError: from any method, if the file is locked for too long, damaged or no database.
    """

    def __init__(
        self,
        *,
        path: str | os.PathLike[str],
        serde: SerializerProtocol | None = None,
        timeout: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(serde=serde)
        self._file = _File(os.fspath(path), timeout)
        self._clock = clock

    def close(self) -> None:
        """Close the file. It is opened again if it is used again."""
        self._file.close()

    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """See `BaseCache.get`."""
        found: list[tuple[FullKey, Typed]] = []
        now = self._clock()
        with self._file.opened() as connection:
            for ns, key in dict.fromkeys(keys):
                row = connection.execute(_GET, (_path(ns), key, now)).fetchone()
                if row is not None:
                    found.append(((ns, key), row))
        return self._readable(found)

    async def aget(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """See `BaseCache.aget`."""
        return await asyncio.to_thread(self.get, keys)

    def set(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """See `BaseCache.set`; also deletes what has expired."""
        written, now = self._written(pairs), self._clock()
        rows = [
            (_path(ns), key, *typed, None if ttl is None else now + ttl)
            for (ns, key), (typed, ttl) in written.items()
        ]
        with self._file.writing() as connection:
            connection.executemany(_SET, rows)
            connection.execute(_SWEEP, (now,))

    async def aset(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """See `BaseCache.aset`."""
        await asyncio.to_thread(self.set, pairs)

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """See `BaseCache.clear`."""
        with self._file.writing() as connection:
            if namespaces is None:
                connection.execute("DELETE FROM caesura_cache")
            else:
                connection.executemany(_CLEAR, [(_path(ns),) for ns in namespaces])

    async def aclear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """See `BaseCache.aclear`."""
        await asyncio.to_thread(self.clear, namespaces)


def _path(ns: Namespace) -> str:
    """A namespace as one text; no two have the same."""
    return json.dumps(list(ns))


class _File:
    """The connection; a forked process opens one of its own."""

    def __init__(self, path: str, timeout: float) -> None:
        self.path, self.timeout = path, timeout
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._process = 0

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """The connection, to oneself. Raises StorageError for what fails with it."""
        with self._lock:
            try:
                if self._connection is None or self._process != os.getpid():
                    self._connection, self._process = self._open(), os.getpid()
                yield self._connection
            except sqlite3.Error as error:
                raise StorageError(
                    f"The cache in {self.path!r} cannot be used: {error}. Nothing was changed. It "
                    "holds nothing that cannot be computed again: a damaged file may be deleted."
                ) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """As `opened`, in one transaction."""
        with self.opened() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            isolation_level=None,
            check_same_thread=False,
            timeout=self.timeout,
            uri=self.path.startswith("file:"),
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_TABLE)
            connection.execute(_BY_EXPIRY)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()
