"""Which leases have ended, told without comparing the clocks of two hosts.

Whoever lives extends its leases every few seconds, so each of them soon says another time than before.
What time that is does not matter: a clock may be hours off, or be set. A lease that stood still for its
whole length, while this process looked, is nobody's any more. Time in which nobody could look (the
database was away, this process was stopped) counts as one look: those who live extend theirs first.
"""

from __future__ import annotations

from collections.abc import Iterable

Lease = tuple[str, float]
"""Worker, and until when it says that a run is its own."""


class Watch:
    """Notes for how long each lease has stood still."""

    def __init__(self, length: float, look: float) -> None:
        """``length`` of a lease, and the longest time between two looks, in seconds."""
        self._length, self._look = length, look
        self._still: dict[Lease, float] = {}
        self._last: float | None = None

    def ended(self, leases: Iterable[Lease], now: float) -> list[Lease]:
        """Which of all ``leases`` have ended; ``now``: seconds that only ever go forward."""
        passed = 0.0 if self._last is None else min(now - self._last, self._look)
        self._last = now
        before, self._still = self._still, {}
        for lease in leases:
            self._still[lease] = before[lease] + passed if lease in before else 0.0
        return [lease for lease, still in self._still.items() if still >= self._length]
