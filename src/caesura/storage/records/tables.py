"""Records ↔ rows: a table is described once, by its record's class and its JSON columns.

Columns bear the names of the record's fields. JSON is stored as compact text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final, Generic, Literal, TypeVar

from caesura.records.errors import UnstorableError
from caesura.records.shapes import ApiKey, Assistant, Cron, Delivery, Run, Thread, Ttl

R = TypeVar("R")
_NUL: Final = r"\u0000"


def to_json(value: Any) -> str | None:
    """A JSON column; None stays NULL. ValueError for NaN, which would spoil searches of others."""
    return None if value is None else json.dumps(value, separators=(",", ":"), allow_nan=False)


def from_json(text: str | None) -> Any:
    """What `to_json` was given."""
    return None if text is None else json.loads(text)


class Table(Generic[R]):
    """One kind of record and its table."""

    def __init__(self, name: str, record: type[R], json: Sequence[str], lists: Sequence[str] = ()):
        self.name, self.record = name, record
        self.columns: Final = tuple(f.name for f in fields(record))  # type: ignore[arg-type]
        self._json, self._lists = frozenset(json), frozenset(lists)
        self.listed: Final = ", ".join(self.columns)
        self._nullable = {f.name for f in fields(record) if "None" in str(f.type)}  # type: ignore[arg-type]
        places = ", ".join("?" * len(self.columns))
        self.insert: Final = f"INSERT INTO {name} ({self.listed}) VALUES ({places})"
        self.select: Final = f"SELECT {self.listed} FROM {name}"

    def row(self, record: R) -> list[Any]:
        """The columns of a record."""
        return [self._column(name, getattr(record, name)) for name in self.columns]

    def _column(self, name: str, value: Any) -> Any:
        if name in self._json or name in self._lists:
            text = to_json(value)
            if name == "metadata" and text is not None and _NUL in text:
                raise UnstorableError(name)
            return text
        return int(value) if isinstance(value, bool) else value

    def read(self, row: Sequence[Any]) -> R:
        """The record of a row of ``listed``."""
        return self.record(
            **dict(zip(self.columns, map(self._value, self.columns, row), strict=True))
        )

    def _value(self, name: str, value: Any) -> Any:
        if name in self._lists:
            return tuple(from_json(value) or ())
        return from_json(value) if name in self._json else value

    def read_all(self, rows: Iterable[Sequence[Any]]) -> list[R]:
        """The records of rows."""
        return [self.read(row) for row in rows]

    def order(self, name: str, way: Literal["asc", "desc"], key: str) -> str:
        """`` ORDER BY`` a column, then by ``key``; nothing comes before all else, in all databases."""
        if name not in self.columns:
            raise ValueError(f"{self.name} have no {name}")
        direction = {"asc": "ASC", "desc": "DESC"}[way]
        nulls = (
            {"asc": " NULLS FIRST", "desc": " NULLS LAST"}[way] if name in self._nullable else ""
        )
        return f" ORDER BY {name} {direction}{nulls}, {key} {direction}"

    def setting(self, changes: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """``column = ?, …`` and its parameters."""
        text = ", ".join(f"{name} = ?" for name in changes)
        return text, [self._column(name, value) for name, value in changes.items()]


class _Threads(Table[Thread]):
    """Threads: the record's ``ttl`` is two columns, ``touched`` a number."""

    def row(self, record: Thread) -> list[Any]:
        return [self._thread_column(record, name) for name in self.columns]

    def _thread_column(self, record: Thread, name: str) -> Any:
        if name == "ttl":
            ttl = record.ttl
            return None if ttl is None else to_json([ttl.minutes, ttl.strategy])
        return self._column(name, getattr(record, name))

    def read(self, row: Sequence[Any]) -> Thread:
        values = dict(zip(self.columns, map(self._value, self.columns, row), strict=True))
        if values["ttl"] is not None:
            values["ttl"] = Ttl(*from_json(values["ttl"]))
        values["touched"] = bool(values["touched"])
        return Thread(**values)


class _Runs(Table[Run]):
    def read(self, row: Sequence[Any]) -> Run:
        values = dict(zip(self.columns, map(self._value, self.columns, row), strict=True))
        values["temporary"] = bool(values["temporary"])
        values["resumable"] = bool(values["resumable"])
        return Run(**values)


class _Crons(Table[Cron]):
    def read(self, row: Sequence[Any]) -> Cron:
        values = dict(zip(self.columns, map(self._value, self.columns, row), strict=True))
        values["enabled"] = bool(values["enabled"])
        return Cron(**values)


ASSISTANTS: Final = Table("assistants", Assistant, ("config", "context", "metadata"))
THREADS: Final = _Threads("threads", Thread, ("metadata", "config", "error", "trace"))
RUNS: Final = _Runs("runs", Run, ("metadata", "kwargs", "error", "trace"), ("accepted",))
CRONS: Final = _Crons("crons", Cron, ("payload", "metadata", "owner"))
KEYS: Final = Table("api_keys", ApiKey, (), ("permissions", "groups"))
DELIVERIES: Final = Table("webhook_deliveries", Delivery, ("owner",))
