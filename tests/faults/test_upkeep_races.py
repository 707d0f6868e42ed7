"""What is done to a thread while it runs: pruned, deleted, copied, its runs deleted, or run by another.

Real processes, each with connections of its own: what one statement sees of another's transaction is the
database's to say, and differs between the two.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import count, groupby, pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.databases import new_database, open_saver, postgres_url

from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.operations import (
    FindInterrupts,
    FindNamespaces,
    FindThreads,
    History,
    PutWrites,
)
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.errors import StaleThreadError
from caesura.graph import START, StateGraph
from caesura.types import Command, interrupt

from .upkeeper import ANSWERS, LOG, STEPS, State, config, finish, program, walk

THREADS, COPIED = 20, 10
PATIENCE = 60  # seconds
EFFECTS = ["asked I", "first", "last L", "left 10", "opened", "price", "right B"]


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Any, Path]]:
    """(a saver on a database, the folder that names the database to other processes)."""
    with new_database(request.param, tmp_path) as name, closing(open_saver(name)) as saver:
        (tmp_path / "database").write_text(name)
        yield saver, tmp_path


def side_by_side(folder: Path, *duties: str, threads: int = THREADS) -> list[Any]:
    """What processes with these duties print in the end."""
    pipe = subprocess.PIPE
    with ExitStack() as stack:
        processes = []
        for duty in duties:
            command = [sys.executable, "-m", "tests.faults.upkeeper", str(folder), duty]
            popen = subprocess.Popen([*command, str(threads)], stdin=pipe, stdout=pipe, text=True)
            stack.callback(popen.kill)
            processes.append(stack.enter_context(popen))
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        (folder / "current").write_text("thread-0")
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [processes[0].communicate()[0]]
        (folder / "over").touch()
        said += [process.communicate()[0] for process in processes[1:]]
        assert [process.returncode for process in processes] == [0] * len(processes)
    return [json.loads(line) for line in said]


def effects(folder: Path, thread_id: str) -> list[str]:
    """What a thread's bodies did, sorted."""
    lines = [line.split(" ", 2) for line in (folder / "effects").read_text().splitlines()]
    return sorted(name for thread, _, name in lines if thread == thread_id)


def dangling(saver: Any) -> list[tuple[Any, ...]]:
    """Writes and open interrupts of checkpoints that are not there: (thread, ns, checkpoint)."""
    spared = {"thread_writes": "", "thread_interrupts": " AND status = 'open'"}
    found: list[tuple[Any, ...]] = []
    for table, more in spared.items():
        sql = (
            f"SELECT thread_id, ns, checkpoint_id FROM {table} AS t "
            "WHERE NOT EXISTS (SELECT 1 FROM thread_checkpoints AS c WHERE c.thread_id = t.thread_id "
            f"AND c.ns = t.ns AND c.checkpoint_id = t.checkpoint_id){more}"
        )
        found += rows_of(saver, sql)
    return found


def rows_of(saver: Any, sql: str) -> list[tuple[Any, ...]]:
    """What a query of the tables gives."""
    if isinstance(saver, SqliteSaver):
        return saver.conn.execute(sql).fetchall()
    with psycopg.connect(postgres_url()) as connection:
        return connection.execute(saver.dialect.sql(sql).encode()).fetchall()


def check_readable(saver: Any, thread_id: str) -> None:
    """Every checkpoint can be read, and each but the oldest has its parent."""
    for space in saver.execute(FindNamespaces(thread_id)):
        history = list(saver.execute(History(thread_id, space.ns)))
        assert history[0].checkpoint_id == space.head_id
        for newer, older in pairwise(history):
            assert newer.parent_id == older.checkpoint_id
        assert history[-1].parent_id is None


def asked(saver: Any, thread_id: str) -> Counter[tuple[str, str]]:
    """(question, status) of everything that a thread asks or asked."""
    rows = saver.execute(FindInterrupts(thread_id, status=None))
    return Counter((row.payload, row.status) for row in rows)


# --- prune ---------------------------------------------------------------------------------------


def test_a_run_does_not_notice_that_its_thread_is_pruned(place: tuple[Any, Path]) -> None:
    """Every answer is used, every effect happens once, and what is left can be read."""
    saver, folder = place
    became, pruned = side_by_side(folder, "runner", "prune")
    assert pruned > THREADS, "it was hardly ever pruned"
    for number in range(THREADS):
        thread_id = f"thread-{number}"
        assert sorted(became[thread_id]) == sorted(LOG)
        assert effects(folder, thread_id) == EFFECTS
        check_readable(saver, thread_id)
        saver.prune([thread_id])
        assert program(saver, folder).get_state(config(thread_id)).values == {
            "log": became[thread_id]
        }
    assert dangling(saver) == []


# --- copies --------------------------------------------------------------------------------------


def test_a_copy_of_a_thread_that_runs_is_what_the_thread_was_at_one_moment(
    place: tuple[Any, Path],
) -> None:
    """A copy goes on from where the thread was: no answer is asked for again, nothing is done twice."""
    saver, folder = place
    became, copied = side_by_side(folder, "runner", "copy", threads=COPIED)
    assert copied > 2, "it was hardly ever copied"
    assert all(sorted(log) == sorted(LOG) for log in became.values())
    copies = {s.thread_id for s in saver.execute(FindThreads())} - became.keys()
    assert len(copies) > 2
    assert dangling(saver) == []
    for thread_id in copies:
        check_copy(saver, folder, thread_id)


def check_copy(saver: Any, folder: Path, thread_id: str) -> None:
    """Take a copy to its end; together with what the thread did before, everything is done once."""
    check_readable(saver, thread_id)
    graph = program(saver, folder)
    before = asked(saver, thread_id)
    state = graph.get_state(config(thread_id))
    log = finish(graph, thread_id, None, count()) if state.next else state.values["log"]
    assert sorted(log) == sorted(LOG), before
    assert asked(saver, thread_id) == {(question, "answered"): 1 for question in ANSWERS}, before
    done_here = set(effects(folder, thread_id))
    for body in state.values.get("log", []):
        assert body not in done_here, "a copy did again what was done"


_HALT = """
CREATE FUNCTION halt() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NEW; END $$;
CREATE TRIGGER halt BEFORE INSERT ON thread_checkpoints
FOR EACH ROW WHEN (NEW.thread_id = 'copy') EXECUTE FUNCTION halt();"""


def test_a_copy_that_takes_long_does_not_mix_what_was_before_and_after_an_answer(
    tmp_path: Path,
) -> None:
    """A trigger holds the copy up after its first statement; meanwhile the question is answered."""
    with (
        new_database("postgres", tmp_path) as name,
        closing(open_saver(name)) as saver,
        psycopg.connect(postgres_url(), autocommit=True) as keeper,
        ThreadPoolExecutor(2) as pool,
    ):
        graph = program(saver, tmp_path)
        paused = graph.invoke({"log": []}, config("thread-0"))["__interrupt__"]
        keeper.execute(f"SET search_path TO {saver.dialect.schema}")
        keeper.execute(_HALT)
        with keeper.transaction():
            keeper.execute("SELECT pg_advisory_xact_lock(42)")
            copying = pool.submit(saver.copy_thread, "thread-0", "copy")
            until(lambda: held_up(keeper) == 1)
            answer = Command(resume={paused[0].id: ANSWERS["inside?"]})
            answering = pool.submit(graph.invoke, answer, config("thread-0", 1))
            until(lambda: answering.done() or held_up(keeper) == 2)
        copying.result()
        answering.result()
        assert dangling(saver) == []
        check_copy(saver, tmp_path, "copy")


def held_up(connection: psycopg.Connection[Any]) -> int:
    """How many others wait, directly or not, until this connection ends its transaction."""
    sql = "SELECT pid FROM pg_locks WHERE NOT granted AND pg_blocking_pids(pid) && %s::int[]"
    known = {connection.info.backend_pid}
    while found := {pid for (pid,) in connection.execute(sql, (list(known),))} - known:
        known |= found
    return len(known) - 1


def until(condition: Callable[[], bool]) -> None:
    """Come back when it is true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "that did not come about"
        time.sleep(0.002)


# --- deletions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("duty", ["delete", "delete_runs"])
def test_a_run_whose_checkpoints_are_deleted_ends_or_is_told_and_nothing_unreadable_is_left(
    duty: str, place: tuple[Any, Path]
) -> None:
    saver, folder = place
    became, deleted = side_by_side(folder, "runner", duty)
    assert deleted > THREADS, "it was hardly ever deleted"
    for thread_id, end in became.items():
        if isinstance(end, str):
            assert end in TOLD, end
        else:
            assert sorted(end) == sorted(LOG)
        check_readable(saver, thread_id)
    assert any(isinstance(end, str) for end in became.values()), "no run met a deletion"
    assert dangling(saver) == []
    for thread_id in became:
        check_goes_on_or_begins_anew(saver, folder, thread_id)
        saver.delete_thread(thread_id)
    for table in ("thread_checkpoints", "thread_writes", "thread_interrupts"):
        assert rows_of(saver, f"SELECT count(*) FROM {table}") == [(0,)]


TOLD = {"StaleThreadError", "NothingToResumeError", "UnknownThreadError", "UnknownInterruptError"}


def check_goes_on_or_begins_anew(saver: Any, folder: Path, thread_id: str) -> None:
    """A thread takes new input, whatever was deleted of it."""
    log = finish(program(saver, folder), thread_id, {"log": ["again"]}, count(10))
    assert sorted(log[log.index("again") + 1 :]) == sorted(LOG)


def two_nodes(saver: Any, quick: Any, slow: Any) -> Any:
    graph = StateGraph(State)
    graph.add_node("quick", quick).add_node("slow", slow)
    return graph.add_edge(START, "quick").add_edge(START, "slow").compile(checkpointer=saver)


def left_of(saver: Any) -> list[Any]:
    """What is stored of the thread: namespaces, and interrupts of any status."""
    spaces = saver.execute(FindNamespaces("thread-0"))
    return [*spaces, *saver.execute(FindInterrupts("thread-0", status=None))]


def test_a_task_that_ends_after_its_thread_was_deleted_stores_nothing(saver: Any) -> None:
    def deletes(state: State) -> State:
        saver.delete_thread("thread-0")
        return {"log": ["secret"]}

    graph = two_nodes(saver, deletes, lambda state: {"log": ["slow"]})
    with pytest.raises(StaleThreadError):
        graph.invoke({"log": []}, config("thread-0"))
    assert left_of(saver) == []
    if not isinstance(saver, InMemorySaver):
        assert dangling(saver) == []
    assert sorted(walk_once(saver)) == ["again", "once"]


def walk_once(saver: Any) -> list[str]:
    graph = StateGraph(State).add_node("once", lambda state: {"log": ["once"]})
    graph.add_edge(START, "once")
    log: list[str] = graph.compile(checkpointer=saver).invoke(
        {"log": ["again"]}, config("thread-0")
    )["log"]
    return log


def test_a_nested_graph_that_begins_after_its_thread_was_deleted_asks_nobody(saver: Any) -> None:
    inner = StateGraph(State).add_node("asks", lambda state: {"log": [interrupt("inside?")]})
    child = inner.add_edge(START, "asks").compile()

    def around(state: State) -> State:
        saver.delete_thread("thread-0")
        return {"log": child.invoke({"log": []})["log"]}

    outer = StateGraph(State).add_node("around", around)
    graph = outer.add_edge(START, "around").compile(checkpointer=saver)
    with pytest.raises(StaleThreadError):
        graph.invoke({"log": []}, config("thread-0"))
    assert left_of(saver) == []
    assert sorted(walk_once(saver)) == ["again", "once"]


def test_a_write_that_meets_a_deletion_under_way_waits_for_it_and_is_refused(
    tmp_path: Path,
) -> None:
    with (
        new_database("postgres", tmp_path) as name,
        closing(open_saver(name)) as saver,
        psycopg.connect(postgres_url(), autocommit=True) as keeper,
        ThreadPoolExecutor(1) as pool,
    ):
        program(saver, tmp_path).invoke({"log": []}, config("thread-0"))
        [root] = [space for space in saver.execute(FindNamespaces("thread-0")) if not space.ns]
        put = PutWrites("thread-0", "", root.head_id, "task", "", [("log", ["late"])])
        keeper.execute(f"SET search_path TO {saver.dialect.schema}")
        with keeper.transaction():
            keeper.execute("DELETE FROM thread_checkpoints")
            keeper.execute("DELETE FROM thread_writes")
            putting = pool.submit(saver.execute, put)
            until(lambda: putting.done() or held_up(keeper) == 1)
        with pytest.raises(StaleThreadError):
            putting.result()
        assert rows_of(saver, "SELECT count(*) FROM thread_writes") == [(0,)]


# --- two runs ------------------------------------------------------------------------------------


def test_of_two_processes_that_run_one_thread_each_ends_or_is_told_that_it_was_overtaken(
    place: tuple[Any, Path],
) -> None:
    """Neither's steps stand between the other's, and what is left can be read."""
    saver, folder = place
    both = side_by_side(folder, "walker", "walker")
    overtaken = 0
    for number in range(THREADS):
        thread_id = f"thread-{number}"
        check_readable(saver, thread_id)
        steps = walk(saver).get_state(config(thread_id)).values["log"]
        stretches = [(who, len([*same])) for who, same in groupby(steps)]
        assert len(stretches) == len(dict(stretches)), steps
        for ended in both:
            (who, end) = ended[thread_id]
            if end == "StaleThreadError":
                overtaken += 1
                assert dict(stretches).get(who, 0) < STEPS
            else:
                assert end[-STEPS:] == [who] * STEPS
                assert dict(stretches)[who] == STEPS
    assert 0 < overtaken <= THREADS, "they never met, or both were overtaken"
    assert dangling(saver) == []
