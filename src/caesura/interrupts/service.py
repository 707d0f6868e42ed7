"""Questions to people, over all threads of a database: listed, read, checked, withdrawn.

Servers, pages and commands ask here and nowhere else, so that the rules stand once. Each rule is a
generator that yields storage operations and is sent their results; the sync and the async methods
only perform them. *Accepting* an answer is not here: it is one transaction with the run that carries
the answer into the program, and so belongs to whoever starts runs.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from caesura.checkpoint.operations import Answer, InterruptRow, InterruptStatus, Withdraw
from caesura.errors import CaesuraError, UnknownInterruptError
from caesura.interrupts.binding import bind
from caesura.interrupts.lifecycle import accept
from caesura.interrupts.moments import Moment, moments
from caesura.records.operations import (
    NO_FILTERS,
    CountQuestions,
    Filters,
    FindQuestions,
    Page,
    Question,
)

STATUSES: Final[tuple[InterruptStatus, ...]] = ("open", "answered", "withdrawn", "superseded")
T = TypeVar("T")
Steps = Generator[Any, Any, T]
"""A rule: yields operations, is sent what they return, returns its result."""


class AmbiguousThreadError(CaesuraError):
    """The id names an interrupt on each of several threads: one was copied. Name the thread."""

    code = "ambiguous_thread"

    def __init__(self, interrupt_id: str, thread_ids: Sequence[str]) -> None:
        super().__init__(
            f"Interrupt {interrupt_id} exists on {len(thread_ids)} threads, since threads were "
            f"copied: {', '.join(thread_ids)}. Nothing was changed. Name the thread that you mean."
        )
        self.interrupt_id, self.thread_ids = interrupt_id, tuple(thread_ids)


class Interrupts:
    """The interrupts of a database. Each method has an async twin: ``list`` and ``alist``, and so on.

    Args:
        database: performs operations: a saver of Caesura's that keeps records too.
        now: the time, as ISO-8601 UTC text.

    ``filters``, wherever taken: conditions on the thread's metadata (see
    `caesura.records.operations`); what does not match is treated as absent.
    """

    def __init__(self, database: Any, now: Callable[[], str] | None = None) -> None:
        self._database = database
        self._now = now or _utc_now

    # --- reading -------------------------------------------------------------------------------

    def list(self, query: FindQuestions | None = None) -> Page:
        """A page of `Question`; without a query, what is open, oldest first."""
        page: Page = self._database.execute(query or FindQuestions())
        return page

    async def alist(self, query: FindQuestions | None = None) -> Page:
        """As `list`."""
        page: Page = await self._database.aexecute(query or FindQuestions())
        return page

    def count(self, query: FindQuestions | None = None) -> int:
        """How many a query finds on all its pages."""
        number: int = self._database.execute(_counting(query or FindQuestions()))
        return number

    async def acount(self, query: FindQuestions | None = None) -> int:
        """As `count`."""
        number: int = await self._database.aexecute(_counting(query or FindQuestions()))
        return number

    def get(
        self, id: str, thread_id: str | None = None, filters: Filters = NO_FILTERS
    ) -> Question | None:
        """An interrupt, whatever became of it; None if there is none, or it may not be seen.

        Raises `AmbiguousThreadError` if it exists on several threads and none is named.
        """
        return self._perform(_get(id, thread_id, filters))

    async def aget(
        self, id: str, thread_id: str | None = None, filters: Filters = NO_FILTERS
    ) -> Question | None:
        """As `get`."""
        return await self._aperform(_get(id, thread_id, filters))

    def history(self, id: str, thread_id: str | None = None) -> Sequence[Moment]:
        """What happened to an interrupt, in order. Raises as `get`; `UnknownInterruptError`."""
        return self._perform(_history(id, thread_id))

    async def ahistory(self, id: str, thread_id: str | None = None) -> Sequence[Moment]:
        """As `history`."""
        return await self._aperform(_history(id, thread_id))

    # --- judging, closing ----------------------------------------------------------------------

    def check(self, id: str, value: Any, thread_id: str | None = None) -> InterruptRow:
        """Would ``value`` be accepted now? → the row. Nothing is stored, and nothing is reserved.

        Raises:
            UnknownInterruptError: there is no such interrupt.
            AlreadyAnsweredError: it is answered; the error carries what was recorded.
            InterruptClosedError: it is withdrawn or superseded.
            InvalidAnswerError: the value does not fit; the error lists the fields.
            AmbiguousThreadError: it exists on several threads and none is named.
        """
        return self._perform(_check(id, value, thread_id, self._now()))

    async def acheck(self, id: str, value: Any, thread_id: str | None = None) -> InterruptRow:
        """As `check`."""
        return await self._aperform(_check(id, value, thread_id, self._now()))

    def withdraw(
        self,
        ids: Sequence[str],
        reason: str,
        actor: str | None = None,
        thread_id: str | None = None,
    ) -> Sequence[InterruptRow]:
        """Take questions back → the rows withdrawn; those that are closed already are left alone.

        Raises `UnknownInterruptError` or `AmbiguousThreadError` before anything is changed. Those of
        one thread are withdrawn together, in one transaction.
        """
        return self._perform(_withdraw(ids, _by(reason, actor), thread_id, self._now()))

    async def awithdraw(
        self,
        ids: Sequence[str],
        reason: str,
        actor: str | None = None,
        thread_id: str | None = None,
    ) -> Sequence[InterruptRow]:
        """As `withdraw`."""
        steps = _withdraw(ids, _by(reason, actor), thread_id, self._now())
        return await self._aperform(steps)

    # --- performing ----------------------------------------------------------------------------

    def _perform(self, steps: Steps[T]) -> T:
        try:
            operation = next(steps)
            while True:
                operation = steps.send(self._database.execute(operation))
        except StopIteration as done:
            result: T = done.value
            return result

    async def _aperform(self, steps: Steps[T]) -> T:
        try:
            operation = next(steps)
            while True:
                operation = steps.send(await self._database.aexecute(operation))
        except StopIteration as done:
            result: T = done.value
            return result


# --- the rules -------------------------------------------------------------------------------


def _get(id: str, thread_id: str | None, filters: Filters) -> Steps[Question | None]:
    threads = None if thread_id is None else [thread_id]
    page: Page = yield FindQuestions(
        statuses=STATUSES, thread_ids=threads, interrupt_id=id, filters=filters
    )
    if len(page.rows) > 1:
        raise AmbiguousThreadError(id, [row.thread_id for row, _ in page.rows])
    return Question(*page.rows[0]) if page.rows else None


def _existing(id: str, thread_id: str | None) -> Steps[InterruptRow]:
    question = yield from _get(id, thread_id, NO_FILTERS)
    if question is None:
        raise UnknownInterruptError(f"No interrupt {id} exists.", interrupt_ids=[id])
    return question.row


def _history(id: str, thread_id: str | None) -> Steps[Sequence[Moment]]:
    return moments((yield from _existing(id, thread_id)))


def _check(id: str, value: Any, thread_id: str | None, at: str) -> Steps[InterruptRow]:
    row = yield from _existing(id, thread_id)
    accept([row], [Answer(id, value)], at)
    bind({id: value}, [row], lenient=False)
    return row


def _withdraw(
    ids: Sequence[str], reason: str, thread_id: str | None, at: str
) -> Steps[Sequence[InterruptRow]]:
    by_thread: dict[str, list[str]] = {}
    for id in dict.fromkeys(ids):
        row = yield from _existing(id, thread_id)
        by_thread.setdefault(row.thread_id, []).append(id)
    closed: list[InterruptRow] = []
    for thread, of_thread in by_thread.items():
        closed += yield Withdraw(thread, reason, at, of_thread)
    return closed


def _counting(query: FindQuestions) -> CountQuestions:
    return CountQuestions(
        query.statuses,
        query.thread_ids,
        query.graph_id,
        query.created_after,
        query.q,
        query.filters,
    )


def _by(reason: str, actor: str | None) -> str:
    return reason if actor is None else f"{reason}, by {actor}"


def _utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
