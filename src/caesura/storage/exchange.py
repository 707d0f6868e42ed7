"""One round trip to PostgreSQL: queries that are sent in one go, and the answers to all of them.

`exchange` is a generator that waits by yielding; a connection of either colour drives it
(``connection.wait``). The queries go as a *pipeline* of libpq: the database obeys one after the other, and
after one that failed it skips the rest. They are said to libpq itself, for a cursor and psycopg's own
pipeline take three times the processor's time: more, on one host, than the round trips that they save.

What is said often on a connection is prepared on it, under a name made of the statement itself: behind a
pooler, where a connection may be another than we think, a name can be missing, but never mean another
statement.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format, PipelineStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Wait


class Query(NamedTuple):
    """A statement as the database wants it, and its parameters."""

    sql: str
    parameters: Sequence[Any] = ()


Answer = Any
"""The rows of a query, or the number of rows changed."""
Exchange = Generator[Wait, Any, list[Answer]]

_Key = tuple[str, tuple[int, ...] | None]
_MOST_COUNTED: Final = 1024


class Prepared:
    """The statements prepared on one connection: those said most lately, once they are said often."""

    def __init__(self) -> None:
        self._said: dict[_Key, int] = {}
        self._names: dict[_Key, bytes] = {}

    def name(self, key: _Key) -> bytes | None:
        """Its name, if it is prepared."""
        name = self._names.pop(key, None)
        if name is not None:
            self._names[key] = name  # to the end: those in front go first
        return name

    def is_due(self, key: _Key, threshold: int | None) -> bool:
        """Whether to prepare it now, which is said again."""
        if threshold is None:
            return False
        if len(self._said) > _MOST_COUNTED:
            self._said.clear()
        said = self._said[key] = self._said.get(key, 0) + 1
        return said > threshold

    def keep(self, key: _Key, name: bytes) -> None:
        """It was prepared."""
        self._names[key] = name
        self._said.pop(key, None)

    def too_many(self, most: int | None) -> list[bytes]:
        """The names to give up."""
        over = [] if most is None else list(self._names)[: max(0, len(self._names) - most)]
        return [self._names.pop(key) for key in over]


_prepared: WeakKeyDictionary[Any, Prepared] = WeakKeyDictionary()


def exchange(connection: Any, queries: Sequence[Query], *, prepares: bool = True) -> Exchange:
    """Send queries in one go → an answer for each. Raises psycopg's error of the first that failed.

    Outside of a transaction they are one transaction, unless they begin and end one themselves.
    """
    pgconn: PGconn = connection.pgconn
    prepared = _prepared.get(connection)
    if prepared is None:
        prepared = _prepared[connection] = Prepared()
    threshold = connection.prepare_threshold if prepares else None
    new: dict[_Key, bytes] = {}
    said = [_Said.made(connection, query) for query in queries]  # what cannot be said is told here
    pgconn.enter_pipeline_mode()
    for each in said:
        each.send(pgconn, prepared, threshold, new)
    pgconn.pipeline_sync()
    results = yield from _results(pgconn)
    if pgconn.status == ConnStatus.OK:
        pgconn.exit_pipeline_mode()
    _raise_first(pgconn, results)
    for key, name in new.items():
        prepared.keep(key, name)
    answers = [_answer(connection, r) for r, each in zip(results, _sent(said), strict=True) if each]
    for name in prepared.too_many(connection.prepared_max):
        yield from exchange(connection, [Query(f'DEALLOCATE "{name.decode()}"')], prepares=False)
    return answers


class _Said:
    """A query on its way."""

    __slots__ = ("formats", "key", "parameters", "prepares", "sql")

    def __init__(self, sql: str, parameters: Any, types: Any, formats: Any) -> None:
        self.sql, self.parameters, self.formats = sql.encode(), parameters, formats
        self.key: _Key = (sql, types)
        self.prepares = False

    @classmethod
    def made(cls, connection: Any, query: Query) -> _Said:
        """Its parameters as bytes. Raises psycopg's errors."""
        if not query.parameters:
            return cls(query.sql, None, None, None)
        transformer = Transformer(connection)
        given = transformer.dump_sequence(query.parameters, [PyFormat.AUTO] * len(query.parameters))
        return cls(query.sql, given, transformer.types, transformer.formats)

    def send(
        self, pgconn: PGconn, prepared: Prepared, threshold: int | None, new: dict[_Key, bytes]
    ) -> None:
        """Hand it to libpq; ``new``: what is prepared by that."""
        key, types = self.key, self.key[1]
        name = None if threshold is None else prepared.name(key) or new.get(key)
        if name is None and prepared.is_due(key, threshold):
            name = new[key] = _name_of(key)
            pgconn.send_prepare(name, self.sql, types)
            self.prepares = True
        if name is None:
            pgconn.send_query_params(self.sql, self.parameters, types, self.formats, Format.BINARY)
        else:
            pgconn.send_query_prepared(name, self.parameters, self.formats, Format.BINARY)


def _name_of(key: _Key) -> bytes:
    return b"caesura_" + blake2b(repr(key).encode(), digest_size=16).hexdigest().encode()


def _sent(said: Sequence[_Said]) -> list[bool]:
    """For each result that comes: whether it is an answer."""
    kinds: list[bool] = []
    for each in said:
        kinds += (False, True) if each.prepares else (True,)
    return kinds


def _results(pgconn: PGconn) -> Generator[Wait, Any, list[PGresult]]:
    """What comes back. A connection that breaks gives less."""
    while pgconn.flush():
        yield Wait.RW
        pgconn.consume_input()  # else both sides could wait for the other to read
    found: list[PGresult] = []
    while True:
        while pgconn.is_busy():
            yield Wait.R
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:  # the end of one answer
            if pgconn.status != ConnStatus.OK:
                return found
        elif result.status == ExecStatus.PIPELINE_SYNC:
            return found
        else:
            found.append(result)


def _raise_first(pgconn: PGconn, results: Sequence[PGresult]) -> None:
    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            raise error_from_result(result)
    if pgconn.status != ConnStatus.OK:
        raise psycopg.OperationalError("the connection is lost")


def _answer(connection: Any, result: PGresult) -> Answer:
    if result.status != ExecStatus.TUPLES_OK:
        return result.command_tuples
    transformer = Transformer(connection)
    transformer.set_pgresult(result)
    return transformer.load_rows(0, result.ntuples, tuple)


def is_amid(connection: Any) -> bool:
    """True if an exchange was broken off: the connection is of no more use."""
    return bool(connection.pgconn.pipeline_status != PipelineStatus.OFF)
