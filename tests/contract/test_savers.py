"""Every saver of ours keeps the contract that we ship, sync and async; SQLite keeps some more."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import pytest
from tests.contract.records import rows
from tests.databases import fresh_schema, postgres_saver, postgres_url

from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.operations import (
    ANY_HEAD,
    Accept,
    Answer,
    Commit,
    FindInterrupts,
    History,
    Load,
    Prune,
    PutTogether,
    PutWrites,
    TaskWrites,
)
from caesura.checkpoint.postgres.aio import AsyncPostgresSaver
from caesura.checkpoint.serde.encrypted import EncryptedSerializer
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.checkpoint.sqlite.aio import AsyncSqliteSaver
from caesura.errors import AlreadyAnsweredError, StaleThreadError, StorageError
from caesura.graph import START, StateGraph
from caesura.storage import parts
from caesura.storage.checkpoints import PERFORM
from caesura.storage.checkpoints.reading import load
from caesura.storage.dialect import SQLITE
from caesura.storage.sqlite import connect
from caesura.storage.statements import Begin, Together
from caesura.testing.faults import FailingSaver, InjectedFailureError
from caesura.testing.savers import (
    AT,
    THREAD,
    AsyncCalls,
    Calls,
    EngineContract,
    SaverContract,
    SyncCalls,
    Walker,
    check,
    config,
    interrupt_row,
)


@contextmanager
def postgres_aio(_: Path) -> Iterator[AsyncPostgresSaver]:
    """A saver of an event loop that runs in a thread, where its sync methods may be called."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def make(schema: str) -> AsyncPostgresSaver:
        return AsyncPostgresSaver(postgres_url(), schema=schema)

    try:
        with fresh_schema() as schema:
            saver = asyncio.run_coroutine_threadsafe(make(schema), loop).result()
            yield saver
            asyncio.run_coroutine_threadsafe(saver.aclose(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


MAKERS: dict[str, Callable[[Path], AbstractContextManager[Any]]] = {
    "memory": lambda _: nullcontext(InMemorySaver()),
    "sqlite": lambda folder: closing(SqliteSaver(connect(str(folder / "db")))),
    "sqlite-aio": lambda folder: closing(AsyncSqliteSaver(str(folder / "db"))),
    "postgres": lambda _: postgres_saver(),
    "postgres-aio": postgres_aio,
    "memory-encrypted": lambda _: nullcontext(InMemorySaver(serde=_encrypted())),
    "sqlite-encrypted": lambda folder: closing(
        SqliteSaver(connect(str(folder / "db")), serde=_encrypted())
    ),
    "postgres-encrypted": lambda _: postgres_saver(serde=_encrypted()),
}


def _encrypted() -> EncryptedSerializer:
    return EncryptedSerializer.from_aes_gcm(b"k" * 32, require_encrypted=True)


class TestEverySaver(EngineContract):
    """Our savers × both colours."""

    @pytest.fixture(params=[SyncCalls, AsyncCalls], ids=["sync", "async"])
    def colour(self, request: pytest.FixtureRequest) -> type[Calls]:
        return request.param

    @pytest.fixture(params=list(MAKERS))
    def calls(
        self, request: pytest.FixtureRequest, colour: type[Calls], tmp_path: Path
    ) -> Iterator[Calls]:
        with MAKERS[request.param](tmp_path) as saver, closing(colour(saver)) as calls:
            yield calls


def test_the_shipped_suite_runs_without_pytest() -> None:
    check(InMemorySaver, EngineContract)


def test_the_shipped_suite_finds_a_saver_that_forgets_writes() -> None:
    class Forgetful(InMemorySaver):
        def put_writes(self, *args: Any, **kwargs: Any) -> None:
            return None

    with pytest.raises(AssertionError):
        check(Forgetful, SaverContract, [SyncCalls])


# --- SQLite ----------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "db")


@pytest.fixture
def saver(path: str) -> Iterator[SqliteSaver]:
    with SqliteSaver.from_conn_string(path) as saver:
        yield saver


def dump(path: str) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_what_was_stored_is_there_for_the_next_process(path: str) -> None:
    with SqliteSaver.from_conn_string(path) as saver:
        Walker(SyncCalls(saver)).commit({"a": [1]})
    program = (
        "from caesura.checkpoint.sqlite import SqliteSaver\n"
        "from caesura.checkpoint.operations import Load\n"
        f"with SqliteSaver.from_conn_string({path!r}) as s:\n"
        f"    print(s.execute(Load({THREAD!r}, '')).values)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert ran.stdout.strip() == "{'a': [1]}"


def test_two_connections_cannot_both_answer_or_both_commit(path: str, saver: SqliteSaver) -> None:
    mine = Walker(SyncCalls(saver))
    mine.commit({"a": 1})
    mine.ask("i1")
    with SqliteSaver.from_conn_string(path) as other:
        theirs = Walker(SyncCalls(other))
        theirs.head = mine.head
        saver.execute(Accept(THREAD, [Answer("i1", "mine")], AT))
        with pytest.raises(AlreadyAnsweredError) as refused:
            other.execute(Accept(THREAD, [Answer("i1", "theirs")], AT))
        assert refused.value.answer == "mine"
        mine.commit({"a": 2})
        with pytest.raises(StaleThreadError):
            theirs.commit({"a": 3})
        assert theirs.load().values == {"a": 2}


def test_a_commit_waits_until_another_connection_is_through(path: str, saver: SqliteSaver) -> None:
    walker = Walker(SyncCalls(saver))
    walker.commit({"a": 1})
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    waiter = threading.Thread(target=walker.commit, args=({"a": 2},))
    waiter.start()
    waiter.join(0.05)
    assert waiter.is_alive()
    other.execute("COMMIT")
    waiter.join()
    other.close()
    assert walker.load().values == {"a": 2}


def test_giving_up_on_a_locked_database_is_a_clear_error_and_changes_nothing(path: str) -> None:
    saver = SqliteSaver(connect(path), timeout=0.05)
    walker = Walker(SyncCalls(saver))
    walker.commit({"a": 1})
    before = dump(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match=r"locked.*Nothing was changed"):
            walker.commit({"a": 2})
        assert walker.load().values == {"a": 1}
    assert dump(path) == before
    saver.close()


async def test_another_process_never_blocks_the_event_loop(path: str) -> None:
    async with AsyncSqliteSaver.from_conn_string(path) as saver:
        op = Walker(SyncCalls(saver)).operation({"a": 1})
        await saver.setup()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            committing = asyncio.create_task(saver.aexecute(op))
            for _ in range(50):  # the loop turns while the commit waits
                await asyncio.sleep(0)
            assert not committing.done()
            other.execute("COMMIT")
        await committing
        assert (await saver.aexecute(Load(THREAD, ""))).values == {"a": 1}


async def test_fully_durable_commits_do_not_sync_in_the_event_loop(path: str) -> None:
    async with AsyncSqliteSaver.from_conn_string(path, durable="full") as saver:
        used: list[bool] = []
        run = saver._driver.run

        def noting(*args: Any, **kwargs: Any) -> Any:
            used.append(threading.current_thread() is threading.main_thread())
            return run(*args, **kwargs)

        saver._driver.run = noting  # type: ignore[method-assign]
        await saver.aexecute(Walker(SyncCalls(saver)).operation({"a": 1}))
        assert used == [False]
        assert saver.conn.execute("PRAGMA synchronous").fetchone() == (2,)


def make_waiting(saver: Any) -> Walker:
    """A thread with everything a failing operation could spoil."""
    walker = Walker(SyncCalls(saver))
    walker.commit({"m": [1], "big": "x" * 3000})
    head = walker.commit({"m": [1, 2], "big": walker.state["big"]})
    saver.execute(PutWrites(THREAD, "", head, "t0", "p", [("__error__", "boom"), ("m", 1)]))
    walker.ask("i1", "i2")
    return walker


def operations(walker: Walker) -> list[Any]:
    head = walker.head or ""
    tasks = [TaskWrites("t9", "p", [("m", 1)])]
    opened = [interrupt_row("i3", head, slot=2)]
    closing_put = PutWrites(THREAD, "", head, "task-1", "p", [("m", 9)], done=True)
    return [
        walker.operation({"m": [3]}, closing=[closing_put], writes=tasks, withdraw="new input"),
        PutWrites(
            THREAD,
            "",
            head,
            "t0",
            "p",
            [("m", 1), ("n", 2)],
            opened=opened,
            superseded=[("i1", "i3", "x")],
            done=True,
            mended=True,
            expected_head=head,
        ),
        PutTogether(
            [
                PutWrites(THREAD, "", head, "t0", "p", [("m", 1)], done=True, mended=True),
                PutWrites(THREAD, "", head, "t1", "p", [("m", 1)] * 200),
                PutWrites(THREAD, "", head, "t2", "p", [], opened=opened, expected_head=head),
            ]
        ),
        Accept(
            THREAD,
            [Answer("i1", 1), Answer("i2", 2)],
            AT,
            checkpoint_id=head,
            writes=tasks,
        ),
    ]


def apart(steps: Any) -> Any:
    """The same statements, each by itself."""
    answer = None
    while True:
        try:
            said = steps.send(answer)
        except StopIteration as done:
            return done.value
        if isinstance(said, Together):
            answer = []
            for statement in said.statements:
                answer.append((yield statement))
        else:
            answer = yield said


@pytest.mark.parametrize(
    "kind", [Commit, PutWrites, PutTogether, Accept], ids=lambda kind: kind.__name__
)
def test_an_operation_that_fails_at_any_statement_leaves_nothing_half_stored(
    path: str, saver: SqliteSaver, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    walker = make_waiting(saver)
    (op,) = [op for op in operations(walker) if type(op) is kind]
    before, perform = dump(path), PERFORM[kind]
    failed = 0
    while True:

        def failing(*args: Any, after: int = failed) -> Any:
            steps, answer = apart(perform(*args)), None
            for _ in range(after):
                answer = yield steps.send(answer)
            try:
                yield steps.send(answer)
            except StopIteration as done:
                return done.value
            raise OSError("power cut")

        monkeypatch.setitem(parts._known, kind, parts.Performer(parts.CHECKPOINTS, failing))
        try:
            saver.execute(op)
        except OSError:
            assert dump(path) == before
            failed += 1
        else:
            break
    assert failed > 4
    assert dump(path) != before


def test_storage_grows_with_what_changed_not_with_the_state(path: str) -> None:
    with SqliteSaver.from_conn_string(path) as saver:
        walker, messages = Walker(SyncCalls(saver)), []
        for n in range(200):
            messages = [*messages, {"type": "human", "content": "x" * 2000, "id": str(n)}]
            walker.commit({"messages": messages})
        stored = saver.conn.execute("SELECT sum(length(body)) FROM thread_checkpoints").fetchone()
    assert stored[0] < 1.3 * 200 * 2000


@pytest.mark.parametrize("size", [10, 100, 1000])
def test_storage_is_at_most_three_times_what_changed_whatever_changes(size: int) -> None:
    saver = InMemorySaver()
    walker, state = Walker(SyncCalls(saver)), {}
    changed = 0
    for n in range(500):
        state = {**state, f"k{n % 50}": {"text": "x" * size, "n": n}}
        changed += size + 512
        walker.commit(state)
    rows = saver.storage[THREAD][""].values()
    assert sum(len(row.body) + 512 for row in rows) < 3 * changed + 60 * (size + 512)


def test_a_read_costs_what_the_value_is_worth() -> None:
    saver = InMemorySaver()
    walker = Walker(SyncCalls(saver))
    for n in range(500):
        walker.commit({"n": n, "text": "x" * 2000})
    rows, walked = saver.storage[THREAD][""], []
    row = rows[walker.head or ""]
    while row.weight:
        walked.append(row)
        row = rows[row.parent_id or ""]
    assert len(walked) <= 5


def test_a_history_is_read_as_it_is_asked_for(
    saver: SqliteSaver, monkeypatch: pytest.MonkeyPatch
) -> None:
    walker = Walker(SyncCalls(saver))
    for n in range(300):
        walker.commit({"n": n, "fresh": [n]})
    statements: list[str] = []
    saver.conn.set_trace_callback(statements.append)
    history = saver.execute(History(THREAD, ""))
    assert statements == []
    next(history)
    first = len(statements)
    assert len(list(history)) == 299
    assert len(statements) > first


def test_ten_thousand_waiting_threads_are_listed_by_an_index(saver: SqliteSaver) -> None:
    saver.setup()
    plan = saver.conn.execute(
        "EXPLAIN QUERY PLAN SELECT id FROM thread_interrupts WHERE status = 'open' "
        "ORDER BY asked_at, thread_id, seq LIMIT 100"
    ).fetchall()
    assert [step[3] for step in plan] == [
        "SCAN thread_interrupts USING INDEX thread_interrupts_open"
    ]


def test_a_connection_given_by_the_user_works(path: str) -> None:
    with closing(sqlite3.connect(path, check_same_thread=False)) as connection:
        connection.row_factory = sqlite3.Row
        saver = SqliteSaver(connection)
        walker = make_waiting(saver)
        saver.execute(Accept(THREAD, [Answer("i1", 1)], AT))
        assert walker.load().values["m"] == [1, 2]
        assert not connection.in_transaction


async def test_an_aiosqlite_connection_is_understood_as_its_file(path: str) -> None:
    aiosqlite = pytest.importorskip("aiosqlite")
    async with aiosqlite.connect(path) as connection:
        saver = AsyncSqliteSaver(connection)
        twin = saver.with_allowlist([("some.module", "Name")])
        await saver.aexecute(Walker(SyncCalls(saver)).operation({"a": 1}))
        opened = saver.conn
        assert (await twin.aexecute(Load(THREAD, ""))).values == {"a": 1}
        assert twin.conn is opened
        saver.close()
    with SqliteSaver.from_conn_string(path) as saver:
        assert saver.execute(Load(THREAD, "")).values == {"a": 1}


async def test_a_saver_on_aiosqlite_in_memory_works_and_says_when_it_cannot() -> None:
    aiosqlite = pytest.importorskip("aiosqlite")
    async with aiosqlite.connect(":memory:") as connection:
        saver = AsyncSqliteSaver(connection)
        with pytest.raises(StorageError, match="async code first"):
            saver.get(config())
        assert await saver.aget(config()) is None
        assert saver.get(config()) is None
        saver.close()
    with pytest.raises(TypeError, match="not int"):
        AsyncSqliteSaver(7)


def test_a_store_in_memory_works_by_connection_string() -> None:
    with SqliteSaver.from_conn_string(":memory:") as saver:
        Walker(SyncCalls(saver)).commit({"a": 1})
        assert saver.get(config())["channel_values"] == {"a": 1}  # type: ignore[index]


def test_a_database_of_a_newer_version_is_refused(path: str) -> None:
    with SqliteSaver.from_conn_string(path) as saver:
        saver.setup()
        saver.conn.execute("UPDATE caesura_schema SET version = 99")
    with SqliteSaver.from_conn_string(path) as saver, pytest.raises(StorageError, match="newer"):
        saver.setup()


def test_a_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database " * 100)
    with (
        SqliteSaver.from_conn_string(str(file)) as saver,
        pytest.raises(StorageError, match="no SQLite database"),
    ):
        saver.get(config())


def test_a_read_only_database_can_be_read_and_refuses_writes(path: str) -> None:
    with SqliteSaver.from_conn_string(path) as saver:
        walker = Walker(SyncCalls(saver))
        walker.commit({"a": 1})
    with SqliteSaver.from_conn_string(f"file:{path}?mode=ro") as saver:
        walker.calls = SyncCalls(saver)
        assert walker.load().values == {"a": 1}
        with pytest.raises(StorageError, match="read-only"):
            walker.commit({"a": 2})


def test_a_damaged_row_is_an_error_and_never_a_guess(saver: SqliteSaver) -> None:
    walker = Walker(SyncCalls(saver))
    first = walker.commit({"a": 1, "big": "x" * 3000})
    walker.commit({"a": 2, "big": walker.state["big"]})
    saver.conn.execute("DELETE FROM thread_checkpoints WHERE checkpoint_id = ?", (first,))
    with pytest.raises(StorageError, match=first):
        walker.load()


def test_a_fork_across_a_full_row_is_read_by_its_parents(saver: SqliteSaver) -> None:
    walker = Walker(SyncCalls(saver))
    walker.commit({"a": 1, "big": "x" * 3000})
    old = walker.commit({**walker.state, "a": 2})
    chain, state = walker.chain, walker.state
    walker.commit({"a": 3, "big": "y" * 5000})
    assert walker.chain is not None
    assert walker.chain.weight == 0, "a full row stands between"
    walker.head, walker.chain, walker.state = old, chain, state
    fork = walker.commit({**state, "b": 4}, expected_head=ANY_HEAD)
    assert walker.load().checkpoint_id == fork
    assert walker.load().values == {"a": 2, "b": 4, "big": "x" * 3000}
    assert walker.load().chain == walker.chain
    assert not saver.conn.in_transaction


def test_a_load_is_whole_if_the_thread_is_pruned_between_its_two_statements(path: str) -> None:
    with SqliteSaver.from_conn_string(path) as saver:
        walker = Walker(SyncCalls(saver))
        walker.commit({"a": 1, "big": "x" * 3000})
        head = walker.commit({**walker.state, "a": 2})
        said, found, count = load(SQLITE, saver.codec, Load(THREAD, "")), None, 0
        with pytest.raises(StopIteration) as done:
            while True:
                statement = said.send(found)
                if not isinstance(statement, Begin):
                    found, count = saver.conn.execute(*statement).fetchall(), count + 1
                    if count == 1:
                        saver.execute(Prune(THREAD))
        assert count == 4, "once more, in a transaction"
        answer = done.value.value
        assert answer.checkpoint_id == head
        assert answer.values == {"a": 2, "big": "x" * 3000}


def test_a_closed_saver_says_so(path: str) -> None:
    with SqliteSaver.from_conn_string(path) as saver:
        pass
    with pytest.raises(StorageError, match="closed"):
        saver.execute(FindInterrupts())


def test_many_processes_may_make_the_tables_at_once(path: str) -> None:
    start, failures = threading.Barrier(4), []

    def first_use() -> None:
        start.wait()
        try:
            with SqliteSaver.from_conn_string(path) as saver:
                saver.execute(FindInterrupts())
        except StorageError as error:
            failures.append(error)

    users = [threading.Thread(target=first_use) for _ in range(4)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert failures == []


# --- serializers -----------------------------------------------------------------------------


class Shouting:
    """A serializer with the typed methods only."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        return "repr", repr(obj).upper().encode()

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        import ast

        return ast.literal_eval(data[1].decode().lower().replace("none", "None"))


@pytest.mark.parametrize("name", list(MAKERS))
def test_a_serializer_with_typed_methods_only_is_used_for_everything(
    name: str, tmp_path: Path
) -> None:
    with MAKERS[name](tmp_path) as saver:
        saver.serde = Shouting()
        walker = Walker(SyncCalls(saver))
        walker.commit({"a": ["x", None]})
        walker.ask("i1")
        saver.execute(Accept(THREAD, [Answer("i1", {"k": "v"})], AT))
        assert walker.load().values == {"a": ["x", None]}
        assert walker.load().rows[0].answer == {"k": "v"}
        if not name.startswith("memory"):
            bodies = rows(saver, "SELECT body FROM thread_checkpoints")
            assert all(b"'X'" in body for (body,) in bodies)


def test_a_subclass_that_overrides_the_typed_methods_is_not_passed_by() -> None:
    from caesura.checkpoint.serde.jsonplus import JsonPlusSerializer

    class Sealing(JsonPlusSerializer):
        def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
            tag, data = super().dumps_typed(obj)
            return tag, bytes(b ^ 0x55 for b in data)

        def loads_typed(self, data: tuple[str, bytes]) -> Any:
            return super().loads_typed((data[0], bytes(b ^ 0x55 for b in data[1])))

    saver = InMemorySaver(serde=Sealing())
    walker = Walker(SyncCalls(saver))
    walker.commit({"a": "plaintext"})
    (row,) = saver.storage[THREAD][""].values()
    assert b"plaintext" not in row.body
    assert walker.load().values == {"a": "plaintext"}


def test_a_twin_with_an_allowlist_shares_the_store() -> None:
    saver = InMemorySaver()
    twin = saver.with_allowlist([("some.module", "Name")])
    Walker(SyncCalls(twin)).commit({"a": 1})
    assert saver.get(config())["channel_values"] == {"a": 1}  # type: ignore[index]
    assert twin.serde is not saver.serde


@dataclass
class Kept:
    text: str


def test_a_failing_saver_counts_also_where_it_must_allow_the_programs_classes() -> None:
    class State(TypedDict):
        kept: Kept

    builder = StateGraph(State)
    builder.add_node("keep", lambda state: {"kept": Kept("b")})
    builder.add_edge(START, "keep")
    failing = FailingSaver(InMemorySaver(), 2)
    with pytest.raises(InjectedFailureError):
        builder.compile(checkpointer=failing).invoke(
            {"kept": Kept("a")}, {"configurable": {"thread_id": "1"}}
        )
    assert failing.failed is not None
    assert failing.count == 2
