"""Schedules of crons: when is the next date? Pure.

A schedule has five fields (minute, hour, day of month, month, day of week) or six, the seconds last, or
is one of the names ``@hourly`` … ``@yearly``. It is read by croniter: clients know its dialect (``L``,
``mon#1``, seconds last). What it does not decide is decided here: when clocks are set back, a schedule
that names its hours fires once, not twice; one that says ``*`` for the hour goes by elapsed time. When
they are set forward, what would fall into the gap fires right after it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from croniter import croniter
from croniter.croniter import CroniterError

from caesura.server.http.problems import invalid

_NAMES: Final = frozenset(
    {"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"}
)
_UNSTEADY: Final = re.compile(r"(?<![a-z])[rh](?![a-z])", re.IGNORECASE)
"""croniter's random and hashed values: the next date must depend on the schedule alone."""


def check_schedule(schedule: str) -> None:
    """Raise 422 unless ``schedule`` can be read and has dates."""
    reason = _wrong(schedule)
    if reason is not None:
        raise invalid(
            f"Invalid cron schedule: {schedule!r}. Reason: {reason} Ensure the schedule uses the standard "
            "cron format (minute hour day_of_month month day_of_week). Example: '*/5 * * * *' for every "
            "5 minutes."
        )


def _wrong(schedule: str) -> str | None:
    fields = schedule.split()
    if not (len(fields) in (5, 6) or (len(fields) == 1 and schedule.strip().lower() in _NAMES)):
        return "It does not have five or six fields."
    if _UNSTEADY.search(" ".join(fields)):
        return "Random and hashed values are not supported."
    try:
        croniter(schedule, datetime(2000, 1, 1, tzinfo=UTC)).get_next(datetime)
    except CroniterError as error:
        return f"{str(error).rstrip('.')}."
    except (ValueError, KeyError, IndexError, TypeError, OverflowError):
        return "It cannot be read."
    return None


def check_timezone(name: str | None) -> None:
    """Raise 422 unless ``name`` is an IANA time zone (None: UTC)."""
    try:
        _zone(name)
    except (ValueError, OSError, KeyError):  # ZoneInfo raises any of these for odd names
        raise invalid(
            f"Invalid timezone: {name!r}. Use IANA timezone format (e.g. 'America/New_York')."
        ) from None


def moment(text: str) -> str:
    """A time as clients write it, as ISO-8601 UTC. Without an offset it is UTC. Raises 422."""
    try:
        parsed = datetime.fromisoformat(text)
        return (
            (parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed)
            .astimezone(UTC)
            .isoformat()
        )
    except (ValueError, OverflowError):
        raise invalid(
            f"Invalid end_time: {text!r}. Use ISO-8601, as in 2030-01-01T00:00:00+00:00."
        ) from None


def next_date(
    schedule: str, timezone: str | None, after: str, end: str | None = None
) -> str | None:
    """The first date of a schedule behind ``after``; None if it has none, or none until ``end``.

    All times are ISO-8601; what is returned is UTC.
    """
    zone = _zone(timezone)
    since = datetime.fromisoformat(after).astimezone(zone)
    try:
        found = _next(schedule, since, zone)
    except (CroniterError, OverflowError, ValueError):
        return None
    if end is not None and found > datetime.fromisoformat(end):
        return None
    return found.isoformat()


def _next(schedule: str, since: datetime, zone: tzinfo) -> datetime:
    dates = croniter(schedule, since)
    fixed = _names_hours(schedule)
    while True:
        found: datetime = dates.get_next(datetime)
        if not (fixed and _is_second_time(found, zone)):
            return found.astimezone(UTC)


def _names_hours(schedule: str) -> bool:
    fields = schedule.split()
    return not fields[1].startswith("*") if len(fields) > 1 else fields[0].lower() != "@hourly"


def _is_second_time(date: datetime, zone: tzinfo) -> bool:
    """True if clocks, set back, show this time of day for the second time."""
    wall = date.astimezone(zone).replace(tzinfo=None)
    first, second = (wall.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    if first is None or second is None or first <= second:
        return False
    return date.utcoffset() == second and first - second < timedelta(hours=24)


@lru_cache(maxsize=256)
def _zone(name: str | None) -> tzinfo:
    return UTC if name is None else ZoneInfo(name)
