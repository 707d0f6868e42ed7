"""How deep lists and dicts nest in msgpack bytes, found out without reading the values."""

from __future__ import annotations

from typing import Final

_NO_CONTAINERS: Final = bytes(b for b in range(256) if not (0x80 <= b <= 0x9F or 0xDC <= b <= 0xDF))


def container_depth(data: bytes, enough: int) -> int:
    """An upper bound of the nesting in ``data``: cheap where few containers occur, else counted."""
    bound = len(data.translate(None, _NO_CONTAINERS))
    return bound if bound <= 16 else min(bound, nesting(data, enough))


_FIXED: Final = {
    0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,
    0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17,
}  # fmt: skip
_SIZED: Final = {
    0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1),
    0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0),
}  # fmt: skip
_COUNTED: Final = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def nesting(data: bytes, enough: int) -> int:
    """How deep lists and dicts nest in a msgpack value; stops counting at ``enough``."""
    position, deepest, size = 0, 0, len(data)
    open_items: list[int] = []
    while position < size:
        length, items = _step(data, position)
        position += length
        if open_items:
            open_items[-1] -= 1
        if items:
            open_items.append(items)
            deepest = max(deepest, len(open_items))
            if deepest >= enough:
                break
        while open_items and not open_items[-1]:
            open_items.pop()
        if not open_items:
            break
    return deepest


def _step(data: bytes, position: int) -> tuple[int, int]:
    """Bytes to go on by, and how many items follow, for the value that starts at ``position``."""
    head = data[position]
    if 0x80 <= head <= 0x8F:
        return 1, (head & 15) * 2
    if 0x90 <= head <= 0x9F:
        return 1, head & 15
    if 0xA0 <= head <= 0xBF:
        return 1 + (head & 31), 0
    if head in _FIXED:
        return 1 + _FIXED[head], 0
    if head in _SIZED:
        width, kind = _SIZED[head]
        number = int.from_bytes(data[position + 1 : position + 1 + width], "big")
        return 1 + width + kind + number, 0
    if head in _COUNTED:
        width, each = _COUNTED[head]
        number = int.from_bytes(data[position + 1 : position + 1 + width], "big")
        return 1 + width, number * each
    return 1, 0
