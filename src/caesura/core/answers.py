"""Open interrupts + a resume → who gets what, or a refusal; and who may run.

Three questions are decided here, and only here:

- `bind` (`caesura.interrupts.binding`): which interrupt does a resume answer? Decided once, when it
  is handed in.
- `may_advance`: can a task that paused get further than last time? If not, it is not started.
- `Ledger`: which stored answer does this call of ``interrupt`` get? By key; else by payload digest,
  the same position first. An answer given to another question is never used: that question is asked
  again, and the old interrupt is superseded. With ``lenient`` the position alone decides, as in
  LangGraph, and a differing digest is only warned about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from caesura.asking import Question
from caesura.checkpoint.operations import InterruptRow
from caesura.core.ids import interrupt_id
from caesura.digests import differing_paths, digest_of
from caesura.errors import DuplicateInterruptKeyError


def asked_under(rows: Iterable[InterruptRow], task: str) -> list[InterruptRow]:
    """The interrupts asked by a task or by anything running inside it that count, used or not."""
    return [
        row
        for row in rows
        if (row.task_id == task or task in row.ancestors) and row.status in ("open", "answered")
    ]


def rows_under(rows: Iterable[InterruptRow], task: str) -> list[InterruptRow]:
    """Those of `asked_under` that are still to be answered or used."""
    return [row for row in asked_under(rows, task) if not row.done]


def may_advance(rows: Sequence[InterruptRow], mine: set[str] | None = None) -> bool:
    """True if some asking task among ``rows`` has all its answers (or there are no rows).

    ``mine``: interrupts whose answers the run accepted itself, if it carries any; it may start
    nothing on account of answers that another run carries (`core.sharing`).
    """
    if not rows:
        return True
    waiting = {row.task_id for row in rows if row.status == "open"}
    ready = [row for row in rows if row.task_id not in waiting]
    return any(mine is None or row.id in mine for row in ready)


class Ledger:
    """One attempt of one task at its questions: positions, what matched, what is newly asked."""

    __slots__ = (
        "_lenient",
        "_new_keys",
        "_position",
        "_template",
        "_used",
        "asked",
        "loose",
        "notes",
        "rows",
        "superseded",
    )

    def __init__(
        self,
        template: InterruptRow,
        rows: Sequence[InterruptRow],
        *,
        lenient: bool,
        loose: list[Any],
    ) -> None:
        """``template``: a row with everything filled in that all questions of the task share."""
        self._template = template
        self.rows = list(rows)
        self._lenient = lenient
        self.loose = loose
        self._position = 0
        self._used: set[str] = set()
        self._new_keys: set[str] = set()
        self.asked: list[InterruptRow] = []
        """Open interrupts this attempt has run into."""
        self.superseded: list[tuple[str, str, str]] = []
        self.notes: list[str] = []
        """Answers used although the question differs, to be warned about."""

    def ask(self, questions: Sequence[Question], at: str) -> list[Any] | None:
        """The typed answers, or None if any is missing (`asked` then holds the open rows)."""
        rows = [self._match(question, at) for question in questions]
        missing = [row for row in rows if row.status == "open"]
        if missing:
            self.asked.extend(missing)
            return None
        return [_typed(q, row) for q, row in zip(questions, rows, strict=True)]

    def _match(self, question: Question, at: str) -> InterruptRow:
        slot, self._position = self._position, self._position + 1
        digest = question_digest(question)
        row = self._find(question, slot, digest)
        if row is None:
            return self._open(question, slot, digest, at)
        self._used.add(row.id)
        if row.digest == digest:
            return row
        if self._lenient and row.status == "answered":
            self.notes.append(
                f"Interrupt {slot} of {row.node!r} asks something else than was answered "
                f"({row.id}); the stored answer is used all the same."
            )
            return row
        return self._supersede(row, question, slot, digest, at)

    def _find(self, question: Question, slot: int, digest: str) -> InterruptRow | None:
        live = [r for r in self.rows if r.status in ("open", "answered")]
        if question.key is not None:
            found = next((r for r in live if r.key == question.key), None)
            if question.key in self._new_keys or (
                found and found.id in self._used and found.status == "open"
            ):
                raise DuplicateInterruptKeyError(
                    f"Task {self._template.node!r} already has an open interrupt with key "
                    f"{question.key!r}. Nothing was stored. Give each question its own key."
                )
            return found
        free = [r for r in live if r.key is None and r.id not in self._used]
        here = next((r for r in free if r.slot == slot), None)
        if self._lenient or (here is not None and here.digest == digest):
            return here
        return next((r for r in free if r.digest == digest), None) or here

    def _open(self, question: Question, slot: int, digest: str, at: str) -> InterruptRow:
        if question.key is not None:
            self._new_keys.add(question.key)
        new = self._template.changed(
            id=self._new_id(question, slot, digest),
            slot=slot,
            digest=digest,
            payload=question.value,
            key=question.key,
            title=question.title,
            response_schema=_schema_of(question),
            asked_at=at,
        )
        if self.loose:
            new = new.changed(status="answered", answer=self.loose.pop(0), answered_at=at)
            self.asked.append(new)
        return new

    def _new_id(self, question: Question, slot: int, digest: str) -> str:
        """An id that no row of the task has: a question may come back after it was superseded."""
        base, key, known = self._template, question.key, {r.id for r in (*self.rows, *self.asked)}
        derived = interrupt_id(base.ns, base.task_id, slot, key, digest)
        id, generation = question.id or derived, 0
        while id in known:
            generation += 1
            task = f"{base.task_id}\x1f{generation}"
            id = interrupt_id(base.ns, task, slot, key, digest)
        return id

    def _supersede(
        self, old: InterruptRow, question: Question, slot: int, digest: str, at: str
    ) -> InterruptRow:
        new = self._open(question, slot, digest, at)
        paths = ", ".join(differing_paths(old.payload, question.value)) or "/"
        self.superseded.append((old.id, new.id, f"asked again with another payload at {paths}"))
        return new


def question_digest(question: Question) -> str:
    """The digest of what counts of a question's payload."""
    if question.digest_of is not None:
        return digest_of(question.digest_of(question.value))
    return digest_of(question.value, volatile=tuple(question.volatile))


def _schema_of(question: Question) -> Any:
    if question.response_schema is None:
        return None
    from caesura.schemas.describing import json_schema_of

    return json_schema_of(question.response_schema)


def _typed(question: Question, row: InterruptRow) -> Any:
    if question.response_schema is None:
        return row.answer
    from caesura.schemas.converting import parse_answer

    return parse_answer(question.response_schema, row.answer)
