"""What is said to the database for a step, a task, a pause: counted, with no clock.

The cost of one more unit: what forty units take, less what twenty take, in twenties. So neither opening a
thread nor making tables counts. A program has two-digit numbers only, so that bytes do not grow with them.
"""

from __future__ import annotations

import asyncio
import operator
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict

import pytest
from tests.databases import postgres_saver

import caesura.storage.postgres as driver
from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.operations import Load
from caesura.checkpoint.rows import Codec
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.func import entrypoint, task
from caesura.graph import END, START, StateGraph
from caesura.storage import parts
from caesura.storage.checkpoints import reading
from caesura.storage.sqlite import connect
from caesura.testing.calling import THREAD, SyncCalls, Walker
from caesura.types import Command, Send, interrupt

FEW, MANY = 20, 40


class Cost(NamedTuple):
    """Statements (those that begin and end transactions among them), transactions, stored bytes."""

    statements: float
    transactions: float
    bytes: float


# What it took when this was written; a change that raises a number should be worth it. A loop step is one
# statement, which adds a checkpoint and what its task wrote. Tasks of a fan-out that end together are stored
# with that statement, and the `Send`s many to a statement. A call of a @task is one statement, which adds
# its result, so that it is not run again; of calls that end together 64 are. A turn reads the thread, perhaps
# in two, and stores the input, the step that begins, and the one that ends. A pause looks for the thread,
# stores the input, the step that begins, and the question. A resume reads the thread, accepts the answer,
# and stores the step that it ends.
ON_SQLITE = {
    "loop step": Cost(1, 1, 313),
    "fan-out task": Cost(0, 0, 163),
    "task call": Cost(1, 1, 345),
    "call at once": Cost(0, 0, 345),
    "turn": Cost(4.5, 4, 1150),
    "pause": Cost(6, 4, 690),
    "resume": Cost(11, 3, 363),
}
ROUND_TRIPS = {
    "loop step": 1,
    "fan-out task": 0,
    "task call": 1,
    "call at once": 0,
    "turn": 5,
    "pause": 4,
    "resume": 4,
}


class Count(TypedDict):
    """A counter."""

    n: int


class Log(TypedDict):
    """A list that grows."""

    log: Annotated[list[Any], operator.add]


def config(thread: Any) -> Any:
    """The config of a thread, whose name has two letters."""
    return {"configurable": {"thread_id": f"{thread:02}"}, "recursion_limit": 1000}


def loop(saver: Any, units: int, measured: Callable[[], None]) -> None:
    """Steps of one node."""
    builder = StateGraph(Count)
    builder.add_node("work", lambda s: {"n": s["n"] + 1})
    builder.add_edge(START, "work")
    builder.add_conditional_edges("work", lambda s: END if s["n"] >= 10 + units else "work")
    measured()
    builder.compile(checkpointer=saver).invoke({"n": 10}, config(0))


def fan_out(saver: Any, units: int, measured: Callable[[], None]) -> None:
    """`Send`s in one step, that end in one round of the event loop."""

    async def work(given: Any) -> Any:
        return {"log": [given["i"]]}

    builder = StateGraph(Log)
    builder.add_node("work", work)
    builder.add_conditional_edges(
        START, lambda s: [Send("work", {"i": 10 + i}) for i in range(units)], ["work"]
    )
    measured()
    asyncio.run(builder.compile(checkpointer=saver).ainvoke({"log": []}, config(0)))


def calls_at_once(saver: Any, units: int, measured: Callable[[], None]) -> None:
    """Calls of a task, that end in one round of the event loop."""

    @task
    async def work(n: int) -> int:
        return n + 1

    @entrypoint(checkpointer=saver)
    async def flow(n: int) -> int:
        return sum(await asyncio.gather(*[work(n) for _ in range(units)])) % 10 + 10

    measured()
    asyncio.run(flow.ainvoke(10, config(0)))


def calls(saver: Any, units: int, measured: Callable[[], None]) -> None:
    """Calls of a task, one after the other."""

    @task
    def work(n: int) -> int:
        return n + 1

    @entrypoint(checkpointer=saver)
    def flow(n: int) -> int:
        for _ in range(units):
            n = work(n).result()
        return n

    measured()
    flow.invoke(10, config(0))


def asking(saver: Any) -> Any:
    """A graph that asks a person."""
    builder = StateGraph(Log)
    builder.add_node("ask", lambda s: {"log": [interrupt({"pay": 1})]})
    return builder.add_edge(START, "ask").compile(checkpointer=saver)


def pause(saver: Any, units: int, measured: Callable[[], None]) -> None:
    """Threads that pause."""
    graph = asking(saver)
    measured()
    for thread in range(units):
        graph.invoke({"log": []}, config(thread))


def turns(saver: Any, units: int, measured: Callable[[], None]) -> None:
    """New input on a thread that waits for nobody."""
    builder = StateGraph(Log)
    builder.add_node("work", lambda s: {"log": ["hi"]})
    graph = builder.add_edge(START, "work").compile(checkpointer=saver)
    measured()
    for _ in range(units):
        graph.invoke({"log": ["ho"]}, config(0))


def resume(saver: Any, units: int, measured: Callable[[], None]) -> None:
    """Threads that waited and end."""
    graph = asking(saver)
    for thread in range(units):
        graph.invoke({"log": []}, config(thread))
    measured()
    for thread in range(units):
        graph.invoke(Command(resume="yes"), config(thread))


PROGRAMS: dict[str, Callable[[Any, int, Callable[[], None]], None]] = {
    "loop step": loop,
    "fan-out task": fan_out,
    "task call": calls,
    "turn": turns,
    "call at once": calls_at_once,
    "pause": pause,
    "resume": resume,
}


# --- SQLite ----------------------------------------------------------------------------------


def stored(connection: sqlite3.Connection) -> int:
    """Bytes in all columns of all rows."""
    total = 0
    names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    for (table,) in connection.execute(names).fetchall():
        columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")').fetchall()]
        lengths = " + ".join(f'ifnull(length(CAST("{c}" AS BLOB)), 0)' for c in columns)
        total += connection.execute(f'SELECT ifnull(sum({lengths}), 0) FROM "{table}"').fetchone()[
            0
        ]
    return total


def spent(path: Path, program: str, units: int) -> Cost:
    """What a program takes, from the moment that it calls measured."""
    with closing(SqliteSaver(connect(str(path)))) as saver:
        saver.setup()
        said: list[str] = []
        before = 0

        def measured() -> None:
            nonlocal before
            before = stored(saver.conn)
            saver.conn.set_trace_callback(said.append)

        PROGRAMS[program](saver, units, measured)
        saver.conn.set_trace_callback(None)
        return Cost(len(said), transactions(said), stored(saver.conn) - before)


def transactions(said: list[str]) -> int:
    """How many were stored: those that began and ended, and single statements that write."""
    open_one, count = False, 0
    for sql in said:
        word = sql.split(None, 1)[0].upper()
        if word == "BEGIN":
            open_one = True
        elif word == "COMMIT":
            open_one, count = False, count + 1
        elif not open_one and word not in ("SELECT", "PRAGMA"):
            count += 1
    return count


def one_more(few: Cost, many: Cost) -> Cost:
    """The cost of a unit."""
    return Cost(*((m - f) / (MANY - FEW) for f, m in zip(few, many, strict=True)))


@pytest.mark.parametrize("program", PROGRAMS)
def test_one_more_costs_sqlite_no_more_than_it_did(program: str, tmp_path: Path) -> None:
    few, many = (spent(tmp_path / str(units), program, units) for units in (FEW, MANY))
    cost, most = one_more(few, many), ON_SQLITE[program]
    assert few.statements, "nothing was counted"
    assert cost.bytes > 0, f"nothing was stored: {cost}"
    assert all(c <= m for c, m in zip(cost, most, strict=True)), f"{cost} > {most}"


# --- Postgres --------------------------------------------------------------------------------


@contextmanager
def round_trips(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is sent to Postgres meanwhile: one text a round trip."""
    sent: list[str] = []

    def noting(connection: Any, queries: Any, **more: Any) -> Any:
        sent.append("; ".join(query.sql for query in queries))
        return exchange(connection, queries, **more)

    exchange = driver.exchange
    with monkeypatch.context() as patch:
        patch.setattr(driver, "exchange", noting)
        yield sent


@pytest.mark.parametrize("program", PROGRAMS)
def test_one_more_takes_no_more_round_trips_to_postgres_than_it_did(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    for units in (FEW, MANY):
        with postgres_saver() as saver, round_trips(monkeypatch) as sent:
            saver.setup()
            PROGRAMS[program](saver, units, sent.clear)
            counts.append(len(sent))
    cost = (counts[1] - counts[0]) / (MANY - FEW)
    assert counts[0], "nothing was counted"
    assert cost <= ROUND_TRIPS[program]


# --- reading ---------------------------------------------------------------------------------

READS = {"a new thread": 1, "a full row": 1, "changes": 2}
"""What is said to read the newest checkpoint; no transaction is begun for it."""


def reads(saver: Any, said: list[str]) -> dict[str, int]:
    """How much is said to read each."""
    saver.setup()
    walker, found = Walker(SyncCalls(saver)), {}
    for what in READS:
        if what != "a new thread":
            walker.commit({"big": "x" * 5000, **walker.state, "last": what})
        said.clear()
        loaded = saver.execute(Load(THREAD, ""))
        found[what] = len(said)
        assert (loaded and loaded.values) == (walker.state or None)
    return found


def test_the_newest_checkpoint_is_read_from_sqlite_in_one_statement_or_two(tmp_path: Path) -> None:
    with closing(SqliteSaver(connect(str(tmp_path / "db")))) as saver:
        said: list[str] = []
        saver.conn.set_trace_callback(said.append)
        assert reads(saver, said) == READS


def test_the_newest_checkpoint_is_read_from_postgres_in_one_round_trip_or_two(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with postgres_saver() as saver, round_trips(monkeypatch) as sent:
        assert reads(saver, sent) == READS


# --- reading on ------------------------------------------------------------------------------

TURNS = 160


@contextmanager
def rows_read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many rows each statement gave meanwhile that reads a checkpoint."""
    counts: list[int] = []

    def counted(*given: Any) -> Any:
        steps, answer = reading.load(*given), None
        while True:
            try:
                answer = yield steps.send(answer)
            except StopIteration as done:
                return done.value
            counts.append(len(answer or ()))

    with monkeypatch.context() as patch:
        performer = parts.Performer(parts.CHECKPOINTS, counted)
        patch.setitem(parts._known, Load, performer)  # type: ignore[misc]
        yield counts


def chat(saver: Any, read: list[int]) -> list[tuple[int, int]]:
    """(statements, rows) that it took to read the thread, for each turn."""
    builder = StateGraph(Log)
    builder.add_node("reply", lambda s: {"log": ["a" * 1000]})
    graph = builder.add_edge(START, "reply").compile(checkpointer=saver)
    found = []
    for turn in range(TURNS):
        read.clear()
        made = graph.invoke({"log": [f"{turn}".ljust(1000, "q")]}, config(0))
        found.append((len(read), sum(read)))
        assert len(made["log"]) == 2 * turn + 2
    return found


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_late_turn_of_a_chat_reads_no_more_rows_than_an_early_one(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sqlite = SqliteSaver(connect(str(tmp_path / "db")))
    with (
        closing(sqlite) if kind == "sqlite" else postgres_saver() as saver,
        rows_read(monkeypatch) as read,
    ):
        turns = chat(saver, read)
    assert max(statements for statements, _ in turns) == 2
    assert max(rows for _, rows in turns[TURNS // 2 :]) <= 40
    early, late = (sum(rows for _, rows in part) for part in (turns[10:40], turns[-30:]))
    assert 0 < late <= 1.5 * early


def test_a_saver_that_keeps_nothing_reads_the_whole_thread_each_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (
        closing(SqliteSaver(connect(str(tmp_path / "db")), keep=0)) as saver,
        rows_read(monkeypatch) as read,
    ):
        assert max(rows for _, rows in chat(saver, read)) > 150


def test_a_late_turn_of_a_chat_in_memory_decodes_no_more_than_an_early_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoded: list[int] = []
    decode_all = Codec.decode_all

    def counted(codec: Codec, parts: Any) -> Any:
        decoded.append(len(parts))
        return decode_all(codec, parts)

    monkeypatch.setattr(Codec, "decode_all", counted)  # a run may use another codec of the saver's
    turns = chat(InMemorySaver(), decoded)
    early, late = (sum(rows for _, rows in part) for part in (turns[10:40], turns[-30:]))
    assert 0 < late <= 1.5 * early
