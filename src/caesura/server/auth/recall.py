"""`Recall`: a bounded memory that forgets by age. Credentials are never its keys, only their digests."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recall(Generic[T]):
    """Remembers values for ``seconds``; with more than ``size`` of them, the oldest go first."""

    def __init__(
        self, seconds: float, size: int = 10_000, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._size, self._now = seconds, size, now
        self._known: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def get(self, key: str) -> T | None:
        """The value, or None if it is not known or too old."""
        found = self._known.get(key)
        if found is None:
            return None
        if self._now() - found[0] >= self._seconds:
            del self._known[key]
            return None
        return found[1]

    def put(self, key: str, value: T) -> None:
        """Remember a value from now on."""
        self._known.pop(key, None)
        self._known[key] = (self._now(), value)
        if len(self._known) > self._size:
            self._known.popitem(last=False)
