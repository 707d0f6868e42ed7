"""What follows from records: how a thread stands, and when it expires. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from caesura.records.shapes import Run, ThreadStatus, Ttl


def thread_status(in_flight: bool, otherwise: ThreadStatus) -> ThreadStatus:
    """How a thread stands: busy while runs are pending or running on it."""
    return "busy" if in_flight else otherwise


def at_rest(waits: bool, resting: ThreadStatus) -> ThreadStatus:
    """How a thread stands after a run that never began: as before it, an error apart.

    ``waits``: an interrupt is open. A breakpoint asks nobody, so only ``resting`` tells of it.
    """
    return "interrupted" if waits or resting == "interrupted" else "idle"


def expiry(ttl: Ttl | None, touched_at: str) -> str | None:
    """When a thread expires that was touched at this time; None: never."""
    if ttl is None:
        return None
    try:
        until = datetime.fromisoformat(touched_at) + timedelta(minutes=ttl.minutes)
    except OverflowError:
        return None
    return until.isoformat(timespec="microseconds")


def due_since(run: Run) -> float:
    """Since when a pending run could have been started: seconds since 1970."""
    return run.not_before or datetime.fromisoformat(run.created_at).timestamp()
