"""One digest for equal values, in every process: what is stored of a value, put in order.

The value is written as a saver would write it, so what cannot be stored has no digest; then what has
no order of its own (the keys of dicts, the members of sets) is sorted. Values of different types
have different digests, but lists and tuples count as the same, since they are when they are read back.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from ormsgpack import OPT_NON_STR_KEYS, Ext, packb, unpackb

from caesura.checkpoint.serde._msgpack import EXT_CONSTRUCTOR_SINGLE_ARG, EXT_PAIRS, pack


def canonical_digest(value: Any, at: str = "") -> str:
    """32 hex characters. ``at`` is the path of ``value`` for errors. Raises SerializationError."""
    return blake2b(_ordered(_parsed(pack(value, at))), digest_size=16).hexdigest()


class _Object:
    """An object as it is stored: the code of its kind, and its parts."""

    __slots__ = ("body", "code")

    def __init__(self, code: int, body: Any) -> None:
        self.code, self.body = code, body


def _parsed(data: bytes) -> Any:
    return unpackb(data, ext_hook=_object, option=OPT_NON_STR_KEYS)


def _object(code: int, data: bytes) -> _Object:
    return _Object(code, _parsed(data))


def _ordered(value: Any) -> bytes:
    """Bytes that end by themselves, so that no two values share them."""
    if isinstance(value, dict):
        return _members(b"d", sorted(_ordered(k) + _ordered(v) for k, v in value.items()))
    if isinstance(value, (list, tuple)):
        return _members(b"l", [_ordered(item) for item in value])
    if not isinstance(value, _Object):
        return packb(value)
    if value.code == EXT_PAIRS:
        return _members(b"p", sorted(_ordered(pair) for pair in value.body))
    if value.code == EXT_CONSTRUCTOR_SINGLE_ARG and value.body[1] in ("set", "frozenset"):
        head, members = value.body[:2], value.body[2]
        return _ordered(head) + _members(b"s", sorted(_ordered(item) for item in members))
    return packb(Ext(value.code, _ordered(value.body)))


def _members(kind: bytes, members: list[bytes]) -> bytes:
    return packb(Ext(ord(kind), packb(len(members)) + b"".join(members)))
