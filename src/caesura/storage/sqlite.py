"""The SQLite driver: runs the generators of `caesura.storage.statements` on one connection.

One connection, one lock: SQLite has a single writer anyway, and a commit takes some ten
microseconds. Waiting for other processes is done here, not in SQLite, so that an async caller can
first try without waiting (`Driver.run` with ``wait`` False raises `Busy`) and wait in a thread if
it must. An operation that found the database busy has stored nothing and is begun anew.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import random
from typing import Any, Final, Literal

from caesura.checkpoint.rows import Codec
from caesura.errors import StorageError
from caesura.storage.dialect import SQLITE
from caesura.storage.migrating import migrate
from caesura.storage.parts import CHECKPOINTS, performer_of
from caesura.storage.statements import Begin, Statement, Statements, Together

Durability = Literal["normal", "full"]
"""``normal``: a commit survives the end of the process, and of the machine once the log is synced,
which each question and each answer sees to; ``full``: it survives the end of the machine at once,
at the price of a sync a commit."""

_MOMENT: Final = 0.002
"""Seconds that a caller who does not want to wait does wait for another thread of this process. An
operation takes a tenth of that; going to a thread instead would make the next caller find us busy, too."""


class Busy(Exception):
    """The database, or this connection, is in use, and the caller did not want to wait."""


def connect(path: str) -> sqlite3.Connection:
    """A connection as the driver wants it; ``path`` may be a ``file:`` URI or ``:memory:``."""
    with _translated():
        return sqlite3.connect(
            path,
            isolation_level=None,
            check_same_thread=False,
            timeout=0,
            uri=path.startswith("file:"),
        )


class Driver:
    """Performs operations on one SQLite connection, which it takes over.

    The connection is put into autocommit mode (``isolation_level`` None); transactions are begun
    and ended here. Safe to use from several threads if the connection was opened with
    ``check_same_thread=False``.

    Args:
        timeout: seconds to wait for other processes before giving up.
    """

    def __init__(
        self, connection: sqlite3.Connection, *, durable: Durability = "normal", timeout: float = 30
    ) -> None:
        self.connection = connection
        self.durable = durable
        self.timeout = timeout
        self._lock = threading.Lock()
        self._cursor: sqlite3.Cursor | None = None
        self._ready: set[str] = set()

    def run(self, codec: Codec, op: Any, *, wait: bool = True) -> Any:
        """Perform ``op``; see `caesura.checkpoint.operations` for what that returns and raises.

        Raises:
            Busy: ``wait`` is False and the operation would have to wait, for others or for the disk.
            StorageError: the database failed, or stayed busy for longer than the timeout.
        """
        deadline = None
        part, perform = performer_of(type(op))
        while True:
            if not wait and part not in self._ready:  # opening may wait
                raise Busy
            if not self._lock.acquire(timeout=-1 if wait else _MOMENT):
                raise Busy
            try:
                return self._attempt(part, perform(SQLITE, codec, op), wait)
            except sqlite3.Error as error:
                now = time.monotonic()
                deadline = deadline or now + self.timeout
                if not _is_busy(error) or (wait and now > deadline):
                    raise _translate(error) from error
                if not wait:
                    raise Busy from error
            finally:
                self._lock.release()
            time.sleep(0.001 + 0.02 * random())

    def setup(self, part: str = CHECKPOINTS) -> None:
        """Make or upgrade the tables of a part; done by itself before its first operation."""
        with self._lock, _translated():
            self._prepared(part)

    @property
    def path(self) -> str:
        """The file of the database; empty for one in memory."""
        with self._lock, _translated():
            listed = self.connection.execute("PRAGMA database_list").fetchall()
        return str(listed[0][2] or "")

    def close(self) -> None:
        """Close the connection. Later operations raise `StorageError`."""
        with self._lock:
            self._cursor = None
            self.connection.close()

    # --- one operation ---

    def _attempt(self, part: str, steps: Statements, wait: bool) -> Any:
        cursor = self._cursor
        if cursor is None or part not in self._ready:
            cursor = self._prepared(part)
        return self._converse(cursor, steps, wait)

    def _converse(self, cursor: sqlite3.Cursor, steps: Statements, wait: bool = True) -> Any:
        begin: Begin | None = None
        began, synced, answer = False, False, None
        try:
            while True:
                try:
                    said = steps.send(answer)
                except StopIteration as done:
                    if began:
                        cursor.execute("COMMIT")
                    return done.value
                if isinstance(said, Begin):
                    if began:
                        cursor.execute("COMMIT")
                        began = False
                    if said.sync == "now" and self.durable == "normal" and not synced:
                        if not wait:
                            raise Busy
                        cursor.execute("PRAGMA synchronous = FULL")
                        synced = True
                    begin, answer = said, None
                    continue
                if begin is not None:
                    if not _is_one_that_ends(said):
                        cursor.execute("BEGIN IMMEDIATE" if begin.writes else "BEGIN")
                        began = True
                    begin = None
                if not isinstance(said, Together):
                    answer = _perform(cursor, said)
                    continue
                answer = [_perform(cursor, statement) for statement in said.statements]
                if began and said.ends:
                    cursor.execute("COMMIT")
                    began = False
        except BaseException:
            if began:
                self._roll_back()
            raise
        finally:
            if synced:
                cursor.execute("PRAGMA synchronous = NORMAL")

    def _roll_back(self) -> None:
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    # --- the connection ---

    def _prepared(self, part: str) -> sqlite3.Cursor:
        """The cursor, with the tables of ``part`` there; every part hangs on the checkpoints'."""
        cursor = self._cursor or self._open()
        for each in dict.fromkeys((CHECKPOINTS, part)):
            if each not in self._ready:
                deadline = time.monotonic() + self.timeout
                self._retry(lambda each=each: self._migrate(cursor, each), deadline)  # type: ignore[misc]
                self._ready.add(each)
        self._cursor = cursor
        return cursor

    def _open(self) -> sqlite3.Cursor:
        connection = self.connection
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.row_factory = None
        deadline = time.monotonic() + self.timeout
        self._retry(lambda: cursor.execute("PRAGMA journal_mode = WAL").fetchall(), deadline)
        cursor.execute(f"PRAGMA synchronous = {self.durable}")
        cursor.execute("PRAGMA busy_timeout = 0")
        return cursor

    def _retry(self, act: Callable[[], Any], deadline: float) -> None:
        while True:
            try:
                act()
                return
            except sqlite3.Error as error:
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.001 + 0.02 * random())

    def _migrate(self, cursor: sqlite3.Cursor, part: str) -> None:
        self._converse(cursor, migrate(SQLITE, part))


def _is_one_that_ends(said: Statement | Together) -> bool:
    """A single statement is a transaction by itself."""
    return isinstance(said, Together) and said.ends and len(said.statements) == 1


def _perform(cursor: sqlite3.Cursor, statement: Statement) -> Any:
    """The rows of a query, or the number of rows changed."""
    cursor.execute(*statement)
    return cursor.rowcount if cursor.description is None else cursor.fetchall()


# --- errors ----------------------------------------------------------------------------------

_MEANING: Final = {
    sqlite3.SQLITE_BUSY: "is locked by another process for too long",
    sqlite3.SQLITE_LOCKED: "is locked by another connection for too long",
    sqlite3.SQLITE_FULL: "has no space left on its disk",
    sqlite3.SQLITE_READONLY: "is read-only",
    sqlite3.SQLITE_CORRUPT: "is damaged",
    sqlite3.SQLITE_NOTADB: "is no SQLite database, or is encrypted",
    sqlite3.SQLITE_IOERR: "cannot be read or written (disk error)",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_PERM: "may not be accessed",
    sqlite3.SQLITE_TOOBIG: "cannot hold a value of this size",
}


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_busy(error: sqlite3.Error) -> bool:
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _translate(error: sqlite3.Error) -> StorageError:
    meaning = _MEANING.get(_code(error), "refused")
    return StorageError(f"The SQLite database {meaning} ({error}). Nothing was changed.")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(error) from error
