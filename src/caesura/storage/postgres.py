"""The PostgreSQL drivers: run the generators of `caesura.storage.statements` on psycopg connections.

They only send what `caesura.storage.talking` says and wait as long as it tells them to. Nothing is kept in
the session, so a pooler that gives out a connection for each transaction may stand between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import AsyncConnection, Connection

from caesura.checkpoint.rows import Codec
from caesura.storage.connections import IDLE, AsyncConnections, Connections
from caesura.storage.dialect import Postgres
from caesura.storage.exchange import exchange, is_amid
from caesura.storage.parts import CHECKPOINTS, performer_of
from caesura.storage.statements import Statements
from caesura.storage.talking import Attempts, CommitUnknownError, Talk, set_up, talk


@dataclass
class _Shared:
    """What both drivers know."""

    dialect: Postgres
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
        self._shared = _Shared(dialect)

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
        prepares = self._shared.prepares
        try:
            queries = next(talk)
            while True:
                try:
                    with connection.lock:
                        answers = connection.wait(exchange(connection, queries, prepares=prepares))
                except psycopg.Error as error:
                    queries = talk.throw(error)
                else:
                    queries = talk.send(answers)
        except StopIteration as done:
            return done.value
        except BaseException:
            _end(connection)
            raise


def _end(connection: Connection[Any]) -> None:
    """Leave no transaction open: roll it back, or else close the connection."""
    try:
        if is_amid(connection):
            connection.close()
        elif not connection.closed and connection.info.transaction_status != IDLE:
            connection.rollback()
    except psycopg.Error:
        connection.close()


# --- the same for async programs -------------------------------------------------------------


class AsyncDriver:
    """`Driver` for async programs; to be used in one event loop at a time."""

    def __init__(
        self, connections: AsyncConnections, dialect: Postgres, *, timeout: float = 30
    ) -> None:
        self.connections = connections
        self.timeout = timeout
        self._shared = _Shared(dialect)

    async def run(self, codec: Codec, op: Any) -> Any:
        """Perform ``op``; as `Driver.run`."""
        return await self._run(self._shared.said(codec, op))

    async def setup(self, part: str = CHECKPOINTS) -> None:
        """Make or upgrade the tables of a part; done by itself before its first operation."""
        await self._run(lambda: self._shared.set_up(part))

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
        prepares = self._shared.prepares
        try:
            queries = next(talk)
            while True:
                try:
                    async with connection.lock:
                        answers = await connection.wait(
                            exchange(connection, queries, prepares=prepares)
                        )
                except psycopg.Error as error:
                    queries = talk.throw(error)
                else:
                    queries = talk.send(answers)
        except StopIteration as done:
            return done.value
        except BaseException:
            await _aend(connection)
            raise


async def _aend(connection: AsyncConnection[Any]) -> None:
    try:
        if is_amid(connection):
            await connection.close()
        elif not connection.closed and connection.info.transaction_status != IDLE:
            await connection.rollback()
    except (psycopg.Error, asyncio.CancelledError):
        await connection.close()
