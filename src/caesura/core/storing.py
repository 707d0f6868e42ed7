"""What tasks left is stored together: all that has finished by the time that somebody gets to it.

Nobody waits for company. Whoever stores takes what is there, in one operation, which is one transaction;
what finishes meanwhile is there for the next. If the operation is refused, because one task left what
cannot be stored, each is stored by itself: a neighbour is no reason to lose finished work.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

from caesura.checkpoint.operations import PutTogether, PutWrites
from caesura.core.effects import Effect
from caesura.errors import StorageError, UnstorableTextError

Storing = Callable[[PutWrites | PutTogether], Generator[Effect, Any, Any]]


def is_refusal(error: BaseException) -> bool:
    """True if what was to be stored is the reason; the database itself may store other things."""
    return not isinstance(error, StorageError) or isinstance(error, UnstorableTextError)


def store_together(
    puts: Sequence[PutWrites], store: Storing
) -> Generator[Effect, Any, list[Exception | None]]:
    """Store ``puts``, all of one checkpoint, by way of ``store``. Returns what went wrong with each."""
    if len(puts) > 1:
        try:
            yield from store(PutTogether(puts))
        except Exception as error:
            if not is_refusal(error):
                return [error] * len(puts)
        else:
            return [None] * len(puts)
    found: list[Exception | None] = []
    for put in puts:
        try:
            yield from store(put)
        except Exception as error:
            found.append(error)
        else:
            found.append(None)
    return found
