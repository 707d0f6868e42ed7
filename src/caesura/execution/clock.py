"""Where time and new ids come from; tests hold it."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from functools import lru_cache

from caesura.checkpoint.ids import new_id


class Clock:
    """The system clock, and checkpoint ids that sort in the order they were made."""

    def now(self) -> str:
        """The time, as ISO-8601 UTC."""
        second, nanosecond = divmod(time.time_ns(), 1_000_000_000)
        return f"{_text_of(second)}.{nanosecond // 1000:06d}+00:00"

    def epoch(self) -> float:
        """The time, in seconds since 1970."""
        return time.time()

    def ticks(self) -> float:
        """Seconds that only ever go forward, from no particular moment on."""
        return time.monotonic()

    def mint(self, after: str | None) -> str:
        """A new id; it sorts after ``after`` even if the clock was set back."""
        fresh = new_id()
        return fresh if after is None or fresh > after else successor(after)


@lru_cache(maxsize=1)
def _text_of(second: int) -> str:
    """A time without its fraction; many are asked for within one second."""
    return datetime.fromtimestamp(second, UTC).isoformat()[:19]


def successor(id: str) -> str:
    """The next id in string order, in the same form."""
    number = int(id.replace("-", ""), 16) + 1
    h = f"{number:032x}"
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


SYSTEM = Clock()
_current = SYSTEM
_lock = threading.Lock()


def clock() -> Clock:
    """The clock in use."""
    return _current


def use_clock(new: Clock) -> Clock:
    """Use another clock from now on; returns the one used before."""
    global _current
    with _lock:
        before, _current = _current, new
    return before
