"""Questions that a tool call has put to its client, and what came of them.

A client answers by a request of its own. The id under which it was asked names thread and interrupt, so
any process can take the answer: it is accepted like every other, in the database. Only the word that it
was, or that the person declined, goes through memory, to the call that waits in this process; a call
that waits elsewhere sees in the database that its question was answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

_PREFIX: Final = "caesura"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a question. ``refused``: why the answer does not fit; None: ``accepted`` counts."""

    accepted: bool
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """The id under which a client is asked."""

    thread_id: str
    interrupt_id: str
    nonce: str

    @classmethod
    def new(cls, thread_id: str, interrupt_id: str) -> Asked:
        """For one more time that it is asked."""
        return cls(thread_id, interrupt_id, uuid4().hex)

    @classmethod
    def read(cls, text: object) -> Asked | None:
        """The id in a response, or None if it is none of ours."""
        parts = text.split(":") if isinstance(text, str) else []
        return cls(*parts[1:]) if len(parts) == 4 and parts[0] == _PREFIX else None

    def __str__(self) -> str:
        return f"{_PREFIX}:{self.thread_id}:{self.interrupt_id}:{self.nonce}"


@dataclass(slots=True)
class Questions:
    """The calls of this process that wait for an answer."""

    _waiting: dict[Asked, asyncio.Future[Verdict]] = field(default_factory=dict)

    @contextmanager
    def waiting(self, asked: Asked) -> Iterator[asyncio.Future[Verdict]]:
        """A future that gets the verdict, if it comes to this process while the block runs."""
        future: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._waiting[asked] = future
        try:
            yield future
        finally:
            del self._waiting[asked]
            future.cancel()

    def tell(self, asked: Asked, verdict: Verdict) -> None:
        """The client has answered."""
        future = self._waiting.get(asked)
        if future is not None and not future.done():
            future.set_result(verdict)
