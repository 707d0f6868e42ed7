"""What waits for the disk: questions, answers, effects and the ends of runs; steps do not."""

from __future__ import annotations

import operator
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from tests.contract.records import begin, commit, question, run
from tests.databases import postgres_saver

import caesura.storage.postgres as driver
from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.operations import Commit, Flush, PutWrites
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.errors import GraphDrained, StaleThreadError
from caesura.func import entrypoint, task
from caesura.graph import START, StateGraph
from caesura.records.operations import Fenced
from caesura.storage.sqlite import connect
from caesura.testing.faults import FailingSaver
from caesura.types import Command, interrupt

FULL, NORMAL = "PRAGMA synchronous = FULL", "PRAGMA synchronous = NORMAL"
LAZY = "set_config('synchronous_commit', 'off', true)"


class Log(TypedDict):
    """A list that grows."""

    log: Annotated[list[Any], operator.add]


def asking(saver: Any) -> Any:
    """Steps, and a question in the third."""
    builder = StateGraph(Log)
    for name in ("one", "two"):
        builder.add_node(name, lambda s, name=name: {"log": [name]})
    builder.add_node("ask", lambda s: {"log": [interrupt("pay?")]})
    return _in_a_row(builder).compile(checkpointer=saver)


def _in_a_row(builder: StateGraph[Any]) -> StateGraph[Any]:
    names = [START, *builder.nodes]
    for before, after in pairwise(names):
        builder.add_edge(before, after)
    return builder


def paying(saver: Any) -> Any:
    """An effect in a flow."""

    @task(effect=True)
    def pay(n: int) -> int:
        return n

    @entrypoint(checkpointer=saver)
    def flow(n: int) -> int:
        return pay(n).result()

    return flow


CONFIG: Any = {"configurable": {"thread_id": "t"}}


class Refusing(FailingSaver):
    """Refuses the last step of a run, and all that its tasks left."""

    gone = flushed = False

    def execute(self, op: Any) -> Any:
        self.gone = self.gone or (isinstance(op, Commit) and op.sync == "usual")
        self.flushed = isinstance(op, Flush)
        if self.gone and isinstance(op, (Commit, PutWrites)):
            raise StaleThreadError("t", op.checkpoint_id, None)
        return super().execute(op)


def test_what_was_stored_lazily_is_made_sure_of_though_the_last_step_is_refused() -> None:
    saver = Refusing(InMemorySaver())
    builder = StateGraph(Log).add_node("one", lambda s: {"log": [1]}).add_node("two", lambda s: {})
    with pytest.raises(StaleThreadError):
        _in_a_row(builder).compile(checkpointer=saver).invoke({"log": []}, CONFIG)
    assert saver.gone and saver.flushed


# --- SQLite ----------------------------------------------------------------------------------


@contextmanager
def told(saver: SqliteSaver) -> Iterator[list[tuple[str, int]]]:
    """What is said to the database meanwhile, and by which thread."""
    said: list[tuple[str, int]] = []
    saver.conn.set_trace_callback(lambda sql: said.append((sql.strip(), threading.get_ident())))
    yield said
    saver.conn.set_trace_callback(None)


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[SqliteSaver]:
    with closing(SqliteSaver(connect(str(tmp_path / "db")))) as saver:
        saver.setup()
        yield saver


def holding(said: list[tuple[str, int]], what: str) -> list[bool]:
    """For each statement that does ``what``: whether its commit is synced."""
    level, found = NORMAL, []
    for sql, _ in said:
        if sql.startswith("PRAGMA"):
            level = sql
        elif what in sql:
            found.append(level == FULL)
    assert level == NORMAL
    return found


def test_on_sqlite_questions_and_answers_wait_for_the_disk_and_steps_do_not(
    sqlite: SqliteSaver,
) -> None:
    graph = asking(sqlite)
    with told(sqlite) as said:
        graph.invoke({"log": []}, CONFIG)
    assert holding(said, "INSERT INTO thread_interrupts") == [True]
    assert set(holding(said, "INSERT INTO thread_checkpoints")) == {False}
    with told(sqlite) as said:
        graph.invoke(Command(resume="yes"), CONFIG)
    assert holding(said, "UPDATE thread_interrupts SET status") == [True]
    assert holding(said, "INSERT INTO thread_checkpoints") == [False]


def test_on_sqlite_what_a_server_asks_waits_for_the_disk_and_its_steps_do_not(
    sqlite: SqliteSaver,
) -> None:
    held = begin(sqlite, run("r"))
    step, asked = commit("t", "c"), question("q")
    put = PutWrites("t", "", "c", "task", "p", (), [asked], expected_head="c", sync="now")
    with told(sqlite) as said:
        sqlite.execute(Fenced(step, "r", held.attempt))
        sqlite.execute(Fenced(put, "r", held.attempt))
    assert holding(said, "INSERT INTO thread_checkpoints") == [False]
    assert holding(said, "INSERT INTO thread_interrupts") == [True]


def test_on_sqlite_both_ends_of_an_effect_wait_for_the_disk(sqlite: SqliteSaver) -> None:
    with told(sqlite) as said:
        paying(sqlite).invoke(1, CONFIG)
    assert holding(said, "__effect__")[0] is True


async def test_the_event_loop_does_not_wait_for_the_disk(sqlite: SqliteSaver) -> None:
    with told(sqlite) as said:
        await asking(sqlite).ainvoke({"log": []}, CONFIG)
    here = threading.get_ident()
    asked = [thread for sql, thread in said if "INSERT INTO thread_interrupts" in sql]
    steps = [thread for sql, thread in said if "INSERT INTO thread_checkpoints" in sql]
    assert len(asked) == 1
    assert here not in asked
    assert set(steps) == {here}


def test_a_failed_commit_leaves_steps_as_they_were(sqlite: SqliteSaver) -> None:
    graph = asking(sqlite)
    refusing = "BEGIN SELECT RAISE(ABORT, 'no'); END"
    sqlite.conn.execute(f"CREATE TRIGGER no BEFORE INSERT ON thread_interrupts {refusing}")
    with pytest.raises(Exception, match="no"):
        graph.invoke({"log": []}, CONFIG)
    assert sqlite.conn.execute("PRAGMA synchronous").fetchone() == (1,)


# --- Postgres --------------------------------------------------------------------------------


@contextmanager
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Transactions sent meanwhile, each as one text."""
    found: list[str] = []

    def noting(connection: Any, queries: Any, **more: Any) -> Any:
        text = "; ".join(query.sql.strip() for query in queries)
        if found and found[-1].startswith("BEGIN") and "COMMIT" not in found[-1]:
            found[-1] += f"; {text}"
        else:
            found.append(text)
        return exchange(connection, queries, **more)

    exchange = driver.exchange
    with monkeypatch.context() as patch:
        patch.setattr(driver, "exchange", noting)
        yield found


def is_lazy(transaction: str) -> bool:
    """True if the transaction does not wait for the disk."""
    return LAZY in transaction


@pytest.mark.parametrize("durability", ["async", "sync"])
def test_on_postgres_only_steps_within_a_run_are_lazy(
    durability: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres_saver() as saver:
        saver.setup()
        graph = asking(saver)
        with sent(monkeypatch) as found:
            graph.invoke({"log": []}, CONFIG, durability=durability)
        steps = [is_lazy(t) for t in found if ".thread_checkpoints (thread_id" in t]
        assert steps == [durability == "async"] * 4
        assert [is_lazy(t) for t in found if ".thread_interrupts (id" in t] == [False]
        assert "thread_interrupts" in found[-1]  # all before it is on the disk with it
        with sent(monkeypatch) as found:
            graph.invoke(Command(resume="yes"), CONFIG, durability=durability)
        assert [is_lazy(t) for t in found if ".thread_interrupts SET status" in t] == [False]
        assert ".thread_checkpoints (thread_id" in found[-1]  # known to be the last
        assert not is_lazy(found[-1])


def test_on_postgres_a_lazy_commit_changes_nothing_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with postgres_saver() as saver:
        asking(saver).invoke({"log": []}, CONFIG)
        connection = saver._driver.connections.take(1)
        setting = connection.execute("SHOW synchronous_commit").fetchone()
        saver._driver.connections.give_back(connection)
        assert setting == ("on",)


def test_on_postgres_a_run_that_fails_has_what_it_did_on_the_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(state: Log) -> None:
        raise ValueError("no")

    builder = StateGraph(Log)
    builder.add_node("one", lambda s: {"log": [1]})
    builder.add_node("fail", fail)
    with postgres_saver() as saver:
        saver.setup()
        graph = _in_a_row(builder).compile(checkpointer=saver)
        with sent(monkeypatch) as found, pytest.raises(ValueError, match="no"):
            graph.invoke({"log": []}, CONFIG)
        assert "pg_logical_emit_message" in found[-1]


def test_on_postgres_the_result_of_a_call_is_on_the_disk_however_the_run_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @task
    def work() -> int:
        return 1

    with postgres_saver() as saver:

        @entrypoint(checkpointer=saver)
        def flow(n: int) -> int:
            interrupt("go on?")
            work().result()
            raise GraphDrained("not now")

        saver.setup()
        flow.invoke(1, CONFIG)
        with sent(monkeypatch) as found, pytest.raises(GraphDrained):
            flow.invoke(Command(resume="yes"), CONFIG)
        assert any(is_lazy(t) and ".thread_writes" in t for t in found)
        assert "pg_logical_emit_message" in found[-1]
