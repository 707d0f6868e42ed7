"""What is said to PostgreSQL to perform an operation, and what is done when that fails.

`talk` is a generator that yields queries, as many at a time as go in one round trip, and is sent their
answers; the drivers of both colours only pass them on. What begins a transaction goes with its first
statement, and the commit with the last ones, where the operation says that they are. `Attempts` decides
about a failure: an operation that failed has stored nothing and is begun anew if that can help (the
connection was lost, another transaction was faster). If the connection is lost while a transaction
commits, the database is asked afterwards whether it did: ``pg_xact_status`` remembers; or the operation
is begun anew all the same, if it recognises what it stored itself.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from random import random
from typing import Any, Final

import psycopg

from caesura.errors import StorageError, UnstorableTextError
from caesura.storage.dialect import Postgres
from caesura.storage.exchange import Query
from caesura.storage.migrating import migrate
from caesura.storage.statements import UNTOLD, Begin, Statement, Statements, Together

Talk = Generator[Sequence[Query], Any, Any]
"""Yields what to send in one go; is sent a list of answers."""

_COMMIT: Final = Query("COMMIT")
_STATUS: Final = "SELECT pg_xact_status($1::text::xid8)"


class CommitUnknownError(Exception):
    """The connection was lost while a transaction committed."""

    def __init__(self, transaction: str, value: Any) -> None:
        self.transaction, self.value = transaction, value


def talk(dialect: Postgres, steps: Statements) -> Talk:
    """Everything that is said to perform an operation. Raises `CommitUnknownError`."""
    transaction = _Transaction(dialect)
    answer: Any = None
    while True:
        try:
            said = steps.send(answer)
        except StopIteration as done:
            yield from transaction.commit(done.value)
            return done.value
        if isinstance(said, Begin):
            yield from transaction.commit(None)
            transaction.begin, answer = said, None
        elif isinstance(said, Together):
            answer = yield from transaction.say(said.statements, ends=said.ends, value=said.result)
        else:
            (answer,) = yield from transaction.say([said])


class _Transaction:
    """The transaction that is open, about to begin, or neither."""

    __slots__ = ("_dialect", "_id", "begin")

    def __init__(self, dialect: Postgres) -> None:
        self._dialect = dialect
        self._id: str | None = None
        """What the database calls the open one; empty: it only reads."""
        self.begin: Begin | None = None
        """What it is to be, until its first statement is said."""

    def say(
        self, statements: Sequence[Statement], *, ends: bool = False, value: Any = UNTOLD
    ) -> Talk:
        """Perform statements → their answers. See `Together` for ``ends`` and ``value``."""
        if not statements and not ends:
            return []
        queries = [Query(self._dialect.sql(sql), given) for sql, given in statements]
        opening = self._opening(alone=ends and len(queries) == 1)
        if not opening and self._id is None:
            return (yield from _one_by_one(queries))  # no transaction, or none is needed
        try:
            answers = yield [*opening, *queries, *([_COMMIT] if ends else ())]
        except psycopg.OperationalError as error:
            if ends and self._id and value is not UNTOLD and is_lost(error):
                raise CommitUnknownError(self._id, value) from error
            raise
        if opening and self.begin is not None:
            self._id = answers[1][0][0] if self.begin.writes else ""
        self.begin = None
        if ends:
            self._id = None
        return answers[len(opening) : len(opening) + len(queries)]

    def _opening(self, *, alone: bool) -> list[Query]:
        """What begins a transaction; a statement that is ``alone`` in it may need none."""
        begin = self.begin
        if begin is None or (alone and begin.scope is None and begin.sync != "lazy"):
            self.begin = None
            return []
        return [Query(*each) for each in self._dialect.begin(**begin._asdict())]

    def commit(self, value: Any) -> Talk:
        """End it, if there is one; ``value``: what the operation returns then."""
        transaction, self._id, self.begin = self._id, None, None
        if transaction is None:
            return
        try:
            yield [_COMMIT]
        except psycopg.OperationalError as error:
            if transaction and is_lost(error):
                raise CommitUnknownError(transaction, value) from error
            raise


def _one_by_one(queries: Sequence[Query]) -> Talk:
    """Each a transaction by itself."""
    answers = []
    for query in queries:
        answers += yield [query]
    return answers


def verified(unknown: CommitUnknownError, otherwise: Callable[[], Talk]) -> Talk:
    """The outcome of a commit that nobody heard of; if it was none, ``otherwise``."""
    (((status,),),) = yield [Query(_STATUS, (unknown.transaction,))]
    if status == "committed":
        return unknown.value
    if status == "in progress":  # the database has not noticed yet that we are gone
        raise unknown
    return (yield from otherwise())


def set_up(dialect: Postgres, parts: Sequence[str]) -> Talk:
    """Make or upgrade the tables of parts."""
    for part in parts:
        yield from talk(dialect, migrate(dialect, part))


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
    "42501": (
        "does not let this user do that; grant it USAGE on the schema and SELECT, INSERT, UPDATE and DELETE "
        "on its tables, and CREATE to make or upgrade them"
    ),
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
