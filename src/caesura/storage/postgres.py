"""The PostgreSQL drivers: run the generators of `caesura.storage.operations` on psycopg connections.

What is said to the database is decided once, in `talk`, a generator that yields queries and is sent
the rows of each; the sync and the async driver only send them. What is done about a failure is decided
once as well, in `Attempts`: an operation that failed has stored nothing and is begun anew if that can
help (the connection was lost, another transaction was faster). If the connection is lost while a
transaction commits, the database is asked afterwards whether it did: `pg_xact_status` remembers.

Nothing is kept in the session, so a pooler that gives out a connection for each transaction may stand
between.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from random import random
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor, Connection, RawCursor
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from caesura.checkpoint.rows import Codec
from caesura.errors import StorageError, UnstorableTextError
from caesura.storage.dialect import Postgres
from caesura.storage.migrating import migrate
from caesura.storage.operations import Begin, Statements
from caesura.storage.parts import CHECKPOINTS, performer_of


class Query(NamedTuple):
    """What is sent in one go. A script is several statements, without parameters."""

    sql: str
    parameters: Sequence[Any] = ()
    script: bool = False


Talk = Generator[Query, Any, Any]
"""Yields queries; is sent the rows of each, or the number of rows changed."""

_COMMIT: Final = Query("COMMIT")
_STATUS: Final = "SELECT pg_xact_status($1::text::xid8)"


class CommitUnknownError(Exception):
    """The connection was lost while a transaction committed."""

    def __init__(self, transaction: str, value: Any) -> None:
        self.transaction, self.value = transaction, value


def talk(dialect: Postgres, steps: Statements) -> Talk:
    """Everything that is said to perform an operation. Raises `CommitUnknownError`."""
    transaction, answer = None, None
    while True:
        try:
            statement = steps.send(answer)
        except StopIteration as done:
            if transaction is not None:
                yield from _commit(transaction, done.value)
            return done.value
        if isinstance(statement, Begin):
            if transaction is not None:
                yield from _commit(transaction, None)
            script = dialect.begin(writes=statement.writes, scope=statement.scope)
            rows = yield Query(script, script=True)
            transaction, answer = (rows[0][0] if statement.writes else ""), None
        else:
            sql, parameters = statement
            answer = yield Query(dialect.sql(sql), parameters)


def _commit(transaction: str, value: Any) -> Talk:
    try:
        yield _COMMIT
    except psycopg.OperationalError as error:
        if transaction and is_lost(error):
            raise CommitUnknownError(transaction, value) from error
        raise


def verified(unknown: CommitUnknownError, otherwise: Callable[[], Talk]) -> Talk:
    """The outcome of a commit that nobody heard of; if it was none, ``otherwise``."""
    ((status,),) = yield Query(_STATUS, (unknown.transaction,))
    if status == "committed":
        return unknown.value
    if status == "in progress":  # the database has not noticed yet that we are gone
        raise unknown
    return (yield from otherwise())


def set_up(dialect: Postgres, parts: Sequence[str]) -> Talk:
    """Make or upgrade the tables of parts."""
    for part in parts:
        yield from talk(dialect, migrate(dialect, part))


def split_schema(url: str) -> tuple[str, str | None]:
    """A connection string without the schema that it may name, ``?schema=…``, and that schema."""
    parts = urlsplit(url)
    if "schema=" not in parts.query:
        return url, None
    named = parse_qsl(parts.query, keep_blank_values=True)
    schema = next((value for key, value in named if key == "schema"), None)
    rest = urlencode([pair for pair in named if pair[0] != "schema"], quote_via=quote)
    return urlunsplit(parts._replace(query=rest)), schema


# --- failures --------------------------------------------------------------------------------

_LOST: Final = frozenset({"57P01", "57P02", "57P03", "53300", "08000", "08003", "08006", "08P01"})
"""The server ends, is starting, or has no connection to spare."""
_OVERTAKEN: Final = frozenset({"40001", "40P01", "23505", "23503"})
"""Another transaction was faster: begun anew, the operation sees what that one did."""
_UNPREPARED: Final = frozenset({"26000", "42P05"})
"""A pooler gave us a connection that prepared other statements than we think."""

_MEANING: Final = {
    "53100": "has no space left on its disk",
    "53200": "is out of memory",
    "25006": "is read-only (a standby?)",
    "42501": "does not let this user do that: it needs USAGE and CREATE on the schema, or its tables",
    "3D000": "does not exist",
    "28P01": "refused the password",
    "28000": "refused the user",
    "55P03": "has been locked by another transaction for too long",
    "57014": "cancelled the statement (statement_timeout?)",
    "42P01": "lacks a table that was there: was it dropped?",
    "42883": "is too old: it must be PostgreSQL 13 or newer",
}


def is_lost(error: BaseException) -> bool:
    """True if the connection is no more, or there never was one."""
    if not isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return False
    return error.sqlstate is None or error.sqlstate in _LOST


def translated(error: Exception) -> StorageError:
    """What a failure means to a person."""
    if isinstance(error, CommitUnknownError):
        return StorageError(
            "The connection to the Postgres database was lost while it committed, and it does not tell "
            f"whether it did (transaction {error.transaction}). Load the thread to see what is stored."
        )
    state = getattr(error, "sqlstate", None)
    if isinstance(error, psycopg.DataError) and state in (None, "22021"):
        return UnstorableTextError(
            f"Postgres cannot hold a name, id or key like this one: {error}. Nothing was changed."
        )
    meaning = _MEANING.get(state or "", "cannot be reached" if is_lost(error) else "refused")
    text = " ".join(str(error).split())
    return StorageError(f"The Postgres database {meaning} ({text}). Nothing was changed.")


@dataclass(slots=True)
class Attempts:
    """The attempts at one operation: what each says, and how long to wait for the next."""

    timeout: float
    """Seconds from the first failure until giving up."""
    overtaken: int = 0
    failed: int = 0
    unknown: CommitUnknownError | None = None
    unprepared: bool = False
    """The connections do not keep prepared statements."""
    _deadline: float | None = None

    def talk(self, otherwise: Callable[[], Talk]) -> Talk:
        """What the next attempt says."""
        return otherwise() if self.unknown is None else verified(self.unknown, otherwise)

    def after(self, error: Exception, now: float) -> float:
        """Seconds to wait before the next attempt. Raises `StorageError` if there is none."""
        if isinstance(error, CommitUnknownError):
            self.unknown = error
        elif isinstance(error, psycopg.Error) and error.sqlstate in _UNPREPARED:
            self.unprepared = True
            return 0
        elif isinstance(error, psycopg.Error) and error.sqlstate in _OVERTAKEN:
            self.overtaken += 1
            if self.overtaken <= _MOST_OVERTAKEN:
                return 0.002 * random() * self.overtaken
            raise translated(error) from error
        elif not is_lost(error):
            raise translated(error) from error
        self._deadline = self._deadline or now + self.timeout
        if now > self._deadline:
            raise translated(error) from error
        self.failed += 1
        return min(1.0, 0.02 * 2.0**self.failed) * (0.5 + random() / 2)


_MOST_OVERTAKEN: Final = 50


# --- the drivers -----------------------------------------------------------------------------

_IDLE: Final = TransactionStatus.IDLE
_MOST: Final = 10
"""Connections of one process to a database."""
_PREPARE_AFTER: Final = 3


@dataclass
class _Shared:
    """What both drivers know."""

    dialect: Postgres
    timeout: float
    ready: set[str] = field(default_factory=set)
    prepares: bool = True

    def said(self, codec: Codec, op: Any) -> Callable[[], Talk]:
        """What is said to perform ``op``, each time anew."""
        part, perform = performer_of(type(op))
        if part in self.ready:
            return lambda: talk(self.dialect, perform(self.dialect, codec, op))
        return lambda: self._said_first(part, lambda: perform(self.dialect, codec, op))

    def _said_first(self, part: str, steps: Callable[[], Statements]) -> Talk:
        yield from self.set_up(part)
        return (yield from talk(self.dialect, steps()))

    def set_up(self, part: str) -> Talk:
        """Make or upgrade the tables of a part; every part hangs on the checkpoints'."""
        parts = [p for p in dict.fromkeys((CHECKPOINTS, part)) if p not in self.ready]
        yield from set_up(self.dialect, parts)
        self.ready.update(parts)

    def note(self, attempts: Attempts) -> None:
        """Learn from a failure."""
        if attempts.unprepared:
            self.prepares = False


class Driver:
    """Performs operations on connections that it is given or opens; safe to use from many threads."""

    def __init__(self, connections: Connections, dialect: Postgres, *, timeout: float = 30) -> None:
        self.connections = connections
        self.timeout = timeout
        self._shared = _Shared(dialect, timeout)

    def run(self, codec: Codec, op: Any) -> Any:
        """Perform ``op``; see `caesura.checkpoint.operations` for what that returns and raises.

        Raises:
            StorageError: the database failed, or could not be reached until the timeout.
        """
        return self._run(self._shared.said(codec, op))

    def setup(self, part: str = CHECKPOINTS) -> None:
        """Make or upgrade the tables of a part; done by itself before its first operation."""
        self._run(lambda: self._shared.set_up(part))

    def close(self) -> None:
        """Close the connections that were opened here."""
        self.connections.close()

    def _run(self, said: Callable[[], Talk]) -> Any:
        attempts = Attempts(self.timeout)
        while True:
            try:
                connection = self.connections.take(self.timeout)
                try:
                    return self._converse(connection, attempts.talk(said))
                finally:
                    self.connections.give_back(connection)
            except (psycopg.Error, CommitUnknownError) as error:
                pause = attempts.after(error, time.monotonic())
            self._shared.note(attempts)
            time.sleep(pause)

    def _converse(self, connection: Connection[Any], talk: Talk) -> Any:
        prepare = None if self._shared.prepares else False
        cursor = RawCursor(connection, row_factory=tuple_row)
        try:
            query = next(talk)
            while True:
                try:
                    cursor.execute(
                        query.sql,
                        query.parameters or None,
                        prepare=False if query.script else prepare,
                        binary=not query.script,
                    )
                    while query.script and cursor.nextset():
                        pass
                    rows = cursor.fetchall() if cursor.description else cursor.rowcount
                except psycopg.Error as error:
                    query = talk.throw(error)
                else:
                    query = talk.send(rows)
        except StopIteration as done:
            return done.value
        except BaseException:
            _end(connection)
            raise


def _end(connection: Connection[Any]) -> None:
    """Leave no transaction open: roll it back, or else close the connection."""
    try:
        if not connection.closed and connection.info.transaction_status != _IDLE:
            connection.rollback()
    except psycopg.Error:
        connection.close()


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
    if connection.info.transaction_status != _IDLE:
        raise StorageError(
            "The connection given to the saver is within a transaction. Nothing was changed. Commit it "
            "first, or give the saver a connection of its own."
        )


# --- the same for async programs -------------------------------------------------------------


class AsyncDriver:
    """`Driver` for async programs; to be used in one event loop at a time."""

    def __init__(
        self, connections: AsyncConnections, dialect: Postgres, *, timeout: float = 30
    ) -> None:
        self.connections = connections
        self.timeout = timeout
        self._shared = _Shared(dialect, timeout)

    async def run(self, codec: Codec, op: Any) -> Any:
        """Perform ``op``; as `Driver.run`."""
        return await self._run(self._shared.said(codec, op))

    async def setup(self, part: str = CHECKPOINTS) -> None:
        """Make or upgrade the tables of a part; done by itself before its first operation."""
        await self._run(lambda: self._shared.set_up(part))

    async def close(self) -> None:
        """Close the connections that were opened here."""
        await self.connections.close()

    async def _run(self, said: Callable[[], Talk]) -> Any:
        attempts = Attempts(self.timeout)
        while True:
            try:
                connection = await self.connections.take(self.timeout)
                try:
                    return await self._converse(connection, attempts.talk(said))
                finally:
                    await self.connections.give_back(connection)
            except (psycopg.Error, CommitUnknownError) as error:
                pause = attempts.after(error, time.monotonic())
            self._shared.note(attempts)
            await asyncio.sleep(pause)

    async def _converse(self, connection: AsyncConnection[Any], talk: Talk) -> Any:
        prepare = None if self._shared.prepares else False
        cursor = AsyncRawCursor(connection, row_factory=tuple_row)
        try:
            query = next(talk)
            while True:
                try:
                    await cursor.execute(
                        query.sql,
                        query.parameters or None,
                        prepare=False if query.script else prepare,
                        binary=not query.script,
                    )
                    while query.script and cursor.nextset():
                        pass
                    rows = await cursor.fetchall() if cursor.description else cursor.rowcount
                except psycopg.Error as error:
                    query = talk.throw(error)
                else:
                    query = talk.send(rows)
        except StopIteration as done:
            return done.value
        except BaseException:
            await _aend(connection)
            raise


async def _aend(connection: AsyncConnection[Any]) -> None:
    try:
        if not connection.closed and connection.info.transaction_status != _IDLE:
            await connection.rollback()
    except (psycopg.Error, asyncio.CancelledError):
        await connection.close()


@dataclass
class _LoopsOwn:
    """The connections that one event loop opened."""

    free: asyncio.Semaphore
    idle: list[AsyncConnection[Any]] = field(default_factory=list)


def _finish(own: _LoopsOwn) -> None:
    while own.idle:
        connection = own.idle.pop()
        connection.pgconn.finish()


def _running_loop() -> asyncio.AbstractEventLoop | None:
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
        here = _running_loop()
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

    async def close(self) -> None:
        """`finish`."""
        self.finish()


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

    async def close(self) -> None:
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

    async def close(self) -> None:
        """It is the user's to close."""
