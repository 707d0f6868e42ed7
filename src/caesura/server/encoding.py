"""Values of programs → the JSON that clients see.

Almost everything is encoded by orjson in one go. What it does not know is turned into plain data by
`plain`: messages, models and dataclasses to dicts, exceptions to their repr, and, last, anything else to
its text, so that a stream never breaks off on an odd value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

import orjson

from caesura.messages.kinds import Message
from caesura.types import Interrupt, interrupt_as_dict

JSON_TYPE: Final = "application/json"
_OPTIONS: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_NON_STR_KEYS
_DEEPEST: Final = 200


def plain(value: Any) -> Any:
    """An object that JSON has no form for, as one that it has."""
    if isinstance(value, Interrupt):
        return interrupt_as_dict(value)
    if isinstance(value, BaseException):
        return repr(value)
    if isinstance(value, (set, frozenset, tuple)):
        named = getattr(value, "_asdict", None)
        return list(value) if named is None else named()
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, Message):
        return _message(value)
    for name in ("to_dict", "model_dump"):
        method = getattr(value, name, None)
        if callable(method):
            return method()
    if is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, Mapping):
        return dict(value)
    if type(value).__module__ == "numpy":
        return value.tolist()
    return str(value)


def _message(message: Message) -> dict[str, Any]:
    """A message with all its fields, as chat clients know it."""
    every = {each.name: getattr(message, each.name) for each in fields(message)}
    if message.type == "ai":
        every.setdefault("invalid_tool_calls", [])
    return {"type": message.type, **every}


def encode(value: Any) -> bytes:
    """``value`` as JSON, whatever it is. NaN and infinities become null."""
    try:
        return orjson.dumps(value, plain, _OPTIONS)
    except (TypeError, ValueError, RecursionError):
        return json.dumps(_simple(value, 0), separators=(",", ":")).encode()


def _simple(value: Any, depth: int) -> Any:
    """``value`` of plain data only, for what orjson refuses: huge numbers, odd keys, broken texts."""
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {str(key): _simple(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_simple(item, depth + 1) for item in value]
    try:
        return _simple(plain(value), depth + 1)
    except Exception:
        return str(type(value))


def to_plain(value: Any) -> Any:
    """``value`` as a client would read it back: dicts, lists, texts, numbers."""
    return json.loads(encode(value))
