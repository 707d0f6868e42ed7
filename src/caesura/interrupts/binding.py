"""A resume + what is open → the answers it stands for, or a refusal that lists what is open. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from caesura.checkpoint.operations import Answer, InterruptRow
from caesura.errors import (
    AlreadyAnsweredError,
    AmbiguousResumeError,
    InvalidAnswerError,
    NothingToResumeError,
    UnknownInterruptError,
)
from caesura.interrupts.lifecycle import as_interrupt
from caesura.types import Interrupt

_ID: Final = re.compile(r"[0-9a-f]{32}\Z")
AMBIGUOUS: Final = (
    "When there are multiple pending interrupts, you must specify the interrupt id when resuming. "
    "Docs: https://docs.langchain.com/oss/python/langgraph/interrupts#handling-multiple-interrupts."
)


def is_answer_map(resume: Any) -> bool:
    """True if ``resume`` maps interrupt ids to answers: a dict with no key of another shape."""
    return isinstance(resume, dict) and all(
        isinstance(key, str) and _ID.match(key) for key in resume
    )


def bind(resume: Any, rows: Sequence[InterruptRow], *, lenient: bool) -> list[Answer]:
    """The answers that ``resume`` stands for, checked against the open interrupts of ``rows``.

    Raises a `ResumeError` that lists what is open, before anything is stored. With ``lenient``:
    a bare value with nothing open, and unknown ids, give no answer.
    """
    waiting = [row for row in rows if row.status == "open"]
    shown = [as_interrupt(row) for row in waiting]
    if is_answer_map(resume):
        answers = _bind_map(resume, waiting, shown, lenient)
    elif len(waiting) == 1:
        answers = [Answer(waiting[0].id, resume)]
    elif waiting:
        raise AmbiguousResumeError(AMBIGUOUS, shown)
    elif lenient:
        answers = []
    else:
        raise NothingToResumeError("A resume was handed in, but no interrupt is open.", shown)
    _check_shapes(answers, waiting, shown)
    return answers


def _bind_map(
    resume: dict[str, Any],
    waiting: Sequence[InterruptRow],
    shown: Sequence[Interrupt],
    lenient: bool,
) -> list[Answer]:
    if lenient:
        known = {row.id for row in waiting}
        return [Answer(id, value) for id, value in resume.items() if id in known]
    if not resume:
        raise UnknownInterruptError(
            "The resume map is empty.", reason="empty_map", open_interrupts=shown
        )
    # Ids that are not open are refused by the store, which knows what became of them.
    return [Answer(id, value) for id, value in resume.items()]


def _check_shapes(
    answers: Iterable[Answer], waiting: Sequence[InterruptRow], shown: Sequence[Interrupt]
) -> None:
    by_id = {row.id: row for row in waiting}
    for answer in answers:
        row = by_id.get(answer.interrupt_id)
        if row is None or row.response_schema is None:
            continue
        from caesura.schemas.checking import check_json

        errors = check_json(row.response_schema, answer.value)
        if errors:
            raise InvalidAnswerError(errors, row.id, shown)


def refuse_second_answer(rows: Sequence[InterruptRow]) -> None:
    """An old checkpoint whose question was answered keeps that answer; fork to ask anew.

    ``rows``: those asked on that checkpoint. Raises `AlreadyAnsweredError`.
    """
    answered = [row for row in rows if row.status == "answered"]
    if answered and not any(row.status == "open" for row in rows):
        last = answered[-1]
        raise AlreadyAnsweredError(last.id, last.answer, last.answered_at)


def check_past(resume: Any, rows: Sequence[InterruptRow], *, lenient: bool) -> None:
    """Refuse a resume of a past checkpoint that cannot be bound there, before a run begins with it.

    ``rows``: those asked on that checkpoint; ``lenient``: as for `bind`. Raises a `ResumeError`.
    """
    refuse_second_answer(rows)
    if answers_for_withdrawn(resume, rows):
        return
    answers = bind(resume, rows, lenient=lenient)
    waiting = [as_interrupt(row) for row in rows if row.status == "open"]
    known = {item.id for item in waiting}
    unknown = [answer.interrupt_id for answer in answers if answer.interrupt_id not in known]
    if unknown:
        raise UnknownInterruptError(
            f"The checkpoint asks nothing under the id {unknown[0]}. Nothing was changed.",
            interrupt_ids=unknown,
            open_interrupts=waiting,
        )


def answers_for_withdrawn(resume: Any, rows: Sequence[InterruptRow]) -> list[Any]:
    """The value of a resume for the one question of a past checkpoint that was withdrawn unanswered.

    The question itself stays withdrawn; on the branch that the resume begins it is asked anew, and gets
    this value. Empty if there is no such question, or the resume names another. Raises
    `InvalidAnswerError`.
    """
    asked = [row for row in rows if row.status == "withdrawn"]
    if len(asked) != 1 or any(row.status == "open" for row in rows):
        return []
    row = asked[0]
    if is_answer_map(resume) and set(resume) != {row.id}:
        return []
    value = resume[row.id] if is_answer_map(resume) else resume
    _check_shapes([Answer(row.id, value)], asked, [])
    return [value]
