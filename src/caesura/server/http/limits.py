"""How much one client may ask for: requests a minute, and streams at once."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator

from caesura.server.http.problems import Problem

_MOST_CLIENTS = 10_000


class Buckets:
    """A token bucket a client: full at first, refilled evenly over the minute. None: no limit."""

    def __init__(self, per_minute: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute, self._clock = per_minute, clock
        self._left: dict[str, tuple[float, float]] = {}

    def problem(self, client: str) -> Problem | None:
        """Take one; a 429 that says when to come again if there is none left."""
        if self._per_minute is None:
            return None
        now = self._clock()
        left, since = self._left.pop(client, (float(self._per_minute), now))
        left = min(float(self._per_minute), left + (now - since) * self._per_minute / 60)
        granted = left >= 1
        self._left[client] = (left - 1 if granted else left, now)
        if len(self._left) > _MOST_CLIENTS:
            del self._left[next(iter(self._left))]
        if granted:
            return None
        wait = int((1 - left) * 60 / self._per_minute) + 1
        text = f"More than {self._per_minute} requests a minute. Nothing was changed."
        return Problem(429, text, code="too_many_requests", headers={"Retry-After": str(wait)})


class Slots:
    """Streams that a client has open. None: no limit."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """Streams open now."""
        return self._open.total()

    def check(self, client: str) -> None:
        """Raises a 429 if the client may open no more."""
        if self._most is not None and self._open[client] >= self._most:
            text = f"This client has {self._most} streams open already. Close one first."
            raise Problem(429, text, code="too_many_streams")

    @contextlib.contextmanager
    def taken(self, client: str) -> Iterator[None]:
        """Counts as open while the block runs."""
        self._open[client] += 1
        try:
            yield
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]
