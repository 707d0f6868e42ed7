"""Searches in JSON columns: what is asked for → a condition and its parameters. Nothing is ever text.

Containment, as in Postgres's ``@>``: an object holds another if it has each of its keys with a value that
holds the other's; a list holds another if some element of it holds each of the other's; the rest is equal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any, Final, Protocol

from caesura.errors import InvalidFilterError
from caesura.records.shapes import OneOf

Condition = tuple[str, list[Any]]
_DEEPEST: Final = 16
_MOST: Final = 200
_LARGEST: Final = sys.float_info.max
NEVER: Final[Condition] = ("1 = 0", [])


class JsonColumns(Protocol):
    """How one database searches in JSON columns. ``column``: its name, or an SQL expression of ours."""

    def contains(self, column: str, wanted: Mapping[str, Any]) -> Condition:
        """The condition that a column contains ``wanted``."""

    def entry(self, column: str, key: str, value: Any, *, exact: bool) -> Condition:
        """The condition that a column has a key with this value, or (not exact) one containing it."""

    def scalars(self, column: str, equal: Sequence[tuple[str, Any]]) -> Condition:
        """A condition that holds at least where a column has all these keys with these values.

        The values are texts, bools and integers; a column for which that cannot be said passes.
        """


def require_small(wanted: Any, depth: int = 0) -> None:
    """Refuse a filter that would be a burden. Raises `InvalidFilterError`."""
    if depth > _DEEPEST:
        raise InvalidFilterError(f"A filter may nest {_DEEPEST} levels. Nothing was searched.")
    if not isinstance(wanted, (Mapping, list, tuple)):
        return
    if len(wanted) > _MOST:
        raise InvalidFilterError(f"A filter may have {_MOST} entries. Nothing was searched.")
    for value in wanted.values() if isinstance(wanted, Mapping) else wanted:
        require_small(value, depth + 1)


def _forms(wanted: Any) -> list[Any]:
    """All values that ``wanted`` stands for: one, unless there are alternatives in it."""
    if isinstance(wanted, OneOf):
        return [form for value in wanted.values for form in _forms(value)]
    if isinstance(wanted, Mapping):
        return [dict(zip(wanted, forms, strict=True)) for forms in _combined(wanted.values())]
    if isinstance(wanted, (list, tuple)):
        return [list(forms) for forms in _combined(wanted)]
    return [wanted]


def _combined(parts: Iterable[Any]) -> list[tuple[Any, ...]]:
    forms = [_forms(part) for part in parts]
    if prod(map(len, forms)) > _MOST:
        raise InvalidFilterError("A filter over encrypted values may not have so many entries.")
    return list(product(*forms))


def _alike(value: Any) -> Any:
    """What equals a value in Python: True is 1 there."""
    if type(value) is str or value not in (0, 1):
        return value
    return OneOf((bool(value), int(value)))


class PostgresJson:
    """The operators of ``jsonb``."""

    def contains(self, column: str, wanted: Mapping[str, Any]) -> Condition:
        require_small(wanted)
        found = [self._any_of(f"{column}::jsonb @> ?::jsonb", {k: v}) for k, v in wanted.items()]
        return " AND ".join(term for term, _ in found), [one for _, more in found for one in more]

    def entry(self, column: str, key: str, value: Any, *, exact: bool) -> Condition:
        require_small(value)
        operator = "=" if exact else "@>"
        return self._any_of(f"({column}::jsonb -> ?::text) {operator} ?::jsonb", value, key)

    def scalars(self, column: str, equal: Sequence[tuple[str, Any]]) -> Condition:
        if not equal:
            return "true", []
        terms: list[str] = []
        values: list[Any] = []
        for key, value in equal:
            term, more = self._any_of(f"{column}::jsonb @> ?::jsonb", {key: _alike(value)})
            terms.append(term)
            values += more
        # jsonb cannot hold the one character that JSON can.
        asked = " AND ".join(terms)
        return rf"CASE WHEN strpos({column}, '\u0000') > 0 THEN true ELSE {asked} END", values

    def _any_of(self, term: str, wanted: Any, *before: Any) -> Condition:
        """``term`` of any form of ``wanted``; ``before``: the parameters ahead of it."""
        found = [self._asking(term, form) for form in _forms(wanted)]
        terms = " OR ".join(f"({each})" for each, _ in found)
        return f"({terms})", [one for _, more in found if more for one in (*before, *more)]

    def _asking(self, term: str, wanted: Any) -> Condition:
        """``term`` with ``wanted`` as its parameter; never true if no jsonb can be like that."""
        try:
            text = json.dumps(wanted, allow_nan=False, ensure_ascii=False)
            text.encode()
        except ValueError:
            return NEVER
        return NEVER if r"\u0000" in text else (term, [text])


class SqliteJson:
    """The table-valued function ``json_each``."""

    def contains(self, column: str, wanted: Mapping[str, Any]) -> Condition:
        require_small(wanted)
        return self._contains(column, wanted, 0, exact=False)

    def entry(self, column: str, key: str, value: Any, *, exact: bool) -> Condition:
        require_small(value)
        return self._entry(column, key, value, 0, exact=exact)

    def scalars(self, column: str, equal: Sequence[tuple[str, Any]]) -> Condition:
        terms = [f"json_extract({column}, ?) = ?"] * len(equal)
        values = [part for key, value in equal for part in (f"$.{key}", value)]
        return " AND ".join(terms) or "true", values

    def _contains(self, source: str, wanted: Any, depth: int, *, exact: bool) -> Condition:
        """``exact``: holds nothing else, and lists in the same order."""
        items = list(wanted.items() if isinstance(wanted, Mapping) else enumerate(wanted))
        parts = [f"(SELECT count(*) FROM json_each({source})) = {len(items)}"] if exact else []
        values: list[Any] = []
        for key, value in items:
            place = str(key) if isinstance(wanted, Mapping) else key if exact else None
            term, more = self._entry(source, place, value, depth, exact=exact)
            parts.append(term)
            values += more
        return " AND ".join(parts) or "1 = 1", values

    def _entry(
        self, source: str, key: str | int | None, value: Any, depth: int, *, exact: bool
    ) -> Condition:
        """``source`` has such a value: under this key, at this place, or (None) anywhere."""
        alias = f"j{depth}"
        inner, values = self._matches(alias, value, depth, exact=exact)
        named = "" if key is None else f"{alias}.key = ? AND "
        term = f"EXISTS (SELECT 1 FROM json_each({source}) AS {alias} WHERE {named}{inner})"
        return term, values if key is None else [key, *values]

    def _matches(self, alias: str, value: Any, depth: int, *, exact: bool) -> Condition:
        if isinstance(value, OneOf):
            found = [self._matches(alias, each, depth, exact=exact) for each in value.values]
            terms = " OR ".join(f"({term})" for term, _ in found)
            return f"({terms})", [one for _, more in found for one in more]
        if isinstance(value, (Mapping, list, tuple)):
            kind = "object" if isinstance(value, Mapping) else "array"
            source = f"CASE WHEN {alias}.type = '{kind}' THEN {alias}.value END"
            inner, more = self._contains(source, value, depth + 1, exact=exact)
            return f"{alias}.type = '{kind}' AND {inner}", more
        if value is None:
            return f"{alias}.type = 'null'", []
        if isinstance(value, bool):
            return f"{alias}.type = '{'true' if value else 'false'}'", []
        if isinstance(value, (int, float)):
            if abs(value) > _LARGEST:
                return NEVER  # no number in a database is that large
            number = value if abs(value) < 2**63 else float(value)  # as JSON functions read it
            return f"{alias}.type IN ('integer', 'real') AND {alias}.value = ?", [number]
        return f"{alias}.type = 'text' AND {alias}.value = ?", [str(value)]
