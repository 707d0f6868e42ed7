"""Conditions of a search, collected: each a term of SQL and its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from caesura.errors import InvalidFilterError
from caesura.storage.dialect import Dialect


class Conditions:
    """Conditions that all must hold."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
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
            self.add(
                f"{column} IN ({', '.join('?' * len(values))})" if values else "1 = 0", *values
            )

    def holds(self, column: str, wanted: Mapping[str, Any]) -> None:
        """A JSON column that contains ``wanted``."""
        if wanted:
            term, values = self.dialect.json.contains(column, wanted)
            self.add(term, *values)

    def may_see(self, column: str, filters: Mapping[str, Any]) -> None:
        """A JSON column that passes an authorisation's filters."""
        for key, rule in filters.items():
            value, exact = _wanted(rule)
            term, values = self.dialect.json.entry(column, key, value, exact=exact)
            self.add(term, *values)

    def mentions(self, text: str, *, columns: Sequence[str], bytes: Sequence[str] = ()) -> None:
        """One of these columns of text, or of bytes, has ``text`` in it, in whatever case."""
        if "\0" in text:  # no text of a database has it
            self.terms.append("1 = 0")
            return
        terms = [self.dialect.in_text.format(column) for column in columns]
        terms += [self.dialect.in_bytes.format(column) for column in bytes]
        self.add(f"({' OR '.join(terms)})", *[text] * len(terms))

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
