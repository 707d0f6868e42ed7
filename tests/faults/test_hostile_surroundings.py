"""No space left, a database that may only be read, a clock that is set: told plainly, and nothing lost."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.databases import fresh_schema, named, postgres_url

from caesura.checkpoint.ids import new_id
from caesura.checkpoint.operations import FindInterrupts
from caesura.checkpoint.postgres import PostgresSaver
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.errors import StorageError
from caesura.execution.clock import Clock, use_clock
from caesura.storage.sqlite import connect
from caesura.testing.faults import FailingSaver, InjectedFailureError

from .programs import CASES, CONFIG, Case, Witness, persist

HOURS = (0, 5, -7, 26, -26, 1)


def through(case: Case, graph: Any, on_failure: Any) -> Any:
    """The result of a program; ``on_failure`` is called with each `StorageError`."""
    people = persist(case)
    given = next(people)
    while True:
        result, error = None, None
        try:
            result = graph.invoke(given, CONFIG)
        except StorageError as caught:
            on_failure(caught)
            error = InjectedFailureError(str(caught))
        except Exception as caught:
            error = caught
        try:
            given = people.send((result, error))
        except StopIteration as ended:
            return ended.value


@pytest.mark.parametrize("program", list(CASES))
def test_a_full_disk_is_told_and_the_program_goes_on_when_there_is_space(
    program: str, tmp_path: Path
) -> None:
    """The file may grow by n pages, n = 0, 1, …; after the failure it may grow as it likes."""
    failures = 0
    for spare in itertools.count():
        with closing(SqliteSaver(connect(str(tmp_path / f"db-{spare}")))) as sqlite:
            sqlite.conn.execute("PRAGMA page_size = 512")
            sqlite.setup()
            sqlite.execute(FindInterrupts())
            (pages,) = sqlite.conn.execute("PRAGMA page_count").fetchone()
            sqlite.conn.execute(f"PRAGMA max_page_count = {pages + spare}")
            told: list[str] = []

            def make_space(error: StorageError, sqlite: Any = sqlite, told: Any = told) -> None:
                told.append(str(error))
                sqlite.conn.execute("PRAGMA max_page_count = 1000000")

            saver = FailingSaver(sqlite)
            witness = Witness([saver.performed])
            case = CASES[program]
            assert through(case, case.make_sync(witness, saver), make_space) == case.result
            assert witness.repeated == []
            if not told:
                break
            assert "has no space left on its disk" in told[0]
            assert "Nothing was changed" in told[0]
            failures += 1
    assert failures > 0, "the file never had to grow"


FILLS_UP = """
CREATE SEQUENCE {0}.stored;
CREATE FUNCTION {0}.fill_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF nextval('{0}.stored') = {1} THEN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fill_up BEFORE INSERT OR UPDATE ON {0}.thread_checkpoints
    FOR EACH ROW EXECUTE FUNCTION {0}.fill_up();
CREATE TRIGGER fill_up BEFORE INSERT OR UPDATE ON {0}.thread_writes
    FOR EACH ROW EXECUTE FUNCTION {0}.fill_up();
CREATE TRIGGER fill_up BEFORE INSERT OR UPDATE ON {0}.thread_interrupts
    FOR EACH ROW EXECUTE FUNCTION {0}.fill_up()"""


@pytest.mark.parametrize("program", list(CASES))
def test_a_full_disk_of_postgres_is_told_and_the_program_goes_on_when_there_is_space(
    program: str,
) -> None:
    """The n-th row finds no space, n = 1, 2, …; those after it do."""
    failures = 0
    for n in itertools.count(1):
        with fresh_schema() as schema, closing(PostgresSaver(named(schema))) as postgres:
            postgres.setup()
            with psycopg.connect(postgres_url(), autocommit=True) as owner:
                owner.execute(FILLS_UP.format(f'"{schema}"', n).encode())
            saver, told = FailingSaver(postgres), list[StorageError]()
            case, witness = CASES[program], Witness([saver.performed])
            assert through(case, case.make_sync(witness, saver), told.append) == case.result
            assert witness.repeated == []
        if not told:
            break
        failures += 1
        assert "has no space left on its disk" in str(told[0])
        assert "Nothing was changed" in str(told[0])
    assert failures > 5


def test_a_database_that_may_only_be_read_shows_everything_and_takes_nothing() -> None:
    case = CASES["graph"]
    with fresh_schema() as schema, closing(PostgresSaver(named(schema))) as saver:
        witness = Witness([])
        graph = case.make_sync(witness, saver)
        people = persist(case)
        paused = graph.invoke(next(people), CONFIG)
        options = "options=-c%20default_transaction_read_only%3Don"
        with closing(PostgresSaver(f"{named(schema)}&{options}")) as reader:
            standby = case.make_sync(witness, reader)
            assert standby.get_state(CONFIG) == graph.get_state(CONFIG)
            assert list(standby.get_state_history(CONFIG)) == list(graph.get_state_history(CONFIG))
            before = reader.execute(FindInterrupts())
            command = people.send((paused, None))
            with pytest.raises(StorageError, match=r"is read-only .*Nothing was changed"):
                standby.invoke(command, CONFIG)
            assert reader.execute(FindInterrupts()) == before
        result = None
        with suppress(StopIteration):
            while True:
                result = graph.invoke(command, CONFIG)
                command = people.send((result, None))
        assert result == case.result


class SetClock(Clock):
    """A clock that somebody sets by hours, whenever it is looked at."""

    def __init__(self) -> None:
        self._hours = itertools.cycle(HOURS)
        self.by = timedelta()

    def set(self) -> timedelta:
        self.by = timedelta(hours=next(self._hours))
        return self.by

    def now(self) -> str:
        return (datetime.now(UTC) + self.set()).isoformat()

    def epoch(self) -> float:
        return super().epoch() + self.set().total_seconds()

    def minted(self) -> str:
        """A new id by this clock, as a process would make it that started just now."""
        number = int(new_id().replace("-", ""), 16)
        stamp = (number >> 80) << 12 | (number >> 64 & 0xFFF)
        stamp += int(self.set().total_seconds() * 10**7)
        number = (stamp >> 12) << 80 | 0x6000 << 64 | (stamp & 0xFFF) << 64 | number & (1 << 64) - 1
        text = f"{number:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[SetClock]:
    clock = SetClock()
    monkeypatch.setattr("caesura.execution.clock.new_id", clock.minted)
    before = use_clock(clock)
    yield clock
    use_clock(before)


@pytest.mark.parametrize("program", list(CASES))
def test_a_clock_that_is_set_by_hours_between_steps_and_answers_loses_nothing(
    program: str, saver: Any, set_clock: SetClock
) -> None:
    case = CASES[program]
    failing = FailingSaver(saver)
    witness = Witness([failing.performed])
    graph = case.make_sync(witness, failing)
    assert through(case, graph, None) == case.result
    assert witness.repeated == []
    history = list(graph.get_state_history(CONFIG))
    ids = [state.config["configurable"]["checkpoint_id"] for state in history]
    assert ids == sorted(ids, reverse=True)
    assert [state.parent_config for state in history[:-1]] == [s.config for s in history[1:]]
