"""A database that an earlier version made is upgraded with all it holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.databases import new_database, open_saver

from caesura.checkpoint.operations import ANY_HEAD, Accept, Answer, History, Loaded, PutWrites
from caesura.storage.connections import placed
from caesura.testing.calling import AT, THREAD, SyncCalls, Walker


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The name of an empty database."""
    with new_database(request.param, tmp_path) as name:
        yield name


def as_before(name: str) -> None:
    """Make a database what the first version made: rows held nothing of what closed their parents."""
    if name.startswith("postgresql:"):
        url, dialect = placed(name, "")
        with psycopg.connect(url, autocommit=True) as there:
            _take_back(lambda sql: there.execute(dialect.sql(sql).encode()))
    else:
        with closing(sqlite3.connect(name, isolation_level=None)) as here:
            _take_back(here.execute)


def _take_back(execute: Any) -> None:
    for column in ("closing", "follows"):
        execute(f"ALTER TABLE thread_checkpoints DROP COLUMN {column}")
    execute("UPDATE caesura_schema SET version = 1 WHERE part = 'checkpoints'")


def test_a_database_of_the_first_version_is_read_and_gone_on_with(database: str) -> None:
    with closing(open_saver(database)) as saver:
        walker = Walker(SyncCalls(saver))
        first = walker.commit({"a": 1})
        saver.execute(PutWrites(THREAD, "", first, "t0", "p", [("a", 2)]))
        walker.commit({"a": 2})
        walker.head, state = first, walker.state
        walker.commit({"a": 3}, expected_head=ANY_HEAD)  # a fork: two have one parent
        walker.ask("i1")
        before = told(saver)
    as_before(database)
    with closing(open_saver(database)) as saver:
        assert told(saver) == before
        walker.calls, walker.state = SyncCalls(saver), {**state, "a": 3}
        [answered] = saver.execute(Accept(THREAD, [Answer("i1", "yes")], AT))
        assert answered.answer == "yes"
        third = walker.head
        assert third is not None
        closing_writes = PutWrites(THREAD, "", third, "t1", "p", [("a", 4)], done=True)
        walker.commit({"a": 4}, closing=[closing_writes])
        assert walker.load().values == {"a": 4}
        assert walker.load(third).writes == [("t1", "a", 4)]


def told(saver: Any) -> list[Loaded]:
    """All of a thread's history."""
    return list(saver.execute(History(THREAD, "")))
