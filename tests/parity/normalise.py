"""How two runs of one program are made comparable.

A worker turns every recorded value into plain JSON (`encode`): objects become their class *name*
and their public fields, so that two packages can be compared that share no class. The parent then
replaces what may differ by right (ids, times, addresses) by placeholders numbered in the order of
first appearance (`Placeholders`): the same id gets the same placeholder, so *sameness* of ids is
compared although their values are not. `render` turns the result into text that reads like Python,
which is what a failing test shows.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import re
from collections.abc import Iterable, Mapping
from typing import Any

Encoded = Any
"""JSON: scalars, lists, and ``{"!": kind, ...}`` for everything else."""

PUBLIC_FIELDS: Mapping[str, tuple[str, ...]] = {
    "Interrupt": ("value", "id", "response_schema"),
    "Send": ("node", "arg"),
    "Command": ("graph", "update", "resume", "goto"),
    "GraphOutput": ("value", "interrupts"),
    "Overwrite": ("value",),
    "StateSnapshot": (
        "values",
        "next",
        "config",
        "metadata",
        "created_at",
        "parent_config",
        "tasks",
        "interrupts",
    ),
    "PregelTask": ("id", "name", "path", "error", "interrupts", "state", "result"),
    "CheckpointTuple": ("config", "metadata", "parent_config", "pending_writes"),
    "NodeError": ("node", "error"),
}
"""Classes of the public API with the fields that are compared; a side may have more of its own."""


def encode(value: Any) -> Encoded:
    """``value`` as JSON that keeps types apart: tuples from lists, objects by class name."""
    if isinstance(value, enum.Enum):
        return encode(value.value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, BaseException):
        return {"!": "exception", "name": type(value).__name__, "message": str(value)}
    if isinstance(value, Mapping):
        return {"!": "dict", "items": [[encode(k), encode(v)] for k, v in value.items()]}
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, set | frozenset):
        members = sorted((encode(item) for item in value), key=repr)
        return {"!": "items", "name": type(value).__name__, "items": members}
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return {"!": "items", "name": "tuple", "items": [encode(item) for item in value]}
    if isinstance(value, datetime.datetime | datetime.date | datetime.timedelta):
        return {"!": "object", "name": type(value).__name__, "fields": []}
    if isinstance(value, bytes):
        return {"!": "items", "name": "bytes", "items": list(value)}
    if isinstance(value, type) or (callable(value) and hasattr(value, "__name__")):
        return {"!": "object", "name": f"<{getattr(value, '__name__', '?')}>", "fields": []}
    fields = [[name, encode(item)] for name, item in _public_fields(value)]
    return {"!": "object", "name": type(value).__name__, "fields": fields}


def _public_fields(value: Any) -> Iterable[tuple[str, Any]]:
    name = type(value).__name__
    if name in PUBLIC_FIELDS:
        return [(field, getattr(value, field, "<absent>")) for field in PUBLIC_FIELDS[name]]
    if hasattr(value, "_fields"):
        return [(field, getattr(value, field)) for field in value._fields]
    if dataclasses.is_dataclass(value):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    if hasattr(type(value), "model_fields"):
        return [(field, getattr(value, field)) for field in type(value).model_fields]
    attributes = getattr(value, "__dict__", {})
    return sorted((key, item) for key, item in attributes.items() if not key.startswith("_"))


# --- placeholders ----------------------------------------------------------------------------

NULL_TASK = "00000000-0000-0000-0000-000000000000"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
VOLATILE = re.compile(
    rf"(?P<uuid>{UUID})"
    r"|(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z)?)"
    r"|(?P<version>\b\d{32}(\.\d+)*\b)"
    r"|(?P<hex>\b[0-9a-f]{32}\b)"
    r"|(?P<address>0x[0-9a-f]{6,})"
)


class Placeholders:
    """Numbers ids in the order in which they are met; one instance serves one run of a program."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def apply(self, value: Encoded) -> Encoded:
        """``value`` with every id, time and address replaced, and dicts in a fixed order."""
        if isinstance(value, str):
            return VOLATILE.sub(self._placeholder, value)
        if isinstance(value, list):
            return [self.apply(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value["!"] == "dict":
            items = sorted(value["items"], key=lambda item: repr(blank(item[0])))
            return {**value, "items": [[self.apply(k), self.apply(v)] for k, v in items]}
        return {key: item if key == "!" else self.apply(item) for key, item in value.items()}

    def _placeholder(self, match: re.Match[str]) -> str:
        text = match.group(0)
        kind = match.lastgroup if match.lastgroup in ("uuid", "hex") else None
        if text == NULL_TASK:
            return "<null-task>"
        if kind is None:
            return blank_match(match)
        if text not in self._names:
            count = sum(1 for name in self._names.values() if name.startswith(f"<{kind}-"))
            self._names[text] = f"<{kind}-{count + 1}>"
        return self._names[text]


def blank_match(match: re.Match[str]) -> str:
    """The placeholder of things whose sameness is not compared."""
    return f"<{next(k for k, v in match.groupdict().items() if v is not None)}>"


def blank(value: Encoded) -> Encoded:
    """``value`` with every volatile part replaced by its bare kind, without numbers."""
    if isinstance(value, str):
        return VOLATILE.sub(blank_match, value)
    if isinstance(value, list):
        return [blank(item) for item in value]
    if isinstance(value, dict):
        return {key: item if key == "!" else blank(item) for key, item in value.items()}
    return value


# --- text ------------------------------------------------------------------------------------

WIDTH = 92


def render(value: Encoded, indent: int = 0, label: str = "") -> str:
    """``value`` as text like Python: on one line where it fits, else one item per line."""
    flat = label + _flat(value)
    if len(flat) + indent <= WIDTH or not isinstance(value, list | dict):
        return flat
    opening, items, closing = _parts(value)
    pad = " " * (indent + 2)
    lines = [f"{pad}{render(item, indent + 2, name)}," for name, item in items]
    return "\n".join([label + opening, *lines, " " * indent + closing])


def _flat(value: Encoded) -> str:
    if not isinstance(value, list | dict):
        return repr(value)
    opening, items, closing = _parts(value)
    lone = "," if opening == "(" and len(items) == 1 else ""
    return opening + ", ".join(label + _flat(item) for label, item in items) + lone + closing


def _parts(value: Any) -> tuple[str, list[tuple[str, Encoded]], str]:
    if isinstance(value, list):
        return "[", [("", item) for item in value], "]"
    if value["!"] == "dict":
        return "{", [(f"{_flat(key)}: ", item) for key, item in value["items"]], "}"
    if value["!"] == "items":
        opening = "(" if value["name"] == "tuple" else f"{value['name']}("
        return opening, [("", item) for item in value["items"]], ")"
    if value["!"] == "exception":
        return f"{value['name']}(", [("", value["message"])], ")"
    return f"{value['name']}(", [(f"{key}=", item) for key, item in value["fields"]], ")"
