"""Time-ordered ids: UUID version 6, whose text sorts in the order of making.

The first 60 bits are the count of 100 ns since 1582, high bits first, as RFC 9562 §5.6 lays it out.
Within one process the count never stands still, so two ids never tie.
"""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

_GREGORIAN_OFFSET = 0x01B21DD213814000
_lock = threading.Lock()
_last = 0


def _tick() -> int:
    global _last
    now = time.time_ns() // 100 + _GREGORIAN_OFFSET
    with _lock:
        _last = now if now > _last else _last + 1
        return _last


def _number(node: int | None, clock_seq: int | None) -> int:
    stamp = _tick()
    sequence = random.getrandbits(14) if clock_seq is None else clock_seq & 0x3FFF
    tail = random.getrandbits(48) if node is None else node & 0xFFFF_FFFF_FFFF
    high = (stamp >> 12) << 16 | 0x6000 | (stamp & 0xFFF)
    return high << 64 | (0x8000 | sequence) << 48 | tail


def uuid6(node: int | None = None, clock_seq: int | None = None) -> UUID:
    """A new id: greater, as text, than every one made before in this process.

    Args:
        node: 48 bits to put at the end. Random if None.
        clock_seq: 14 bits to put before them. Random if None.
    """
    from uuid import UUID  # the engine makes texts only

    return UUID(int=_number(node, clock_seq))


def new_id(clock_seq: int | None = None) -> str:
    """The text of a new `uuid6`, made faster."""
    stamp, rest = _tick(), random.getrandbits(62)
    if clock_seq is not None:
        rest = (clock_seq & 0x3FFF) << 48 | rest & 0xFFFF_FFFF_FFFF
    high, low = f"{stamp:015x}", f"{0x8000 << 48 | rest:016x}"
    return f"{high[:8]}-{high[8:12]}-6{high[12:]}-{low[:4]}-{low[4:]}"
