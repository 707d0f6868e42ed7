"""What a generator of statements says to the driver that runs it, for all SQL databases.

A generator yields ``(sql, parameters)``, is sent the rows of a query or the number of rows changed,
and returns the operation's result. A driver runs it: it decides what a connection is and who waits.
An operation of several statements first yields a `Begin`; then the driver makes one transaction of
the rest, and takes back all of it on any error. All encoding is done before that.

Where a database is far away, each wait for an answer counts. So statements that need not wait for each
other are yielded as one `Together`, and those that end the transaction say so: then they are committed
in the same round trip.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, Final, NamedTuple

from caesura.checkpoint.operations import Sync
from caesura.checkpoint.rows import Codec
from caesura.storage.dialect import Dialect


class Begin(NamedTuple):
    """Start of a transaction, and the end of the one before, if there was one.

    ``scope``: whose lock to take where the database needs one, a thread's id mostly; then nobody
    else is in a transaction of that scope. Without it a transaction must be right row by row.
    ``beside``: a second scope, which is read in several statements and must not change between them.
    """

    writes: bool
    scope: str | None = None
    sync: Sync = "usual"
    beside: str | None = None


READ: Final = Begin(writes=False)

Statement = tuple[str, Sequence[Any]]
UNTOLD: Final[Any] = object()


class Together(NamedTuple):
    """Statements that are performed in order, in one go → the list of their answers.

    ``ends``: with them the transaction is committed, whatever they changed. So each has its conditions in
    itself: if the first stores nothing because it is refused, the others must not either. What is yielded
    after them is no part of the transaction.

    If nobody hears whether that happened, the operation is begun anew, and must recognise what it has
    stored. ``result``: what it returns then, where it could not tell that from what others store; there
    must have been another statement in the transaction before these.
    """

    statements: Sequence[Statement]
    ends: bool = False
    result: Any = UNTOLD


Statements = Generator[Statement | Together | Begin, Any, Any]
Perform = Callable[[Dialect, Codec, Any], Statements]
