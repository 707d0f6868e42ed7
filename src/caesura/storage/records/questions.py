"""Interrupts over all threads, with the threads they are asked on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from caesura.checkpoint import rows
from caesura.checkpoint.rows import INTERRUPT_COLUMNS, Codec
from caesura.errors import InvalidFilterError
from caesura.records.operations import CountQuestions, FindQuestions, Page, Question
from caesura.records.shapes import Thread
from caesura.storage.dialect import Dialect
from caesura.storage.records.filters import Conditions
from caesura.storage.records.tables import THREADS
from caesura.storage.statements import READ, Statements

COLUMNS: Final = ", ".join(f"i.{name}" for name in INTERRUPT_COLUMNS)
THREAD_COLUMNS: Final = ", ".join(f"t.{name}" for name in THREADS.columns)
FROM: Final = "FROM thread_interrupts AS i LEFT JOIN threads AS t ON t.thread_id = i.thread_id"
_WIDTH: Final = len(INTERRUPT_COLUMNS)


def question_of(codec: Codec, row: Sequence[Any]) -> Question:
    """An interrupt's columns and its thread's, as `COLUMNS` and `THREAD_COLUMNS` list them."""
    asked = rows.unseal_interrupt(codec, row[:_WIDTH])
    if row[_WIDTH] is None:
        at = asked.asked_at
        return Question(asked, Thread(asked.thread_id, at, at, at))
    return Question(asked, THREADS.read(row[_WIDTH:]))


def _conditions(dialect: Dialect, codec: Codec, op: FindQuestions | CountQuestions) -> Conditions:
    if op.q is not None and codec.conceals:
        raise InvalidFilterError(
            "Questions are stored encrypted, so their texts cannot be searched. Nothing was searched."
        )
    conditions = Conditions(dialect)
    statuses = list(op.statuses)
    if statuses == ["open"]:
        conditions.add("i.status = 'open'")  # as a constant, so that the partial index serves
    elif statuses:
        conditions.among("i.status", statuses)
    conditions.among("i.thread_id", op.thread_ids)
    if op.graph_id is not None:
        conditions.holds("t.metadata", {"graph_id": op.graph_id})
    if op.created_after is not None:
        conditions.add("i.asked_at > ?", op.created_after)
    if op.q is not None:
        conditions.mentions(op.q, columns=["coalesce(i.title, '')"], bytes=["i.payload"])
    conditions.may_see("t.metadata", op.filters)
    return conditions


def find(dialect: Dialect, codec: Codec, op: FindQuestions) -> Statements:
    """`FindQuestions`."""
    conditions = _conditions(dialect, codec, op)
    if op.interrupt_id is not None:
        conditions.add("i.id = ?", op.interrupt_id)
    way, sign = ("ASC", ">") if op.order == "asc" else ("DESC", "<")
    if op.cursor is not None:
        at, id = op.cursor
        conditions.add(
            f"i.asked_at {sign}= ? AND (i.asked_at {sign} ? OR i.id {sign} ?)", at, at, id
        )
    sql = (
        f"SELECT {COLUMNS}, {THREAD_COLUMNS} {FROM}{conditions.where} "
        f"ORDER BY i.asked_at {way}, i.id {way} LIMIT ?"
    )
    yield READ
    found = yield sql, [*conditions.values, op.limit + 1]
    page = [question_of(codec, row) for row in found]
    if len(page) <= op.limit:
        return Page(page, False)
    beyond = page.pop()
    if not page or _place(beyond) != _place(page[-1]):
        return Page(page, True)
    page = yield from _with_twins(codec, conditions, page)
    return Page(page, (yield from _goes_on(conditions, sign, _place(page[-1]))))


def _place(question: Question) -> tuple[str, str]:
    """Where a question stands in the order: what a cursor says."""
    return question.row.asked_at, question.row.id


def _with_twins(codec: Codec, conditions: Conditions, page: list[Question]) -> Statements:
    """``page``, with all that stand where its last one does: copies of a thread carry its ids."""
    place = _place(page[-1])
    where = f"{conditions.where or ' WHERE true'} AND i.asked_at = ? AND i.id = ?"
    sql = f"SELECT {COLUMNS}, {THREAD_COLUMNS} {FROM}{where} ORDER BY i.thread_id"
    twins = yield sql, [*conditions.values, *place]
    before = [question for question in page if _place(question) != place]
    return before + [question_of(codec, row) for row in twins]


def _goes_on(conditions: Conditions, sign: str, place: tuple[str, str]) -> Statements:
    at, id = place
    where = conditions.where or " WHERE true"
    after = f" AND i.asked_at {sign}= ? AND (i.asked_at {sign} ? OR i.id {sign} ?) LIMIT 1"
    return bool((yield f"SELECT 1 {FROM}{where}{after}", [*conditions.values, at, at, id]))


def count(dialect: Dialect, codec: Codec, op: CountQuestions) -> Statements:
    """`CountQuestions`."""
    conditions = _conditions(dialect, codec, op)
    found = yield f"SELECT count(*) {FROM}{conditions.where}", conditions.values
    return found[0][0]


PERFORM: Final[dict[type, Any]] = {FindQuestions: find, CountQuestions: count}
