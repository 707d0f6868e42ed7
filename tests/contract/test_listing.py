"""A list over many threads: every checkpoint in it is as it is when it is read by itself.

The threads have all that makes reading hard: long chains of changes, forks, full rows, what closed a step
in the row after it, nested namespaces, interrupts of every status, and copies under the same ids.
"""

from __future__ import annotations

import operator
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from tests.databases import new_database, open_saver

from caesura.checkpoint.history import PAGE, Reader
from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.operations import CopyThread, History, Load, Loaded
from caesura.checkpoint.saver import EngineSaver, ReadOn, as_tuple
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.graph import START, StateGraph
from caesura.storage.dialect import SQLITE
from caesura.storage.parts import performer_of
from caesura.storage.statements import Begin
from caesura.testing.calling import SyncCalls, Walker
from caesura.types import Command, interrupt


class Log(TypedDict):
    """A list that grows."""

    log: Annotated[list[Any], operator.add]


def config(thread: str, **more: Any) -> Any:
    return {"configurable": {"thread_id": thread, **more}}


def asking(saver: Any) -> Any:
    """A graph that asks twice, once of them in a nested graph."""
    inner = StateGraph(Log)
    inner.add_node("within", lambda s: {"log": [interrupt("inner?")]})
    builder = StateGraph(Log)
    builder.add_node("ask", lambda s: {"log": [interrupt("outer?")]})
    builder.add_node("nested", inner.add_edge(START, "within").compile(checkpointer=True))
    builder.add_edge(START, "ask").add_edge("ask", "nested")
    return builder.compile(checkpointer=saver)


def fill(saver: Any) -> None:
    """Threads in all stages, interleaved."""
    graph, chance = asking(saver), random.Random(7)
    threads = [f"t{n}" for n in range(12)]
    for turn in range(6):
        for n, thread in enumerate(threads):
            waits = graph.get_state(config(thread)).next if turn else ()
            resume = waits and chance.random() < 0.7
            graph.invoke(
                Command(resume=turn) if resume else {"log": ["x" * 40 * n]}, config(thread)
            )
    walkers = [Walker(SyncCalls(saver), f"w{n}", ns) for n, ns in enumerate(("", "n:1", "n:1|m:2"))]
    text = "y" * 3000
    for n in range(90):
        for walker in walkers:
            walker.commit({"text": text, "log": [*walker.state.get("log", []), n], "n": n})
    old, walker = walkers[0].load(), walkers[0]
    walker.commit({"text": text, "log": ["left"]})
    graph.update_state(config("t1"), {"log": ["by hand"]})
    walker.head, walker.chain, walker.state = old.checkpoint_id, old.chain, dict(old.values)
    walker.commit({"text": text, "log": ["right"]}, expected_head="*")
    saver.execute(CopyThread("t3", "copy"))


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EngineSaver]:
    if request.param == "memory":
        made = InMemorySaver()
        fill(made)
        yield made
        return
    with new_database(request.param, tmp_path) as name, closing(open_saver(name)) as opened:
        fill(opened)
        yield opened


def key(found: Any) -> tuple[str, str, str]:
    conf = found.config["configurable"]
    return conf["checkpoint_id"], conf["thread_id"], conf["checkpoint_ns"]


def test_every_checkpoint_of_a_list_is_as_it_is_when_it_is_read_by_itself(saver: Any) -> None:
    found = list(saver.list(None))
    assert len(found) > 4 * PAGE
    assert [key(each) for each in found] == sorted(map(key, found), reverse=True)
    spaces = {key(each)[1:] for each in found}
    each_alone = [
        one for thread, ns in spaces for one in saver.list(config(thread, checkpoint_ns=ns))
    ]
    assert sorted(map(key, each_alone), reverse=True) == [key(each) for each in found]
    for each in found:
        assert each == saver.get_tuple(each.config)


def test_a_history_of_all_threads_tells_all_about_each_checkpoint(saver: Any) -> None:
    for each in saver.history(History(None, None)):
        alone = saver.execute(Load(each.thread_id, each.ns, each.checkpoint_id))
        for loaded in (each, alone):
            loaded.rows.sort(key=lambda row: row.id)
        assert each == alone


@pytest.mark.parametrize(
    ("given", "how", "chosen"),
    [
        (None, {"limit": 10}, lambda f: True),
        (None, {"limit": PAGE + 3}, lambda f: True),
        (None, {"filter": {"source": "input"}}, lambda f: f.metadata.get("source") == "input"),
        (None, {"filter": {"step": 2}, "limit": 5}, lambda f: f.metadata.get("step") == 2),
        (config("t2"), {}, lambda f: key(f)[1] == "t2"),
        (config("w1"), {"limit": 70}, lambda f: key(f)[1] == "w1"),
        (config("t2", checkpoint_ns=""), {"limit": 3}, lambda f: key(f)[1:] == ("t2", "")),
        (config("nobody"), {}, lambda f: False),
    ],
)
def test_what_is_asked_for_is_a_part_of_the_whole_list(
    saver: Any, given: Any, how: dict[str, Any], chosen: Callable[[Any], bool]
) -> None:
    everything = list(saver.list(None))
    wanted = [each for each in everything if chosen(each)]
    assert list(saver.list(given, **how)) == wanted[: how.get("limit")]
    middle = key(everything[len(everything) // 3])[0]
    older = [each for each in wanted if key(each)[0] < middle][: how.get("limit")]
    assert list(saver.list(given, before=config("any", checkpoint_id=middle), **how)) == older


async def test_an_async_list_is_the_same(saver: Any) -> None:
    if isinstance(saver, SqliteSaver | InMemorySaver):
        assert [each async for each in saver.alist(None)] == list(saver.list(None))


def test_a_list_shows_interrupts_of_every_status(saver: Any) -> None:
    loaded: list[Loaded] = list(saver.history(History(None, None)))
    assert {row.status for each in loaded for row in each.rows} >= {"open", "answered", "withdrawn"}
    assert {row.ns for each in loaded for row in each.rows} > {""}


# --- how it is read --------------------------------------------------------------------------


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[SqliteSaver]:
    with new_database("sqlite", tmp_path) as name, closing(open_saver(name)) as opened:
        fill(opened)
        yield opened


def pages(saver: SqliteSaver, op: History) -> Iterator[list[str]]:
    """What is said to the database for each page."""
    reader, said = Reader(saver.codec, op), []
    saver.conn.set_trace_callback(said.append)
    while not reader.exhausted:
        said.clear()
        saver.execute(ReadOn(reader))
        yield [sql for sql in said if not sql.startswith(("BEGIN", "COMMIT"))]
    saver.conn.set_trace_callback(None)


def test_the_newest_of_many_threads_take_three_statements_or_four(on_sqlite: SqliteSaver) -> None:
    graph = asking(on_sqlite)
    for n in range(40):
        graph.invoke({"log": []}, config(f"new{n}"))
    for limit in (10, 20, PAGE):
        [page] = pages(on_sqlite, History(None, None, limit=limit))
        assert 3 <= len(page) <= 4


def test_a_page_takes_few_statements_however_many_threads_it_is_of(on_sqlite: SqliteSaver) -> None:
    assert all(len(page) <= 8 for page in pages(on_sqlite, History(None, None)))


def test_a_page_that_broke_off_is_read_again_and_nothing_is_passed_over(
    on_sqlite: SqliteSaver,
) -> None:
    """At whatever statement: so a lost connection costs a list no checkpoint."""
    op = History(None, None)
    whole = [as_tuple(each) for each in on_sqlite.history(op)]
    for broken in range(6):
        reader, found = Reader(on_sqlite.codec, op), []
        while not reader.exhausted:
            steps = performer_of(ReadOn)[1](SQLITE, on_sqlite.codec, ReadOn(reader))
            page = perform(on_sqlite, steps, broken)
            found += on_sqlite.execute(ReadOn(reader)) if page is None else page
        assert [as_tuple(each) for each in found] == whole


def perform(saver: SqliteSaver, steps: Any, most: int) -> Any:
    """The result; None if it breaks off because it takes more statements than ``most``."""
    answer = None
    for _ in range(most + 1):
        try:
            statement = steps.send(answer)
        except StopIteration as done:
            return done.value
        begins = isinstance(statement, Begin)
        answer = None if begins else saver.conn.execute(*statement).fetchall()
    steps.close()
    return None
