"""What a run costs does not grow with what else is in the file; parts of a file come when needed.

Work is counted in instructions of SQLite's virtual machine: one row looked at is some ten of them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.contract.records import NOW, accept, ask, at, begin, commit, question, run, thread

from caesura.checkpoint.operations import Load
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.records.operations import (
    AppendEvents,
    Bound,
    CancelRuns,
    ClaimRun,
    CountRuns,
    CreateThread,
    ExtendLeases,
    Fenced,
    FindLeases,
    FindQuestions,
    FindRuns,
    FinishRun,
    GetRun,
    GetThread,
    NextDue,
    ReadEvents,
    ReleaseRuns,
)
from caesura.storage.sqlite import connect

MANY = 300


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteSaver]:
    with closing(SqliteSaver(connect(str(tmp_path / "db")))) as database:
        yield database


def fill(database: SqliteSaver, many: int) -> None:
    """A thread with many ended runs, and many others: that wait, that are not due, that are idle."""
    for n in range(many):
        ended = begin(database, run(f"ended-{n}", "t"))
        database.execute(AppendEvents("t", ended.run_id, [("run", "1-0", "e", b"1")], NOW))
        database.execute(FinishRun(ended, at(1), "success", "idle"))
        later = run(f"later-{n}", f"later-{n}", not_before=NOW + 9_000)
        accept(database, later)
        database.execute(CreateThread(thread(f"idle-{n}")))
        ask(database, question(f"a{n:05}", f"idle-{n}", at(-n)))
    closed = [replace(question(f"b{n:05}", "x", at(-0.5)), status="withdrawn") for n in range(many)]
    ask(database, *closed)


def held(database: SqliteSaver) -> Any:
    return begin(database, run("r"))


def pending(database: SqliteSaver) -> Any:
    return accept(database, run("r")).run


def asked(database: SqliteSaver) -> Any:
    ask(database, question("1", "v"))
    return accept(database, run("r0", "other")).run


HOT: dict[str, tuple[Callable[[SqliteSaver], Any], Callable[[Any], Any]]] = {
    "create thread": (lambda d: None, lambda _: CreateThread(thread("new"))),
    "get thread": (lambda d: None, lambda _: GetThread("t")),
    "get run": (held, lambda r: GetRun(r.run_id)),
    "claim": (pending, lambda _: ClaimRun("w", NOW + 50, at(), NOW + 80)),
    "claim nothing": (lambda d: None, lambda _: ClaimRun("w", NOW + 50, at(), NOW + 80)),
    "claim on a thread": (
        pending, lambda _: ClaimRun("w", NOW + 50, at(), NOW + 80, "t"),
    ),
    "finish": (held, lambda r: FinishRun(r, at(), "success", "idle")),
    "fenced": (held, lambda r: Fenced(commit("t"), r.run_id, r.attempt)),
    "append": (held, lambda r: AppendEvents("t", "r", [("run", "1-0", "e", b"1")], NOW)),
    "read events": (held, lambda r: ReadEvents("t", "run", "r")),
    "extend": (held, lambda r: ExtendLeases("w", NOW, ["r"])),
    "release": (held, lambda r: ReleaseRuns(["w"], NOW)),
    "leases": (held, lambda r: FindLeases()),
    "next due": (pending, lambda _: NextDue(NOW)),
    "in flight": (held, lambda r: FindRuns("t", ["pending", "running"], limit=1)),
    "cancel": (pending, lambda _: CancelRuns(at(), "interrupt", "t")),
    "a page of questions": (
        asked, lambda _: FindQuestions(limit=1, cursor=(at(-1), question("a00001").id)),
    ),
}  # fmt: skip


def work(database: SqliteSaver, act: Callable[[], Any]) -> int:
    """How many instructions SQLite executes."""
    count = 0

    def one() -> int:
        nonlocal count
        count += 1
        return 0

    database.conn.set_progress_handler(one, 1)
    act()
    database.conn.set_progress_handler(None, 1)
    return count


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A file with little in it, and one with much."""
    made = []
    for many in (2, MANY):
        path = tmp_path_factory.mktemp("files") / f"{many}.db"
        with closing(SqliteSaver(connect(str(path)))) as database:
            database.conn.execute("PRAGMA synchronous = off")
            fill(database, many)
        made.append(path)
    return made


def compare(
    files: list[Path], folder: Path, act: Callable[[SqliteSaver], Callable[[], Any]]
) -> tuple[int, int]:
    """The work in copies of the files."""
    found = []
    for path in files:
        copy = shutil.copy(path, folder / path.name)
        with closing(SqliteSaver(connect(str(copy)))) as database:
            found.append(work(database, act(database)))
    return found[0], found[1]


@pytest.mark.parametrize("name", HOT)
def test_an_operation_of_a_run_costs_the_same_in_a_full_file(
    files: list[Path], tmp_path: Path, name: str
) -> None:
    prepare, make = HOT[name]

    def act(database: SqliteSaver) -> Callable[[], Any]:
        operation = make(prepare(database))
        return lambda: database.execute(operation)

    little, much = compare(files, tmp_path, act)
    assert much < little + MANY


@pytest.mark.parametrize("what", [{}, {"withdraw": "new input"}, {"bind": Bound("yes")}], ids=str)
def test_accepting_a_run_costs_the_same_in_a_full_file(
    files: list[Path], tmp_path: Path, what: Any
) -> None:
    def act(database: SqliteSaver) -> Callable[[], Any]:
        ask(database, question("1"))
        given = {**what, "claim_for": ("w", NOW + 30), "idempotency": ("s", "k", "d")}
        return lambda: accept(database, run("r"), **given)

    little, much = compare(files, tmp_path, act)
    assert much < little + MANY


def tables(database: SqliteSaver) -> set[str]:
    found = database.conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name for (name,) in found}


def test_a_file_has_the_tables_of_a_server_only_once_a_server_uses_it(
    database: SqliteSaver,
) -> None:
    database.execute(Load("t", ""))
    assert "thread_checkpoints" in tables(database)
    assert "threads" not in tables(database)
    database.execute(CountRuns())
    assert {"threads", "runs", "assistants", "crons", "api_keys"} <= tables(database)


async def test_the_tables_of_a_server_are_made_from_async_code_too(database: SqliteSaver) -> None:
    assert await database.aexecute(GetThread("t")) is None
    assert "threads" in tables(database)
