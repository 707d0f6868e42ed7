"""What an operation reads is of one moment, and what it writes it writes only on what it read.

The operations are performed statement by statement, and between any two of them something else happens
to the thread. Locks make that rare; the statements must be right without them, too: a lock may be lost
with its session, and another program may not take it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.databases import new_database, open_saver, postgres_url

from caesura.checkpoint.history import Reader
from caesura.checkpoint.operations import (
    Accept,
    Answer,
    Commit,
    FindInterrupts,
    FullState,
    History,
    Load,
)
from caesura.checkpoint.saver import ReadOn
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.errors import StaleThreadError, StorageError
from caesura.storage.dialect import SQLITE
from caesura.storage.exchange import exchange
from caesura.storage.parts import performer_of
from caesura.storage.sqlite import connect
from caesura.storage.statements import Begin, Together
from caesura.storage.talking import talk
from caesura.types import Command

from .upkeeper import ANSWERS, LOG, config, finish, program

Meanwhile = Callable[[int], None]
"""Called before each statement with its number, from 0."""


class Slow:
    """Performs operations on a connection of its own; ``meanwhile`` other things happen."""

    def __init__(self, name: str, saver: Any) -> None:
        self.codec, self.saver = saver.codec, saver
        self.sqlite = isinstance(saver, SqliteSaver)
        self.connection: Any = (
            connect(name) if self.sqlite else psycopg.connect(postgres_url(), autocommit=True)
        )

    def close(self) -> None:
        self.connection.close()

    def perform(self, op: Any, meanwhile: Meanwhile, *, locks: bool = True) -> Any:
        """The result of ``op``. Without ``locks`` each statement is a transaction of its own."""
        dialect = SQLITE if self.sqlite else self.saver.dialect
        steps = performer_of(type(op))[1](dialect, self.codec, op)
        if not locks:
            steps = _unlocked(steps)
        try:
            if self.sqlite:
                return self._on_sqlite(steps, meanwhile)
            return self._on_postgres(talk(dialect, steps), meanwhile)
        finally:
            self.connection.rollback()

    def _on_sqlite(self, steps: Any, meanwhile: Meanwhile) -> Any:
        number, answer = 0, None
        while True:
            try:
                statement = steps.send(answer)
            except StopIteration as done:
                return done.value
            if isinstance(statement, Begin):
                self.connection.execute("BEGIN IMMEDIATE" if statement.writes else "BEGIN")
                answer = None
                continue
            meanwhile(number)
            number += 1
            together = statement if isinstance(statement, Together) else Together([statement])
            answers = []
            for each in together.statements:
                cursor = self.connection.execute(*each)
                answers.append(cursor.rowcount if cursor.description is None else cursor.fetchall())
            if together.ends:
                self.connection.commit()
            answer = answers if together is statement else answers[0]

    def _on_postgres(self, said: Any, meanwhile: Meanwhile) -> Any:
        number, answer = 0, None
        while True:
            try:
                queries = said.send(answer)
            except StopIteration as done:
                return done.value
            if queries[-1].sql != "COMMIT" or len(queries) > 1:
                meanwhile(number)
                number += 1
            answer = self.connection.wait(exchange(self.connection, queries))


def _unlocked(steps: Any) -> Iterator[Any]:
    """The same statements without the transaction around them."""
    answer = None
    while True:
        try:
            statement = steps.send(answer)
        except StopIteration as done:
            return done.value
        answer = None if isinstance(statement, Begin) else (yield statement)


@pytest.fixture(params=["sqlite", "postgres"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Any, Slow]]:
    """A saver, and somebody slow on the same database."""
    with (
        new_database(request.param, tmp_path) as name,
        closing(open_saver(name)) as saver,
        closing(Slow(name, saver)) as slow,
    ):
        saver.setup()
        yield saver, slow


def paused(saver: Any, folder: Path, thread_id: str) -> Any:
    """A program that waits for its second answer; the question."""
    graph = program(saver, folder)
    [asked] = graph.invoke({"log": []}, config(thread_id))["__interrupt__"]
    given = Command(resume={asked.id: ANSWERS[asked.value]})
    [asked] = graph.invoke(given, config(thread_id, 1))["__interrupt__"]
    return asked


def go_on(saver: Any, folder: Path, thread_id: str, asked: Any, *, prune: bool) -> None:
    """Answer it, come to the end, and forget the past."""
    given = Command(resume={asked.id: ANSWERS[asked.value]})
    log = finish(program(saver, folder), thread_id, given, iter(range(2, 9)))
    assert sorted(log) == sorted(LOG)
    if prune:
        saver.prune([thread_id])


@pytest.mark.parametrize(
    ("read", "statements"), [("newest", 1), ("named", 2), ("history", 3), ("list", 3)]
)
def test_what_is_read_is_of_one_moment_whatever_happens_between_two_statements(
    read: str, statements: int, both: tuple[Any, Slow], tmp_path: Path
) -> None:
    saver, slow = both
    for moment in range(1, 20):
        thread_id = f"thread-{moment}"
        asked = paused(saver, tmp_path, thread_id)
        reached = []

        def meanwhile(number: int, thread_id: str = thread_id, asked: Any = asked) -> None:
            if number == moment:  # noqa: B023
                reached.append(number)  # noqa: B023
                go_on(saver, tmp_path, thread_id, asked, prune=True)

        if read in ("newest", "named"):
            newest = saver.execute(Load(thread_id, ""))
            load = Load(thread_id, "", newest.checkpoint_id if read == "named" else None)
            before = saver.execute(load)
            assert slow.perform(load, meanwhile) == before
        else:
            history = History(thread_id, "") if read == "history" else History(None, None)
            before = list(saver.execute(history))
            reader = Reader(saver.codec, history)
            assert slow.perform(ReadOn(reader), meanwhile) == before
        if not reached:
            break
    assert moment >= statements, "hardly anything was asked"


def test_an_answer_is_not_overwritten_by_somebody_who_read_before_it(
    both: tuple[Any, Slow], tmp_path: Path
) -> None:
    saver, slow = both
    asked = paused(saver, tmp_path, "thread")

    def meanwhile(number: int) -> None:
        if number == 1:
            saver.execute(Accept("thread", [Answer(asked.id, "first")], "2026-01-01"))

    with pytest.raises(StorageError, match="changed while it was answered"):
        late = Accept("thread", [Answer(asked.id, "late")], "2026-01-01")
        slow.perform(late, meanwhile, locks=False)
    [row] = saver.execute(FindInterrupts("thread", interrupt_id=asked.id, status=None))
    assert (row.status, row.answer) == ("answered", "first")


def test_a_step_is_not_stored_on_a_thread_that_went_on_since_it_was_looked_at(
    both: tuple[Any, Slow], tmp_path: Path
) -> None:
    """The insert looks for itself: what is stored in the moment before it counts."""
    saver, slow = both
    asked = paused(saver, tmp_path, "thread")
    loaded = saver.execute(Load("thread", ""))

    def meanwhile(number: int) -> None:
        if number == 0:
            go_on(saver, tmp_path, "thread", asked, prune=False)

    late = Commit(
        "thread", "", "f" + loaded.checkpoint_id[1:], loaded.checkpoint_id, loaded.checkpoint_id,
        "2026-01-01", {}, {}, {}, {}, (), lambda: FullState({}, {}, {}),
    )  # fmt: skip
    with pytest.raises(StaleThreadError):
        slow.perform(late, meanwhile, locks=False)
    state = program(saver, tmp_path).get_state(config("thread"))
    assert sorted(state.values["log"]) == sorted(LOG)
