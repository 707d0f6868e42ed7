"""What goes to Postgres in one round trip, when something in it fails, is late, or is heard by nobody."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.databases import new_database, open_saver, postgres_saver, postgres_url

import caesura.storage.dialect as dialects
import caesura.storage.exchange as exchanges
from caesura.checkpoint.operations import (
    Accept,
    Answer,
    Commit,
    FindInterrupts,
    Flush,
    Load,
    PutWrites,
)
from caesura.checkpoint.postgres import PostgresSaver
from caesura.errors import AlreadyAnsweredError, StaleThreadError, StorageError
from caesura.storage.dialect import _number
from caesura.storage.exchange import Query, exchange
from caesura.testing.calling import AT, THREAD, AsyncCalls, Calls, SyncCalls, Walker, interrupt_row

from .test_connections import Proxy

COLOURS: dict[str, Callable[[Any], Calls]] = {"sync": SyncCalls, "async": AsyncCalls}


@pytest.fixture
def saver() -> Iterator[PostgresSaver]:
    with postgres_saver() as saver:
        saver.setup()
        yield saver


@pytest.fixture(params=COLOURS)
def calls(request: pytest.FixtureRequest, saver: PostgresSaver) -> Iterator[Calls]:
    with closing(COLOURS[request.param](saver)) as calls:
        yield calls


@contextmanager
def connected() -> Iterator[Any]:
    """A connection of somebody else's."""
    with psycopg.connect(postgres_url(), autocommit=True) as connection:
        yield connection


@contextmanager
def held(saver: PostgresSaver, thread_id: str = THREAD) -> Iterator[Any]:
    """Somebody else holds the thread; gives their connection."""
    with connected() as connection:
        connection.execute(
            "SELECT pg_advisory_lock(%s)", (_number(saver.dialect.schema, thread_id),)
        )
        yield connection


def who_waits(connection: Any) -> int:
    """The backend that waits for a lock of the connection's, once there is one."""
    query = "SELECT pid FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    while not (found := connection.execute(query).fetchall()):
        pass
    return int(found[0][0])


def question(walker: Walker, id: str, **more: Any) -> PutWrites:
    """The operation that asks, as the engine asks."""
    head = walker.head or ""
    row = interrupt_row(id, head, **more)
    given = {"opened": [row], "expected_head": head, "sync": "now"}
    return PutWrites(THREAD, "", head, row.task_id, "p", [], **given)


def statuses(saver: Any) -> dict[str, str]:
    return {row.id: row.status for row in saver.execute(FindInterrupts(THREAD, status=None))}


def resumed(walker: Walker) -> Commit:
    """A step that uses up the answers of a task, and takes back what else waits."""
    done = PutWrites(THREAD, "", walker.head or "", "task-1", "p", [], done=True)
    return walker.operation({"n": 9}, closing=[done], withdraw="new input")


# --- several at a time -----------------------------------------------------------------------


def syncs(connection: Any, folder: Path, act: Callable[[], Any]) -> int:
    """How often the connection asks for all answers meanwhile, as libpq tells it."""
    path = folder / "trace"
    with path.open("wb") as file:
        connection.pgconn.trace(file.fileno())
        act()
        connection.pgconn.untrace()
    lines = path.read_text(errors="replace").splitlines()
    return sum("\tF\t" in line and line.split("\t")[3:4] in (["Sync"], ["Query"]) for line in lines)


def test_queries_of_one_exchange_take_one_round_trip(tmp_path: Path) -> None:
    queries = [Query("SELECT $1::text", ("x",)), Query("SELECT 1"), Query("BEGIN"), Query("COMMIT")]
    with connected() as connection:
        for _ in range(6):  # also when they are prepared

            def act() -> None:
                answers = connection.wait(exchange(connection, queries))
                assert answers[:2] == [[("x",)], [(1,)]]

            assert syncs(connection, tmp_path, act) == 1
        assert connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (4,)


def test_statements_that_are_not_said_any_more_do_not_stay_prepared() -> None:
    with connected() as connection:
        connection.prepared_max = 5
        for n in range(20):
            for _ in range(8):
                said = connection.wait(exchange(connection, [Query(f"SELECT {n}")]))
                assert said == [[(n,)]]
        assert connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (5,)


def test_the_first_error_of_an_exchange_is_told_and_the_connection_goes_on() -> None:
    queries = [Query("BEGIN"), Query("SELECT 1 / 0"), Query("SELECT nonsense"), Query("COMMIT")]
    with connected() as connection:
        for _ in range(6):
            with pytest.raises(psycopg.errors.DivisionByZero):
                connection.wait(exchange(connection, queries))
            connection.rollback()
            assert connection.wait(exchange(connection, [Query("SELECT 2")])) == [[(2,)]]


def test_values_larger_than_what_a_socket_holds_are_sent_and_read(calls: Calls) -> None:
    walker = Walker(calls)
    big = {str(n): bytes(6_000_000) for n in range(4)}
    walker.commit(big)
    walker.ask("i1", payload="x" * 6_000_000)
    assert walker.load().values == big


# --- what fails ------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["thread_checkpoints", "thread_interrupts"])
def test_of_what_is_stored_in_one_go_nothing_stays_when_a_part_fails(
    table: str, calls: Calls, saver: PostgresSaver
) -> None:
    walker = Walker(calls)
    walker.commit({"n": 1})
    walker.ask("i1")
    schema = saver.dialect.schema
    refusing = f"CREATE FUNCTION {schema}.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$"
    trigger = f"CREATE TRIGGER no BEFORE UPDATE OR INSERT ON {schema}.{table} EXECUTE FUNCTION {schema}.no()"
    with connected() as owner:
        owner.execute(refusing)
        owner.execute(trigger)
        for _ in range(6):
            with pytest.raises(StorageError, match="refused"):
                calls.execute(resumed(walker))
            with pytest.raises(StorageError, match="refused"):
                calls.execute(
                    question(walker, "i2") if table != "thread_checkpoints" else resumed(walker)
                )
        owner.execute(f"DROP TRIGGER no ON {schema}.{table}")
    assert walker.load().checkpoint_id == walker.head
    assert statuses(saver) == {"i1": "open"}
    calls.execute(resumed(walker))
    assert statuses(saver) == {"i1": "withdrawn"}


def test_a_refused_step_uses_up_no_answer_and_takes_nothing_back(
    calls: Calls, saver: PostgresSaver
) -> None:
    walker = Walker(calls)
    walker.commit({"n": 1})
    late = resumed(walker)
    walker.commit({"n": 2})
    walker.ask("i1", "i2")
    calls.execute(Accept(THREAD, [Answer("i1", "yes")], AT))
    with pytest.raises(StaleThreadError):
        calls.execute(late)
    assert statuses(saver) == {"i1": "answered", "i2": "open"}
    assert [row.done for row in calls.execute(FindInterrupts(THREAD, "i1", None))] == [False]


def test_a_lock_that_is_never_given_free_is_told_and_nothing_is_stored(
    calls: Calls, saver: PostgresSaver, monkeypatch: pytest.MonkeyPatch
) -> None:
    walker = Walker(calls)
    walker.commit({"n": 1})
    short = dialects._SETTINGS.replace("'lock_timeout', '30s'", "'lock_timeout', '1ms'")
    with held(saver), monkeypatch.context() as patch:
        patch.setattr(dialects, "_SETTINGS", short)
        with pytest.raises(StorageError, match="locked by another transaction"):
            calls.execute(question(walker, "i1"))
    assert statuses(saver) == {}
    calls.execute(question(walker, "i1"))


@pytest.mark.parametrize("how", ["forgotten", "prepared by others"])
def test_prepared_statements_that_are_not_what_we_think_cost_time_only(
    how: str, saver: PostgresSaver
) -> None:
    """As behind a pooler, which gives out connections that others have used."""
    walker = Walker(SyncCalls(saver))
    for n in range(12):
        walker.commit({"n": n})
        saver.execute(question(walker, f"i{n}"))
        saver.execute(Accept(THREAD, [Answer(f"i{n}", n)], AT))
        if n == 8:
            connection = saver._driver.connections.take(1)
            (found,) = connection.execute(
                "SELECT count(*) FROM pg_prepared_statements"
            ).fetchone() or (0,)
            assert found > 3
            if how == "forgotten":
                connection.execute("DEALLOCATE ALL")
            else:
                exchanges._prepared.pop(connection)
            saver._driver.connections.give_back(connection)
    assert list(statuses(saver).values()) == ["answered"] * 12


# --- what is late, or heard by nobody ---------------------------------------------------------


@pytest.mark.parametrize("what", ["question", "step", "answer"])
def test_an_operation_whose_backend_ends_while_it_waits_is_performed_once(
    what: str, calls: Calls, saver: PostgresSaver
) -> None:
    walker = Walker(SyncCalls(saver))
    walker.commit({"n": 1})
    walker.ask("i1")
    operations: dict[str, Any] = {
        "question": question(walker, "i2"),
        "step": resumed(walker),
        "answer": Accept(THREAD, [Answer("i1", "yes")], AT),
    }
    done: list[Any] = []
    going = threading.Thread(target=lambda: done.append(calls.execute(operations[what])))
    with held(saver) as somebody:
        going.start()
        for _ in range(2):
            somebody.execute("SELECT pg_terminate_backend(%s)", (who_waits(somebody),))
    going.join()
    assert len(done) == 1
    expected = {
        "question": {"i1": "open", "i2": "open"},
        "step": {"i1": "withdrawn"},
        "answer": {"i1": "answered"},
    }
    assert statuses(saver) == expected[what]


async def test_an_operation_that_is_cancelled_while_it_waits_stores_nothing(
    saver: PostgresSaver,
) -> None:
    walker = Walker(SyncCalls(saver))
    walker.commit({"n": 1})
    await saver.aexecute(Load(THREAD, ""))
    with held(saver) as somebody:
        going = asyncio.create_task(saver.aexecute(question(walker, "i1")))
        await asyncio.to_thread(who_waits, somebody)
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going
    assert statuses(saver) == {}
    await saver.aexecute(question(walker, "i1"))
    assert statuses(saver) == {"i1": "open"}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("what", ["question", "step", "answer"])
def test_an_operation_that_is_cut_off_at_any_message_is_performed_once(
    what: str, after: bool
) -> None:
    with (
        postgres_saver() as direct,
        closing(Proxy(postgres_url())) as proxy,
        closing(PostgresSaver(proxy.url, schema=direct.dialect.schema)) as saver,
    ):
        proxy._answered = threading.Event()
        saver.setup()
        saver.execute(Flush(THREAD))
        for n in itertools.count(1):
            direct.delete_thread(THREAD)
            walker = Walker(SyncCalls(direct))
            walker.commit({"n": 1})
            walker.ask("i1")
            operations: dict[str, Any] = {
                "question": question(walker, "i2"),
                "step": resumed(walker),
                "answer": Accept(THREAD, [Answer("i1", "yes")], AT),
            }
            proxy._answered.clear()
            proxy.messages, proxy.cut_at, proxy.after = 0, n, after
            saver.execute(operations[what])
            proxy.cut_at = 0
            if proxy.messages < n:
                break
            if what == "question":
                assert statuses(direct) == {"i1": "open", "i2": "open"}
            elif what == "step":
                assert statuses(direct) == {"i1": "withdrawn"}
                assert walker.load().checkpoint_id == operations["step"].checkpoint_id
            else:
                with pytest.raises(AlreadyAnsweredError):
                    direct.execute(operations["answer"])
        assert n == (3 if what == "answer" else 2)


@pytest.fixture(params=["sqlite", "postgres"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    with new_database(request.param, tmp_path) as name, closing(open_saver(name)) as saver:
        yield saver


def test_a_question_that_was_stored_is_recognised_though_its_thread_went_on(either: Any) -> None:
    """Begun anew, because nobody heard of it; a question of others is not taken for it."""
    walker = Walker(SyncCalls(either))
    walker.commit({"n": 1})
    asked, like_it = question(walker, "i1"), question(walker, "i1", asked_at="2030-01-01T00:00:00")
    either.execute(asked)
    either.execute(like_it)  # an id that is there is left as it is
    walker.commit({"n": 2})
    either.execute(asked)
    with pytest.raises(StaleThreadError):
        either.execute(like_it)
    assert statuses(either) == {"i1": "open"}


def test_a_step_that_is_stored_a_second_time_takes_back_nothing_that_was_asked_since(
    saver: PostgresSaver,
) -> None:
    """As a backend does that is late, when its program has begun anew and gone on."""
    walker = Walker(SyncCalls(saver))
    walker.commit({"n": 1})
    late = resumed(walker)
    saver.execute(late)
    walker.head = late.checkpoint_id
    walker.ask("i1")
    saver.execute(late)
    assert statuses(saver) == {"i1": "open"}
    assert [row.done for row in saver.execute(FindInterrupts(THREAD))] == [False]
