"""What has happened to an interrupt, as far as its row tells. Pure."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

from caesura.checkpoint.operations import InterruptRow

Happening = Literal["asked", "answered", "withdrawn", "superseded"]
HAPPENINGS: Final[tuple[Happening, ...]] = ("asked", "answered", "withdrawn", "superseded")


class Moment(NamedTuple):
    """One thing that happened to an interrupt. ``at`` is None only where it was not recorded."""

    event: Happening
    at: str | None
    actor: str | None = None
    answer: Any = None
    reason: str | None = None
    superseded_by: str | None = None


def moments(row: InterruptRow) -> list[Moment]:
    """Everything that happened to the row, in order."""
    found = [Moment("asked", row.asked_at)]
    if row.answered_at is not None:
        found.append(Moment("answered", row.answered_at, row.answered_by, row.answer))
    if row.status == "withdrawn":
        found.append(Moment("withdrawn", row.closed_at, reason=row.reason))
    if row.status == "superseded":
        successor = row.superseded_by
        found.append(
            Moment("superseded", row.closed_at, reason=row.reason, superseded_by=successor)
        )
    return found
