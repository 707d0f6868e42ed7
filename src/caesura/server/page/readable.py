"""Values as people read them: pairs, tables, lists, conversations; a tree that the templates draw. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from caesura.server.encoding import to_plain

Shape = Literal["nothing", "word", "number", "text", "pairs", "table", "list", "talk", "more"]
_MOST: Final = 200
_DEEPEST: Final = 8
_WIDEST: Final = 8
"""Columns that a table may have."""
_LONGEST: Final = 20_000


@dataclass(slots=True, frozen=True)
class Shown:
    """A value as it is drawn. ``text``: of one that has no parts."""

    shape: Shape
    text: str = ""
    pairs: Sequence[tuple[str, Shown]] = ()
    items: Sequence[Shown] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Shown]] = ()
    left_out: int = 0
    """How many more there are than are shown."""


def readable(value: Any) -> Shown:
    """Any value of a program."""
    return _shown(to_plain(value), 0)


def one_line(value: Any, width: int = 90) -> str:
    """The gist of a value, on one line of at most ``width`` characters."""
    text = " ".join(_gist(to_plain(value)).split())
    return text if len(text) <= width else text[: width - 1] + "…"


def _gist(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{_label(k)}: {_gist(v)}" for k, v in list(value.items())[:12])
    if isinstance(value, list):
        return "; ".join(_gist(item) for item in value[:12])
    return _text(value)[:500]


def _shown(value: Any, depth: int) -> Shown:
    if value is None or value == "" or value == [] or value == {}:
        return Shown("nothing", "–" if value is None else "empty")
    if depth > _DEEPEST:
        return Shown("more", one_line(value))
    if isinstance(value, Mapping):
        kept = list(value.items())[:_MOST]
        pairs = [(_label(k), _shown(v, depth + 1)) for k, v in kept]
        return Shown("pairs", pairs=pairs, left_out=len(value) - len(kept))
    if isinstance(value, list):
        return _listed(value, depth)
    if isinstance(value, str) and ("\n" in value or len(value) > 120):
        return Shown("text", value[:_LONGEST], left_out=max(len(value) - _LONGEST, 0))
    return Shown("word" if isinstance(value, str | bool) else "number", _text(value))


def _listed(value: list[Any], depth: int) -> Shown:
    kept, left_out = value[:_MOST], max(len(value) - _MOST, 0)
    if all(_is_message(item) for item in kept):
        said = [(str(m.get("role") or m["type"]), _shown(_said(m), depth + 1)) for m in kept]
        return Shown("talk", pairs=said, left_out=left_out)
    columns = _columns(kept)
    if columns:
        rows = [[_shown(item.get(c), depth + 1) for c in columns] for item in kept]
        return Shown("table", columns=columns, rows=rows, left_out=left_out)
    return Shown("list", items=[_shown(item, depth + 1) for item in kept], left_out=left_out)


def _columns(items: Sequence[Any]) -> list[str]:
    """The columns of a table, if the items are objects that are flat and much alike."""
    if len(items) < 2 or not all(isinstance(item, Mapping) for item in items):
        return []
    if any(isinstance(v, dict | list) and v for item in items for v in item.values()):
        return []
    names = list(dict.fromkeys(name for item in items for name in item))
    return names if len(names) <= _WIDEST else []


def _is_message(item: Any) -> bool:
    if not isinstance(item, Mapping) or "content" not in item:
        return False
    return isinstance(item.get("role") or item.get("type"), str)


def _said(message: Mapping[str, Any]) -> Any:
    calls = message.get("tool_calls")
    return {"content": message["content"], "tool_calls": calls} if calls else message["content"]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)


def _label(key: Any) -> str:
    return str(key).replace("_", " ").strip() or str(key)
