"""Plain values as YAML, as far as the head of a Mermaid text needs it: block style, sorted keys."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

_PLAIN: Final = re.compile(r"[A-Za-z][\w ./+-]*(?<! )")
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def yaml_lines(value: dict[str, Any], indent: str = "") -> Iterator[str]:
    """The lines of a mapping."""
    for key in sorted(value):
        inner = value[key]
        if isinstance(inner, dict) and inner:
            yield f"{indent}{_scalar(key)}:"
            yield from yaml_lines(inner, indent + "  ")
        elif isinstance(inner, (list, tuple)) and inner:
            yield f"{indent}{_scalar(key)}:"
            yield from _items(inner, indent)
        else:
            yield f"{indent}{_scalar(key)}: {_scalar(inner)}"


def _items(values: Any, indent: str) -> Iterator[str]:
    for value in values:
        if isinstance(value, dict) and value:
            first, *rest = yaml_lines(value, indent + "  ")
            yield f"{indent}- {first[len(indent) + 2 :]}"
            yield from rest
        elif isinstance(value, (list, tuple)) and value:
            first, *rest = _items(value, indent + "  ")
            yield f"{indent}- {first[len(indent) + 2 :]}"
            yield from rest
        else:
            yield f"{indent}- {_scalar(value)}"


def _scalar(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if "\n" in value or not value.isprintable():
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return "'" + value.replace("'", "''") + "'"
