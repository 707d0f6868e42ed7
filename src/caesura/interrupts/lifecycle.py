"""The life of an interrupt, as one table, and the rules that move rows along it.

Everything here is pure: rows in, new rows out, or a refusal and nothing changed. Whoever stores the
rows does so guarded by the status they had (``UPDATE … WHERE status = 'open'``), so that of two
answers given at once one wins and the other is refused with what was decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from caesura.checkpoint.operations import Answer, InterruptRow, InterruptStatus
from caesura.constants import NS_SEP
from caesura.errors import (
    AlreadyAnsweredError,
    InterruptClosedError,
    ResumeError,
    UnknownInterruptError,
)
from caesura.types import Interrupt

Event = Literal["answer", "withdraw", "supersede"]

MOVES: Final[dict[tuple[InterruptStatus, Event], InterruptStatus]] = {
    ("open", "answer"): "answered",
    ("open", "withdraw"): "withdrawn",
    ("open", "supersede"): "superseded",
    ("answered", "supersede"): "superseded",
}
"""(status, event) → next status. What is not here is refused."""


def accept(rows: Iterable[InterruptRow], answers: Sequence[Answer], at: str) -> list[InterruptRow]:
    """The rows that the answers make, in the order of the answers.

    Args:
        rows: at least every open row of the thread and every row that an answer names.
        at: the time of answering, ISO-8601 UTC.

    Raises:
        UnknownInterruptError: an answer names no row of the thread.
        AlreadyAnsweredError: the row is answered; the error carries what was recorded.
        InterruptClosedError: the row is withdrawn or superseded.
    """
    found = {row.id: row for row in rows}
    waiting = open_interrupts(found.values())
    made: list[InterruptRow] = []
    for answer in answers:
        row = found.get(answer.interrupt_id)
        if row is None:
            raise _unknown(answer.interrupt_id, waiting)
        if (row.status, "answer") not in MOVES:
            raise _closed(row, waiting)
        found[row.id] = answered(row, answer, at)
        made.append(found[row.id])
    return made


def answered(row: InterruptRow, answer: Answer, at: str) -> InterruptRow:
    """``row`` with an answer; the caller has checked that it takes one."""
    return row.changed(
        status=MOVES[row.status, "answer"],
        answer=answer.value,
        answered_at=at,
        answered_by=answer.actor,
        closed_at=at,
    )


def withdraw(row: InterruptRow, reason: str, at: str) -> InterruptRow | None:
    """``row`` withdrawn for a reason, or None if it is not open."""
    status = MOVES.get((row.status, "withdraw"))
    return status and row.changed(status=status, reason=reason, closed_at=at)


def supersede(
    row: InterruptRow, successor: str, reason: str, at: str | None
) -> InterruptRow | None:
    """``row`` closed in favour of ``successor``, or None if it is closed already."""
    status = MOVES.get((row.status, "supersede"))
    if status is None:
        return None
    return row.changed(status=status, superseded_by=successor, reason=reason, closed_at=at)


def is_live(row: InterruptRow) -> bool:
    """True if the program still needs the row: it waits, or its answer is not used up."""
    return row.status == "open" or (row.status == "answered" and not row.done)


def is_within(ns: str, outer: str) -> bool:
    """True if namespace ``ns`` is ``outer`` or nested below it."""
    return not outer or ns == outer or ns.startswith(outer + NS_SEP)


def open_interrupts(rows: Iterable[InterruptRow]) -> list[Interrupt]:
    """What waits among ``rows``, as people's programs see it."""
    return [as_interrupt(row) for row in rows if row.status == "open"]


def as_interrupt(row: InterruptRow) -> Interrupt:
    """A stored row as the public value."""
    return Interrupt(
        row.payload,
        row.id,
        response_schema=row.response_schema,
        key=row.key,
        title=row.title,
        digest=row.digest,
    )


def _unknown(interrupt_id: str, waiting: list[Interrupt]) -> ResumeError:
    return UnknownInterruptError(
        f"No interrupt {interrupt_id} exists on this thread.",
        reason="not_pending",
        interrupt_ids=[interrupt_id],
        open_interrupts=waiting,
    )


def _closed(row: InterruptRow, waiting: list[Interrupt]) -> ResumeError:
    if row.status == "answered":
        return AlreadyAnsweredError(row.id, row.answer, row.answered_at, waiting)
    return InterruptClosedError(row.id, row.status, row.reason, waiting)
