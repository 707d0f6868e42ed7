"""Ids of threads, runs and crons: UUIDs of version 7, which sort in the order they were made (RFC 9562)."""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0


def uuid7() -> str:
    """A new id. Ids made by one process always sort in their order."""
    global _last
    with _lock:
        # 48 bits of milliseconds, and 12 of their fraction: one count, so that it never goes back.
        count = max(time.time_ns() * 4096 // 1_000_000, _last + 1)
        _last = count
    millis, fraction = count >> 12, count & 0xFFF
    tail = int.from_bytes(os.urandom(8), "big") & (2**62 - 1)
    number = millis << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | tail
    return str(UUID(int=number))
