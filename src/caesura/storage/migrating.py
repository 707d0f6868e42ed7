"""The tables of a part, made or upgraded: once for all SQL databases, as a generator of statements.

Each part has its own version, in ``caesura_schema``. Whoever comes first upgrades, in one transaction;
the others wait for it and find it done.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

from caesura.errors import StorageError
from caesura.storage.dialect import Dialect
from caesura.storage.statements import Begin, Statements

_TABLE: Final = "caesura_schema"
_VERSIONS: Final = f"""
CREATE TABLE IF NOT EXISTS {_TABLE} (part TEXT PRIMARY KEY, version INTEGER NOT NULL)"""
_VERSION: Final = f"SELECT version FROM {_TABLE} WHERE part = ?"
_SET_VERSION: Final = f"""
INSERT INTO {_TABLE} (part, version) VALUES (?, ?)
ON CONFLICT (part) DO UPDATE SET version = excluded.version"""


def migrate(dialect: Dialect, part: str) -> Statements:
    """Bring a part to the version known here. Raises `StorageError` if it is newer."""
    migrations = dialect.migrations(part)
    known = len(migrations)
    if (yield from _version(dialect, part)) == known:
        return
    yield Begin(True, "schema")
    for question, statement in dialect.preparation:
        if question is None or not (yield question, ()):
            yield statement, ()
    yield _VERSIONS, ()
    version = yield from _version(dialect, part)
    if version > known:
        raise StorageError(
            f"A newer version of Caesura made this database ({part} {version}, known here: "
            f"{known}). Upgrade Caesura; nothing was changed."
        )
    for read in migrations[version:]:
        for statement in split_statements(read()):
            yield statement, ()
    yield _SET_VERSION, (part, known)


def _version(dialect: Dialect, part: str) -> Statements:
    if not (yield dialect.table_exists, (dialect.table(_TABLE),)):
        return 0
    found = yield _VERSION, (part,)
    return found[0][0] if found else 0


def split_statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
