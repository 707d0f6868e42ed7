"""Searches in JSON columns: what is asked for → a condition and its parameters. Nothing is ever text.

Containment, as in Postgres's ``@>``: an object holds another if it has each of its keys with a value that
holds the other's; a list holds another if some element of it holds each of the other's; the rest is equal.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from caesura.errors import InvalidFilterError

Condition = tuple[str, list[Any]]
_DEEPEST: Final = 16
_MOST: Final = 200
_LARGEST: Final = sys.float_info.max


class Conditions:
    """Conditions that all must hold."""

    def __init__(self) -> None:
        self.terms: list[str] = []
        self.values: list[Any] = []

    def add(self, term: str, *values: Any) -> None:
        """One more."""
        self.terms.append(term)
        self.values += values

    def equal(self, **columns: Any) -> None:
        """Columns that have a value; those given as None do not matter."""
        for name, value in columns.items():
            if value is not None:
                self.add(f"{name} = ?", value)

    def among(self, column: str, values: Sequence[Any] | None) -> None:
        """A column that has one of these values; None: any."""
        if values is not None:
            self.add(f"{column} IN ({', '.join('?' * len(values))})", *values)

    def holds(self, column: str, wanted: Mapping[str, Any]) -> None:
        """A JSON column that contains ``wanted``."""
        if wanted:
            term, values = contains(column, wanted, 0)
            self.add(term, *values)

    def may_see(self, column: str, filters: Mapping[str, Any]) -> None:
        """A JSON column that passes an authorisation's filters."""
        for key, rule in filters.items():
            value, exact = _wanted(rule)
            term, values = _entry(column, key, value, 0, exact=exact)
            self.add(term, *values)

    @property
    def where(self) -> str:
        """`` WHERE …``, or nothing."""
        return f" WHERE {' AND '.join(self.terms)}" if self.terms else ""


def _wanted(rule: Any) -> tuple[Any, bool]:
    """What a filter asks of a value, and whether the value must equal it or only contain it."""
    if not isinstance(rule, Mapping):
        return rule, True
    if set(rule) == {"$eq"}:
        return rule["$eq"], True
    if set(rule) == {"$contains"}:
        wanted = rule["$contains"]
        return (list(wanted) if isinstance(wanted, (list, tuple)) else [wanted]), False
    if any(str(key).startswith("$") for key in rule):
        raise InvalidFilterError(
            f"Unknown operator in the filter {dict(rule)!r}. Nothing was searched."
        )
    return rule, True


def contains(source: str, wanted: Any, depth: int, *, exact: bool = False) -> Condition:
    """The condition that the JSON value ``source`` (an SQL expression of ours) contains ``wanted``.

    ``exact``: holds nothing else, and lists in the same order.
    """
    if depth > _DEEPEST:
        raise InvalidFilterError(f"A filter may nest {_DEEPEST} levels. Nothing was searched.")
    items = list(wanted.items() if isinstance(wanted, Mapping) else enumerate(wanted))
    if len(items) > _MOST:
        raise InvalidFilterError(f"A filter may have {_MOST} entries. Nothing was searched.")
    parts = [f"(SELECT count(*) FROM json_each({source})) = {len(items)}"] if exact else []
    values: list[Any] = []
    for key, value in items:
        place = str(key) if isinstance(wanted, Mapping) else key if exact else None
        term, more = _entry(source, place, value, depth, exact=exact)
        parts.append(term)
        values += more
    return " AND ".join(parts) or "1 = 1", values


def _entry(source: str, key: str | int | None, value: Any, depth: int, *, exact: bool) -> Condition:
    """The condition that ``source`` has such a value: under this key, at this place, or (None) any."""
    alias = f"j{depth}"
    inner, values = _matches(alias, value, depth, exact=exact)
    named = "" if key is None else f"{alias}.key = ? AND "
    term = f"EXISTS (SELECT 1 FROM json_each({source}) AS {alias} WHERE {named}{inner})"
    return term, values if key is None else [key, *values]


def _matches(alias: str, value: Any, depth: int, *, exact: bool) -> Condition:
    if isinstance(value, (Mapping, list, tuple)):
        kind = "object" if isinstance(value, Mapping) else "array"
        source = f"CASE WHEN {alias}.type = '{kind}' THEN {alias}.value END"
        inner, more = contains(source, value, depth + 1, exact=exact)
        return f"{alias}.type = '{kind}' AND {inner}", more
    if value is None:
        return f"{alias}.type = 'null'", []
    if isinstance(value, bool):
        return f"{alias}.type = '{'true' if value else 'false'}'", []
    if isinstance(value, (int, float)):
        if abs(value) > _LARGEST:
            return "1 = 0", []  # no number in a database is that large
        number = value if abs(value) < 2**63 else float(value)  # as JSON functions read it
        return f"{alias}.type IN ('integer', 'real') AND {alias}.value = ?", [number]
    return f"{alias}.type = 'text' AND {alias}.value = ?", [str(value)]
