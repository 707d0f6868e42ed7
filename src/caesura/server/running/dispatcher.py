"""The seam between the runs that are to be done and who does them.

A server only knows `Dispatcher`. `caesura.server.running.workers.Workers` does the runs in this process;
a queue with workers elsewhere takes the same place. Runs are rows: whoever does them finds them in the
database, and what is told here is only that it is worth looking.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from caesura.records.shapes import Run


class Dispatcher(Protocol):
    """Who does the runs."""

    def reserve(self) -> tuple[str, float] | None:
        """A free place for a run that is about to be accepted: (worker, lease until), or None.

        The run may then be started in the transaction that accepts it. Every reservation must be given
        back by `accepted` or `release`.
        """

    def accepted(self, run: Run, *, started: bool, reserved: bool) -> None:
        """A run was accepted; ``started``: it is claimed for the worker that was reserved."""

    def release(self) -> None:
        """A reservation was not used."""

    def stop(self, runs: Sequence[Run]) -> None:
        """These runs are to stop (`Run.cancel`) or were deleted: stop them at once where they run here."""

    def look_at(self, run: Run) -> None:
        """Somebody waits here for a run that may go on elsewhere: look what becomes of it."""

    async def start(self) -> None:
        """Begin to do runs."""

    async def close(self, grace: float) -> None:
        """Take no more runs; let those that run come to a step's end, at most ``grace`` seconds."""

    @property
    def busy(self) -> tuple[int, int]:
        """(runs going on here, places)."""
