"""What is stored, as lists: interrupts, threads, and what happened on one thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from caesura.checkpoint.operations import (
    Accept,
    Answer,
    FindInterrupts,
    FindThreads,
    History,
    InterruptRow,
    Load,
    ThreadSummary,
)
from caesura.cli.outcomes import Exit, Stop
from caesura.cli.showing import SHORT_ID, age, one_line
from caesura.types import Interrupt

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Headings and rows."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened: ``what`` is step, asked, answered, withdrawn or superseded."""

    ts: str
    what: str
    text: str
    details: dict[str, Any]


def interrupts(saver: Any, *, every: bool, thread_id: str | None = None) -> list[InterruptRow]:
    """Open interrupts, or all of them, oldest first."""
    wanted = FindInterrupts(thread_id=thread_id, status=None if every else "open")
    return list(saver.execute(wanted))


def threads(saver: Any) -> list[ThreadSummary]:
    """All threads, the most recently changed first."""
    return list(saver.execute(FindThreads()))


def metadata(saver: Any, thread_id: str) -> dict[str, Any]:
    """Metadata of the thread's newest checkpoint."""
    loaded = saver.execute(Load(thread_id, ""))
    return dict(loaded.metadata) if loaded is not None else {}


def find_one(saver: Any, start: str) -> InterruptRow:
    """The interrupt whose id begins with ``start``, open ones first. Raises `Stop` if not one."""
    rows = interrupts(saver, every=True)
    exact = [row for row in rows if row.id == start]
    found = exact or [row for row in rows if len(start) >= 4 and row.id.startswith(start)]
    opened = [row for row in found if row.status == "open"]
    found = opened or found
    if len(found) == 1:
        return found[0]
    waiting = [row for row in rows if row.status == "open"]
    problem = "Several interrupts begin" if found else "No interrupt begins"
    listed = "\n".join(f"  {row.id}  {row.title or one_line(row.payload)}" for row in waiting)
    raise Stop(
        Exit.REFUSED,
        f"{problem} with {start!r}. Nothing was changed. Waiting now:\n{listed or '  nothing'}",
        "unknown_interrupt",
    )


def accept(saver: Any, row: InterruptRow, text: str, actor: str, now: datetime) -> InterruptRow:
    """Store the answer that ``text`` means → the answered row. Raises `ResumeError` if refused."""
    from caesura.cli.running import checked

    schema = row.response_schema if row.status == "open" else None
    waiting = [_public(one) for one in interrupts(saver, every=False, thread_id=row.thread_id)]
    value = checked(schema, text, row.id, waiting)
    given = Answer(row.id, value, actor)
    accepted: list[InterruptRow] = saver.execute(Accept(row.thread_id, [given], now.isoformat()))
    return accepted[0]


def _public(row: InterruptRow) -> Interrupt:
    return Interrupt(row.payload, row.id, title=row.title)


# --- tables ----------------------------------------------------------------------------------


def interrupt_table(rows: Sequence[InterruptRow], now: datetime, *, every: bool) -> Table:
    """Rows of id, thread, question and age; with ``every`` also how each ended."""
    headings = ["ID", "THREAD", "QUESTION", "ASKED"] + (["STATUS", "ANSWER"] if every else [])
    lines = []
    for row in rows:
        line = [row.id[:SHORT_ID], row.thread_id, question(row), age(row.asked_at, now)]
        if every:
            line += [row.status, outcome(row)]
        lines.append(line)
    return headings, lines


def question(row: InterruptRow) -> str:
    """The title, or the payload on one line."""
    return row.title or one_line(row.payload)


def outcome(row: InterruptRow) -> str:
    """The answer, or why there is none."""
    if row.status == "answered":
        return one_line(row.answer, 40)
    return one_line(row.reason or "", 40)


def thread_table(rows: Sequence[ThreadSummary]) -> Table:
    """Rows of thread, step, last change, number of checkpoints and of open interrupts."""
    return (
        ["THREAD", "STEP", "CHANGED", "CHECKPOINTS", "WAITING"],
        [
            [
                row.thread_id,
                str(row.step),
                _clock(row.ts),
                str(row.checkpoints),
                str(row.open_interrupts) if row.open_interrupts else "-",
            ]
            for row in rows
        ],
    )


def history_table(happened: Sequence[Moment]) -> Table:
    """Rows of time, kind and text."""
    return (
        ["TIME", "", "WHAT"],
        [[_clock(moment.ts), moment.what, moment.text] for moment in happened],
    )


def _clock(ts: str) -> str:
    return ts[:19].replace("T", " ")


# --- what happened ---------------------------------------------------------------------------


def history(saver: Any, thread_id: str) -> list[Moment]:
    """Everything that happened on a thread, oldest first."""
    happened = [_step(loaded) for loaded in saver.execute(History(thread_id, ""))]
    happened.reverse()
    for row in interrupts(saver, every=True, thread_id=thread_id):
        happened += _of_interrupt(row)
    return sorted(happened, key=lambda moment: moment.ts)


def _step(loaded: Any) -> Moment:
    updated = list(loaded.updated or ())
    keys = [name for name in updated if not name.startswith(("branch:", "__", "join:"))]
    following = [name.removeprefix("branch:to:") for name in updated if name.startswith("branch:")]
    step, source = loaded.metadata.get("step"), loaded.metadata.get("source", "loop")
    parts = [f"{step}" if source == "loop" else f"{step} ({source})"]
    if keys:
        parts.append(f"wrote {', '.join(keys)}")
    if following:
        parts.append(f"next {', '.join(following)}")
    details = {
        "checkpoint_id": loaded.checkpoint_id,
        "step": step,
        "source": source,
        "wrote": keys,
        "next": following,
    }
    return Moment(loaded.ts, "step", "  ".join(parts), details)


def _of_interrupt(row: InterruptRow) -> list[Moment]:
    name = f"{row.id[:SHORT_ID]}  {question(row)}"
    shown = {"interrupt_id": row.id, "node": row.node}
    moments = [Moment(row.asked_at, "asked", name, {**shown, "payload": row.payload})]
    if row.answered_at is not None:
        by = f" by {row.answered_by}" if row.answered_by else ""
        text = f"{row.id[:SHORT_ID]}  {one_line(row.answer)}{by}"
        details = {**shown, "answer": row.answer, "by": row.answered_by}
        moments.append(Moment(row.answered_at, "answered", text, details))
    if row.closed_at is not None and row.status in ("withdrawn", "superseded"):
        text = f"{row.id[:SHORT_ID]}  {row.reason or ''}".rstrip()
        moments.append(Moment(row.closed_at, row.status, text, {**shown, "reason": row.reason}))
    return moments
