"""Where the PostgreSQL drivers take their connections from: opened here, or given by the user.

Each kind has the same three methods in its colour: `take` one that nobody else uses, `give_back`, and
`close` (async: `finish`, which works from anywhere).
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.pq import TransactionStatus

from caesura.errors import StorageError
from caesura.storage.dialect import Postgres, postgres
from caesura.storage.talking import translated

IDLE: Final = TransactionStatus.IDLE
_MOST: Final = 10
"""Connections of one process to a database."""
_PREPARE_AFTER: Final = 3


def placed(conn: Any, schema: str) -> tuple[Any, Postgres]:
    """What to connect to, and the dialect of the schema: the one that a connection string names, if any."""
    if not isinstance(conn, str):
        return conn, postgres(schema)
    url, named = split_schema(conn)
    return url, postgres(named or schema)


def split_schema(url: str) -> tuple[str, str | None]:
    """A connection string without the schema that it may name, ``?schema=…``, and that schema."""
    parts = urlsplit(url)
    if "schema=" not in parts.query:
        return url, None
    named = parse_qsl(parts.query, keep_blank_values=True)
    schema = next((value for key, value in named if key == "schema"), None)
    rest = urlencode([pair for pair in named if pair[0] != "schema"], quote_via=quote)
    return urlunsplit(parts._replace(query=rest)), schema


class Connections:
    """Connections to one database: opened when needed, up to a number, and kept for the next."""

    def __init__(self, conninfo: str, most: int = _MOST) -> None:
        self._conninfo = conninfo
        self._free = threading.Semaphore(most)
        self._idle: list[Connection[Any]] = []
        self._closed = False
        self._known = False
        """There was a connection once: the database is there, and will be again."""

    def take(self, timeout: float) -> Connection[Any]:
        """A connection that nobody else uses. Raises psycopg's errors and `StorageError`."""
        if self._closed:
            raise _closed()
        if not self._free.acquire(timeout=timeout):
            raise _busy(timeout)
        try:
            while self._idle:
                connection = self._idle.pop()
                if not connection.closed:
                    return connection
            return self._open()
        except BaseException:
            self._free.release()
            raise

    def _open(self) -> Connection[Any]:
        try:
            made = psycopg.connect(
                self._conninfo, autocommit=True, prepare_threshold=_PREPARE_AFTER
            )
        except psycopg.Error as error:
            if self._known:
                raise
            raise translated(error) from error  # a mistake, to be told at once
        self._known = True
        return made

    def give_back(self, connection: Connection[Any]) -> None:
        """Done with it."""
        if connection.closed or connection.broken:
            for other in self._idle_ones():  # they are older, and went the same way
                other.close()
        elif self._closed:
            connection.close()
        else:
            self._idle.append(connection)
        self._free.release()

    def _idle_ones(self) -> list[Connection[Any]]:
        idle, self._idle = self._idle, []
        return idle

    def close(self) -> None:
        """Close them all."""
        self._closed = True
        for connection in self._idle_ones():
            connection.close()


class OneConnection(Connections):
    """A connection of the user's, used by one thread at a time. If it is lost, it stays lost."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def take(self, timeout: float) -> Connection[Any]:
        if not self._lock.acquire(timeout=timeout):
            raise _busy(timeout)
        try:
            if self._connection.closed:
                raise _gone()
            require_idle(self._connection)
            if not self._connection.autocommit:
                self._connection.autocommit = True
        except BaseException:
            self._lock.release()
            raise
        return self._connection

    def give_back(self, connection: Connection[Any]) -> None:
        self._lock.release()

    def close(self) -> None:
        """It is the user's to close."""


class PoolConnections(Connections):
    """A ``psycopg_pool.ConnectionPool`` of the user's."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def take(self, timeout: float) -> Connection[Any]:
        connection: Connection[Any] = self._pool.getconn(timeout)
        try:
            if not connection.autocommit:
                connection.autocommit = True
        except BaseException:
            self._pool.putconn(connection)
            raise
        return connection

    def give_back(self, connection: Connection[Any]) -> None:
        self._pool.putconn(connection)

    def close(self) -> None:
        """It is the user's to close."""


def _busy(timeout: float) -> StorageError:
    return StorageError(
        f"No connection to the Postgres database became free within {timeout:g} seconds. Nothing was "
        "changed. Look for transactions that hang, or use a pool with more connections."
    )


def _closed() -> StorageError:
    return StorageError("The saver's connections were closed. Nothing was changed.")


def _gone() -> StorageError:
    return StorageError(
        "The connection to the Postgres database is closed. Nothing was changed. Open a saver with "
        "`from_conn_string`, or give it a pool: both open a new one by themselves."
    )


def require_idle(connection: Any) -> None:
    """Raises `StorageError` if the user is in a transaction on a connection that they gave us."""
    if connection.info.transaction_status != IDLE:
        raise StorageError(
            "The connection given to the saver is within a transaction. Nothing was changed. Commit it "
            "first, or give the saver a connection of its own."
        )


# --- the same for async programs -------------------------------------------------------------


@dataclass
class _LoopsOwn:
    """The connections that one event loop opened."""

    free: asyncio.Semaphore
    idle: list[AsyncConnection[Any]] = field(default_factory=list)


def _finish(own: _LoopsOwn) -> None:
    while own.idle:
        connection = own.idle.pop()
        connection.pgconn.finish()


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop of this thread, if it runs one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class AsyncConnections:
    """`Connections` for async programs. Each event loop has its own."""

    def __init__(self, conninfo: str, most: int = _MOST) -> None:
        self._conninfo = conninfo
        self._most = most
        self._loops: dict[asyncio.AbstractEventLoop, _LoopsOwn] = {}
        self._closed = False
        self._known = False

    def _own(self) -> _LoopsOwn:
        loop = asyncio.get_running_loop()
        own = self._loops.get(loop)
        if own is None:
            self.sweep()
            own = self._loops[loop] = _LoopsOwn(asyncio.Semaphore(self._most))
        return own

    def sweep(self) -> None:
        """Close the connections of event loops that do not run any more."""
        for loop in [loop for loop in self._loops if not loop.is_running()]:
            _finish(self._loops.pop(loop))

    def finish(self) -> None:
        """Close all idle connections, from anywhere; those in use are closed when given back."""
        self._closed = True
        self.sweep()
        here = running_loop()
        for loop, own in list(self._loops.items()):
            if loop is here:
                _finish(own)
            else:
                loop.call_soon_threadsafe(_finish, own)

    async def take(self, timeout: float) -> AsyncConnection[Any]:
        """A connection that nobody else uses. Raises psycopg's errors and `StorageError`."""
        if self._closed:
            raise _closed()
        own = self._own()
        try:
            async with asyncio.timeout(timeout if own.free.locked() else None):
                await own.free.acquire()
        except TimeoutError:
            raise _busy(timeout) from None
        try:
            while own.idle:
                connection = own.idle.pop()
                if not connection.closed:
                    return connection
            return await self._open()
        except BaseException:
            own.free.release()
            raise

    async def _open(self) -> AsyncConnection[Any]:
        try:
            made = await AsyncConnection.connect(
                self._conninfo, autocommit=True, prepare_threshold=_PREPARE_AFTER
            )
        except psycopg.Error as error:
            if self._known:
                raise
            raise translated(error) from error
        self._known = True
        return made

    async def give_back(self, connection: AsyncConnection[Any]) -> None:
        """Done with it."""
        own = self._own()
        own.free.release()
        if connection.closed or connection.broken:
            _finish(own)  # they are older, and went the same way
        elif self._closed:
            await connection.close()
        else:
            own.idle.append(connection)


class AsyncOneConnection(AsyncConnections):
    """An async connection of the user's, used by one task at a time. If it is lost, it stays lost."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()

    async def take(self, timeout: float) -> AsyncConnection[Any]:
        await self._lock.acquire()
        try:
            if self._connection.closed:
                raise _gone()
            require_idle(self._connection)
            if not self._connection.autocommit:
                await self._connection.set_autocommit(True)
        except BaseException:
            self._lock.release()
            raise
        return self._connection

    async def give_back(self, connection: AsyncConnection[Any]) -> None:
        self._lock.release()

    def finish(self) -> None:
        """It is the user's to close."""


class AsyncPoolConnections(AsyncConnections):
    """A ``psycopg_pool.AsyncConnectionPool`` of the user's."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def take(self, timeout: float) -> AsyncConnection[Any]:
        connection: AsyncConnection[Any] = await self._pool.getconn(timeout)
        try:
            if not connection.autocommit:
                await connection.set_autocommit(True)
        except BaseException:
            await self._pool.putconn(connection)
            raise
        return connection

    async def give_back(self, connection: AsyncConnection[Any]) -> None:
        await self._pool.putconn(connection)

    def finish(self) -> None:
        """It is the user's to close."""
