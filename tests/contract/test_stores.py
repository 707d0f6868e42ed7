"""Every store keeps one contract, sync and async; what lasts in a file keeps some more."""

from __future__ import annotations

import asyncio
import importlib
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.databases import bundled_url, fresh_schema, postgres_url

from caesura.checkpoint.sqlite import SqliteSaver
from caesura.checkpoint.sqlite.aio import AsyncSqliteSaver
from caesura.errors import InvalidFilterError, StorageError
from caesura.storage.dialect import SQLITE
from caesura.storage.sqlite import connect
from caesura.storage.store import NAMESPACES, _below, _scan_sql
from caesura.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    SearchItem,
    SearchOp,
    TTLConfig,
)
from caesura.store.memory import InMemoryStore
from caesura.store.postgres import PostgresStore
from caesura.store.sql import SqlStore
from caesura.store.sqlite import SqliteStore
from caesura.store.sqlite.aio import AsyncSqliteStore


def letters(texts: Sequence[str]) -> list[list[float]]:
    """A vector counts the letters a, b and c of a text."""
    return [[float(text.count(letter)) for letter in "abc"] for text in texts]


INDEX: Any = {"dims": 3, "embed": letters, "fields": ["t", "u[*].v"]}

MAKERS: dict[str, Callable[..., Any]] = {
    "memory": lambda _, **more: InMemoryStore(**more),
    "sqlite": lambda folder, **more: SqliteStore(folder / "db", **more),
    "sqlite-aio": lambda folder, **more: AsyncSqliteStore(folder / "db", **more),
    "postgres": lambda schema, **more: PostgresStore(postgres_url(), schema=schema, **more),
}
WITH_INDEX: dict[str, Callable[..., Any]] = {
    **MAKERS,
    "pgvector": lambda schema, **more: PostgresStore(bundled_url(), schema=schema, **more),
}
URLS = {"postgres": postgres_url, "pgvector": bundled_url}


class Asked:
    """Calls of one colour: ``await asked.put(…)`` is ``store.put(…)`` or ``await store.aput(…)``."""

    def __init__(self, store: BaseStore, colour: str) -> None:
        self.store, self.colour = store, colour

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*args: Any, **more: Any) -> Any:
            if self.colour == "sync":
                return getattr(self.store, name)(*args, **more)
            return await getattr(self.store, "a" + name)(*args, **more)

        return call


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def making(kind: str, colour: str, folder: Path) -> Iterator[Callable[..., Asked]]:
    """Makes stores of one kind, all on the same database."""
    with ExitStack() as stack:
        url = URLS.get(kind)
        where = folder if url is None else stack.enter_context(fresh_schema(url()))

        def make(**more: Any) -> Asked:
            store = WITH_INDEX[kind](where, **more)
            if isinstance(store, SqlStore):
                stack.callback(store.close)
            return Asked(store, colour)

        yield make


@pytest.fixture(params=list(WITH_INDEX))
def make(
    request: pytest.FixtureRequest, colour: str, tmp_path: Path
) -> Iterator[Callable[..., Asked]]:
    """Makes the store of this case, with an index."""
    with making(request.param, colour, tmp_path) as make:
        yield make


@pytest.fixture(params=list(MAKERS))
def store(request: pytest.FixtureRequest, colour: str, tmp_path: Path) -> Iterator[Asked]:
    with making(request.param, colour, tmp_path) as make:
        yield make()


async def keys(store: Asked, filter: Any = None, prefix: tuple[str, ...] = ()) -> list[str]:
    return [item.key for item in await store.search(prefix, filter=filter, limit=-1)]


# --- items -----------------------------------------------------------------------------------


async def test_a_put_value_comes_back_with_its_place_and_times(store: Asked) -> None:
    await store.put(("a", "b"), "k", {"n": 1, "deep": {"list": [1, None, "é\u0000"]}})
    item = await store.get(("a", "b"), "k")
    assert type(item) is Item
    assert (item.namespace, item.key) == (("a", "b"), "k")
    assert item.value == {"n": 1, "deep": {"list": [1, None, "é\u0000"]}}
    assert item.created_at == item.updated_at
    assert item.created_at.tzinfo is UTC
    [found] = await store.search(("a",))
    assert type(found) is SearchItem and found == item and found.score is None


async def test_a_second_put_replaces_the_value_and_keeps_the_time_of_making(store: Asked) -> None:
    await store.put(("a",), "k", {"n": 1})
    first = await store.get(("a",), "k")
    await store.put(("a",), "k", {"m": 2})
    second = await store.get(("a",), "k")
    assert second.value == {"m": 2}
    assert second.created_at == first.created_at
    assert second.updated_at >= first.updated_at


async def test_a_deleted_item_is_gone_and_so_is_its_empty_namespace(store: Asked) -> None:
    await store.put(("a", "b"), "k", {})
    await store.put(("a",), "k", {})
    await store.delete(("a", "b"), "k")
    await store.delete(("a", "b"), "k")
    assert await store.get(("a", "b"), "k") is None
    assert await store.list_namespaces() == [("a",)]
    await store.delete(("a",), "k")
    assert await store.list_namespaces() == []


@pytest.mark.parametrize("value", [[1], "text", 5])
async def test_a_value_that_is_no_mapping_is_refused(store: Asked, value: Any) -> None:
    with pytest.raises(TypeError, match="mapping"):
        await store.put(("a",), "k", value)
    assert await keys(store) == []


async def test_items_are_found_namespace_by_namespace_in_the_order_of_making(store: Asked) -> None:
    for namespace, key in [("b", "1"), ("a", "2"), ("b", "3"), ("a", "4"), ("b", "1")]:
        await store.put((namespace,), key, {})
    assert await keys(store) == ["1", "3", "2", "4"]
    await store.delete(("b",), "1")
    await store.put(("b",), "1", {})
    assert await keys(store) == ["3", "1", "2", "4"]


# --- namespaces ------------------------------------------------------------------------------

ODD = [
    ("a",),
    ("a", "b"),
    ("a", "b/"),
    ("a!",),
    ("ab",),
    ("a%", "_"),
    ("\U0010ffff", "\x01"),
    ("A",),
]


@pytest.mark.parametrize("prefix", [(), *ODD], ids=range(len(ODD) + 1))
async def test_a_prefix_matches_whole_labels_whatever_they_are_made_of(
    store: Asked, prefix: tuple[str, ...]
) -> None:
    for n, namespace in enumerate(ODD):
        await store.put(namespace, str(n), {})
    expected = [str(n) for n, namespace in enumerate(ODD) if namespace[: len(prefix)] == prefix]
    assert await keys(store, prefix=prefix) == expected
    listed = await store.list_namespaces(prefix=prefix)
    assert listed == sorted(ODD[int(n)] for n in expected)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ["a b c", "a b d", "a x c", "z"]),
        ({"prefix": ("a", "*", "c")}, ["a b c", "a x c"]),
        ({"prefix": ("*", "b")}, ["a b c", "a b d"]),
        ({"suffix": ("c",)}, ["a b c", "a x c"]),
        ({"suffix": ("b", "*")}, ["a b c", "a b d"]),
        ({"prefix": ("a",), "suffix": ("d",)}, ["a b d"]),
        ({"max_depth": 2}, ["a b", "a x", "z"]),
        ({"max_depth": 2, "limit": 1, "offset": 1}, ["a x"]),
        ({"prefix": ("z", "z")}, []),
    ],
    ids=range(9),
)
async def test_namespaces_are_listed(
    store: Asked, asked: dict[str, Any], expected: list[str]
) -> None:
    for namespace in ("z", "a x c", "a b d", "a b c"):
        await store.put(tuple(namespace.split()), "k", {})
    listed = await store.list_namespaces(**asked)
    assert [" ".join(namespace) for namespace in listed] == expected


async def test_a_batch_that_is_refused_changes_nothing(store: Asked) -> None:
    condition = MatchCondition("middle", ("a",))  # type: ignore[arg-type]
    for bad, error in [
        (GetOp(("a.b",), "k"), InvalidNamespaceError),
        (SearchOp(("",)), InvalidNamespaceError),
        (SearchOp((), {"n": {"$in": [1]}}), InvalidFilterError),
        (ListNamespacesOp((condition,)), ValueError),
        ("nonsense", ValueError),
    ]:
        with pytest.raises(error):
            await store.batch([PutOp(("good",), "k", {}), bad])
    assert await keys(store) == []


# --- filters and pages -----------------------------------------------------------------------

PEOPLE = {
    "ada": {"age": 36, "born": "1815-12-10", "on": True, "tags": ["x"], "d": {"e": 1}},
    "bo": {"age": "36", "born": "a\u0000b", "nick": None, "big": 2**63},
    "cy": {"age": 36.0, "on": 1, "d": {"e": 2}, "d.e": "literal", "tags": '["x"]'},
}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"age": 36}, ["ada", "cy"]),
        ({"age": "36"}, ["bo"]),
        ({"age": 36.0}, ["ada", "cy"]),
        ({"age": {"$eq": 36, "$lt": 37}}, ["ada", "cy"]),
        ({"age": {"$gte": 36}}, ["ada", "bo", "cy"]),
        ({"age": {"$ne": 36}}, ["bo"]),
        ({"on": True}, ["ada", "cy"]),
        ({"on": 1}, ["ada", "cy"]),
        ({"nick": None}, ["ada", "bo", "cy"]),
        ({"born": "a\u0000b"}, ["bo"]),
        ({"born": "a"}, []),
        ({"born": "\ud800"}, []),
        ({"big": 2**63}, ["bo"]),
        ({"big": 2**63 + 1}, []),
        ({"d": {"e": 2}}, ["cy"]),
        ({"d.e": 1}, ["ada"]),
        ({"tags": ["x"]}, ["ada"]),
        ({"tags": '["x"]'}, ["cy"]),
        ({'o"n': 1}, []),
        ({"on": 1, "age": 36, "d.e": "literal"}, ["cy"]),
    ],
    ids=range(20),
)
async def test_a_filter_finds(store: Asked, condition: dict[str, Any], expected: list[str]) -> None:
    for name, value in PEOPLE.items():
        await store.put(("people",), name, value)
    assert await keys(store, condition) == expected


async def test_a_page_is_a_part_of_what_was_found_in_all_namespaces(store: Asked) -> None:
    await store.batch([PutOp((f"n{n % 3}",), str(n), {"odd": n % 2}) for n in range(12)])
    every = await keys(store)
    assert every == [*"0369", "1", "4", "7", "10", "2", "5", "8", "11"]
    for limit, offset in [(3, 2), (0, 0), (-1, 10), (5, -5), (10, 20), (100, 3)]:
        found = [item.key for item in await store.search((), limit=limit, offset=offset)]
        assert found == every[max(offset, 0) :][: limit if limit >= 0 else None]
    odd = [item.key for item in await store.search((), filter={"odd": 1}, limit=2, offset=1)]
    assert odd == ["9", "1"]


async def test_a_search_over_more_rows_than_one_step_reads_finds_them_all(store: Asked) -> None:
    await store.batch([PutOp(("n",), str(n), {"n": n}) for n in range(2100)])
    assert len(await keys(store)) == 2100
    assert await keys(store, {"n": {"$gte": 2098}}) == ["2098", "2099"]
    assert [i.key for i in await store.search(("n",), limit=2, offset=1999)] == ["1999", "2000"]


async def test_reads_of_a_batch_see_nothing_of_its_puts_of_which_the_last_wins(
    store: Asked,
) -> None:
    await store.put(("a",), "k", {"n": 0})
    results = await store.batch(
        [
            PutOp(("a",), "k", {"n": 1}),
            GetOp(("a",), "k"),
            ListNamespacesOp(),
            PutOp(("b",), "x", {}),
            SearchOp(("b",)),
            PutOp(("a",), "k", None),
            PutOp(("a",), "k", {"n": 2}),
        ]
    )
    assert results[1].value == {"n": 0}
    assert [*results[:1], *results[2:]] == [None, [("a",)], None, [], None, None]
    assert (await store.get(("a",), "k")).value == {"n": 2}


# --- likeness --------------------------------------------------------------------------------


async def scores(store: Asked, query: str, **more: Any) -> list[tuple[str, float | None]]:
    found = await store.search((), query=query, **more)
    return [(item.key, None if item.score is None else round(item.score, 3)) for item in found]


@pytest.fixture(params=["numpy", "pure"])
def arithmetic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "pure":
        monkeypatch.setitem(sys.modules, "numpy", None)
    else:
        pytest.importorskip("numpy")


@pytest.mark.usefixtures("arithmetic")
async def test_a_query_orders_by_the_best_cosine_with_items_without_vector_last(
    make: Callable[..., Asked],
) -> None:
    store = make(index=INDEX)
    await store.put(("n",), "hidden", {"t": "aaa", "x": 1}, index=False)
    await store.put(("n",), "far", {"t": "b", "x": 1})
    await store.put(("m",), "many", {"t": "b", "u": [{"v": "c"}, {"v": "aa"}], "x": 1})
    await store.put(("n",), "near", {"t": "aab", "x": 2})
    await store.put(("n",), "other", {"t": "b", "o": "aac"}, index=["o"])
    await store.put(("n",), "zero", {"t": ""})
    expected = [
        ("many", 1.0),
        ("near", 0.894),
        ("other", 0.894),
        ("far", 0.0),
        ("zero", 0.0),
        ("hidden", None),
    ]
    assert await scores(store, "a") == expected
    assert await scores(store, "a", limit=2, offset=1) == expected[1:3]
    assert await scores(store, "a", filter={"x": 1}) == [expected[i] for i in (0, 3, 5)]
    assert await scores(store, "a", limit=0) == []
    assert [item.key for item in await store.search(("m",), query="b")] == ["many"]


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        ("cosine", [("aa", 1.0), ("a", 1.0), ("aaabb", 0.832), ("ab", 0.707), ("", 0.0)]),
        ("l2", [("aa", 0.0), ("a", -1.0), ("ab", -1.414), ("", -2.0), ("aaabb", -2.236)]),
        ("inner_product", [("aaabb", 6.0), ("aa", 4.0), ("a", 2.0), ("ab", 2.0), ("", 0.0)]),
    ],
    ids=["cosine", "l2", "inner_product"],
)
async def test_likeness_is_measured_as_the_index_says(
    make: Callable[..., Asked], distance: str, expected: list[tuple[str, float]]
) -> None:
    store = make(index={**INDEX, "distance_type": distance})
    for text in ("aa", "a", "ab", "", "aaabb"):
        await store.put(("n",), text or "none", {"t": text})
    await store.put(("n",), "hidden", {"t": "aa"}, index=False)
    found = [("" if key == "none" else key, score) for key, score in await scores(store, "aa")]
    assert found == [*expected, ("hidden", None)]


def test_an_unknown_measure_of_likeness_is_refused(make: Callable[..., Asked]) -> None:
    with pytest.raises(ValueError, match="distance_type is one of cosine, l2, inner_product"):
        make(index={**INDEX, "distance_type": "hamming"})


async def test_a_new_value_leaves_nothing_of_the_old_vectors(make: Callable[..., Asked]) -> None:
    store = make(index=INDEX)
    await store.put(("n",), "k", {"t": "aaa"})
    await store.put(("n",), "k", {"t": "aaa"}, index=False)
    assert await scores(store, "a") == [("k", None)]
    await store.put(("n",), "k", {"t": "b"})
    assert await scores(store, "b") == [("k", 1.0)]
    await store.delete(("n",), "k")
    await store.put(("n",), "l", {"t": "b"}, index=False)
    assert await scores(store, "b") == [("l", None)]


async def test_without_an_index_a_query_is_ignored(store: Asked) -> None:
    await store.put(("n",), "k", {"t": "a"})
    assert await scores(store, "b") == [("k", None)]


async def test_a_failing_embedding_changes_nothing(make: Callable[..., Asked]) -> None:
    def fail(texts: Sequence[str]) -> list[list[float]]:
        raise RuntimeError("no vectors today")

    store = make(index={"dims": 3, "embed": fail})
    with pytest.raises(RuntimeError, match="no vectors today"):
        await store.batch([PutOp(("a",), "k", {}, index=False), PutOp(("a",), "l", {})])
    assert await store.list_namespaces() == []


async def test_an_embedding_that_changed_its_length_is_noticed(make: Callable[..., Asked]) -> None:
    store = make(
        index={"embed": lambda texts: [[1.0] * len(text) for text in texts], "fields": ["t"]}
    )
    await store.put(("a",), "k", {"t": "xx"})
    with pytest.raises(ValueError, match="one length"):
        await store.search((), query="xxx")


# --- what lasts in a file --------------------------------------------------------------------


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_minutes(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)


class Timed:
    """A store in a file whose clock is set by hand."""

    def __init__(self, path: Path, colour: str, ttl: TTLConfig | None) -> None:
        self.clock = Clock()
        self.sqlite = SqliteStore(path, ttl=ttl, index=INDEX, clock=self.clock)
        self.asked = Asked(self.sqlite, colour)


@pytest.fixture
def timed(tmp_path: Path, colour: str) -> Iterator[Callable[..., Timed]]:
    made: list[Timed] = []

    def make(**ttl: Any) -> Timed:
        made.append(Timed(tmp_path / "db", colour, ttl or None))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for store in made:
        store.sqlite.close()


async def test_an_expired_item_is_invisible_at_once_to_every_read(
    timed: Callable[..., Timed],
) -> None:
    it = timed(default_ttl=10)
    store = it.asked
    await store.put(("a",), "short", {"t": "a"})
    await store.put(("b",), "long", {"t": "a"}, ttl=11)
    await store.put(("b",), "ever", {"t": "a"}, ttl=None)
    it.clock.pass_minutes(10)
    assert await store.get(("a",), "short") is None
    assert await keys(store) == ["long", "ever"]
    assert [key for key, _ in await scores(store, "a")] == ["long", "ever"]
    assert await store.list_namespaces() == [("b",)]
    it.clock.pass_minutes(11)
    assert await keys(store) == ["ever"]


async def test_reading_an_item_lets_it_live_on_unless_told_otherwise(
    timed: Callable[..., Timed],
) -> None:
    it = timed()
    store = it.asked
    for key in ("read", "found", "left", "beyond"):
        await store.put((key,), key, {}, ttl=10)
    it.clock.pass_minutes(6)
    await store.get(("read",), "read")
    await store.search(("found",))
    await store.get(("left",), "left", refresh_ttl=False)
    await store.search(("left",), refresh_ttl=False)
    await store.search(("beyond",), offset=1)
    it.clock.pass_minutes(6)
    assert await keys(store) == ["read", "found"]


async def test_a_store_that_does_not_refresh_does_so_when_asked(
    timed: Callable[..., Timed],
) -> None:
    it = timed(refresh_on_read=False, default_ttl=10)
    store = it.asked
    await store.put(("n",), "k", {})
    it.clock.pass_minutes(6)
    await store.get(("n",), "k", refresh_ttl=True)
    it.clock.pass_minutes(6)
    assert await store.get(("n",), "k") is not None
    it.clock.pass_minutes(6)
    assert await store.get(("n",), "k") is None


async def test_a_put_on_an_expired_item_makes_a_new_one(timed: Callable[..., Timed]) -> None:
    it = timed()
    await it.asked.put(("n",), "k", {"t": "a"}, ttl=1)
    it.clock.pass_minutes(2)
    await it.asked.put(("n",), "k", {"t": "a"}, index=False)
    [item] = await it.asked.search((), query="a")
    assert (item.created_at, item.score) == (it.clock.now, None)


def rows(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        count: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return count


TABLES = ("store_namespaces", "store_items", "store_vectors")


async def test_a_sweep_deletes_the_expired_and_nothing_else(
    timed: Callable[..., Timed], tmp_path: Path
) -> None:
    it = timed()
    for n in range(5):
        await it.asked.put(("gone", str(n % 2)), str(n), {"t": "a"}, ttl=n)
    await it.asked.put(("gone", "1"), "stays", {"t": "a"})
    assert it.sqlite.sweep_ttl() == 1
    it.clock.pass_minutes(4)
    assert it.sqlite.sweep_ttl() == 4
    assert it.sqlite.sweep_ttl() == 0
    assert [rows(tmp_path / "db", table) for table in TABLES] == [1, 1, 1]
    assert await keys(it.asked) == ["stays"]


async def test_deleting_everything_leaves_no_row(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "db", index=INDEX)) as store:
        store.put(("a",), "k", {"t": "a"})
        store.put(("a",), "l", {"t": "a"})
        store.batch([PutOp(("a",), "k", None), PutOp(("a",), "l", None)])
        assert [rows(tmp_path / "db", table) for table in TABLES] == [0, 0, 0]


async def test_what_is_expired_is_shown_until_swept_if_asked_for(
    timed: Callable[..., Timed],
) -> None:
    it = timed(omit_expired=False)
    await it.asked.put(("n",), "k", {}, ttl=1)
    it.clock.pass_minutes(2)
    assert await keys(it.asked) == ["k"]
    it.sqlite.sweep_ttl()
    assert await keys(it.asked) == []


def test_the_sweeper_sweeps_until_it_is_stopped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    with closing(SqliteStore(tmp_path / "db", ttl={"default_ttl": 1}, clock=clock)) as store:
        store.put(("n",), "k", {})
        clock.pass_minutes(2)
        done = store.start_ttl_sweeper(1e-6)
        assert store.start_ttl_sweeper() is done
        while rows(tmp_path / "db", "store_items"):
            pass
        assert not done.done()
        assert store.stop_ttl_sweeper(30)
        assert done.done() and caplog.records == []
        again = store.start_ttl_sweeper(60)
        assert again.cancel()
        assert store.stop_ttl_sweeper()


def test_a_store_without_times_to_live_needs_no_sweeper(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "db")) as store:
        assert store.start_ttl_sweeper().done()
        assert store.stop_ttl_sweeper()


def test_a_sweep_that_fails_does_not_end_the_sweeper(tmp_path: Path) -> None:
    swept = threading.Event()

    class Failing(SqliteStore):
        calls = 0

        def _sweep(self) -> int:
            self.calls += 1
            if self.calls == 1:
                raise StorageError("the disk is full")
            swept.set()
            return 0

    with closing(Failing(tmp_path / "db", ttl={})) as store:
        store.start_ttl_sweeper(1e-6)
        assert swept.wait(30)


async def test_the_async_store_opens_sweeps_and_closes_the_async_way(tmp_path: Path) -> None:
    path = str(tmp_path / "db")
    async with AsyncSqliteStore.from_conn_string(path, ttl={"default_ttl": 0}) as store:
        await store.setup()
        await store.aput(("n",), "k", {})
        assert await store.sweep_ttl() == 1
        task = await store.start_ttl_sweeper(60)
        assert await store.stop_ttl_sweeper(30)
        await task
    with pytest.raises(StorageError):
        await store.aget(("n",), "k")


async def test_the_async_store_follows_an_aiosqlite_connection(tmp_path: Path) -> None:
    async with aiosqlite.connect(tmp_path / "db") as conn, AsyncSqliteStore(conn) as store:
        await store.aput(("n",), "k", {"n": 1})
        assert [item.key for item in await store.asearch(("n",), filter={"n": 1})] == ["k"]
    with SqliteStore.from_conn_string(str(tmp_path / "db")) as again:
        assert again.get(("n",), "k") is not None


async def test_an_async_embedding_is_awaited_and_serves_async_methods_only(tmp_path: Path) -> None:
    async def embed(texts: Sequence[str]) -> list[list[float]]:
        return letters(texts)

    index: Any = {"dims": 3, "embed": embed}
    with closing(SqliteStore(tmp_path / "db", index=index)) as store:
        await store.aput(("n",), "k", {"t": "bbb"})
        [found] = await store.asearch((), query="b")
        assert found.score == pytest.approx(1.0)
        with pytest.raises(ValueError, match="async"):
            store.put(("n",), "l", {"t": "a"})
        assert await store.aget(("n",), "l") is None


async def test_a_sync_embedding_does_not_run_in_the_event_loop(tmp_path: Path) -> None:
    ran_in: set[int] = set()

    def embed(texts: Sequence[str]) -> list[list[float]]:
        ran_in.add(threading.get_ident())
        return letters(texts)

    index: Any = {"dims": 3, "embed": embed}
    with closing(SqliteStore(tmp_path / "db", index=index)) as store:
        await store.aput(("n",), "k", {"t": "a"})
        await store.asearch((), query="a")
    assert ran_in and threading.get_ident() not in ran_in


async def test_what_may_take_long_does_not_run_in_the_event_loop(tmp_path: Path) -> None:
    class Watched(SqliteSaver):
        ran_in: int | None = None

        def execute(self, op: Any) -> Any:
            self.ran_in = threading.get_ident()
            return super().execute(op)

    with closing(Watched(connect(str(tmp_path / "db")))) as saver:
        store = SqliteStore(saver, index=INDEX)
        await store.aput(("n",), "k", {"t": "a"})
        asks = [
            store.asearch(("n",), filter={"t": "a"}),
            store.asearch(("n",), query="a"),
            store.asearch(("n",), limit=-1),
            store.asearch(("n",), offset=1000),
            store.alist_namespaces(),
        ]
        for ask in asks:
            saver.ran_in = None
            await ask
            assert saver.ran_in not in (None, threading.get_ident())


@pytest.mark.parametrize(
    ("value", "error", "why"),
    [
        ({"x": object()}, TypeError, "object"),
        ({"x": {1, 2}}, TypeError, "set"),
        ({"x": [{1: "one"}]}, TypeError, "key is 1"),
        ({"x": float("nan")}, ValueError, "JSON"),
        ({"x": "\ud800"}, ValueError, "surrogates"),
    ],
    ids=["object", "set", "key", "nan", "surrogate"],
)
def test_what_would_not_come_back_is_refused(
    tmp_path: Path, value: Any, error: type[Exception], why: str
) -> None:
    with closing(SqliteStore(tmp_path / "db")) as store:
        with pytest.raises(error, match=why):
            store.batch([PutOp(("a",), "good", {}), PutOp(("a",), "k", value)])
        assert store.search(()) == []


@pytest.mark.parametrize("depth", [499, 501, 100_000])
def test_a_value_nests_no_deeper_than_a_database_reads(tmp_path: Path, depth: int) -> None:
    value: dict[str, Any] = {"n": 1}
    for _ in range(depth - 1):
        value = {"n": value}
    value["m"] = 1
    with closing(SqliteStore(tmp_path / "db")) as store:
        if depth > 500:
            with pytest.raises(ValueError):
                store.put(("a",), "k", value)
        else:
            store.put(("a",), "k", value)
        assert len(store.search((), filter={"m": 1})) == (depth <= 500)


def test_a_vector_of_another_length_than_dims_is_refused(tmp_path: Path) -> None:
    index: Any = {**INDEX, "dims": 4}
    with closing(SqliteStore(tmp_path / "db", index=index)) as store:
        with pytest.raises(ValueError, match="dims=4"):
            store.put(("a",), "k", {"t": "a"})
        assert store.get(("a",), "k") is None


def test_a_time_to_live_that_is_no_number_is_refused(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "db")) as store, pytest.raises(ValueError, match="NaN"):
        store.put(("a",), "k", {}, ttl=float("nan"))


def test_embeddings_by_name_need_langchain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain.embeddings", None)
    with pytest.raises(ValueError, match="langchain is not installed"):
        SqliteStore(tmp_path / "db", index={"dims": 3, "embed": "openai:small"})


# --- one file, many users --------------------------------------------------------------------


async def test_a_store_shares_the_connection_of_a_saver(tmp_path: Path, colour: str) -> None:
    saver = SqliteSaver(connect(":memory:"))
    for _ in range(2):
        shared = SqliteStore(saver)
        await Asked(shared, colour).put(("n",), "k", {})
        shared.close()
    assert [item.key for item in SqliteStore(saver).search(())] == ["k"]
    assert list(saver.list(None)) == []
    saver.close()


async def test_a_store_shares_an_async_saver_that_follows_an_aiosqlite_connection(
    tmp_path: Path,
) -> None:
    async with aiosqlite.connect(tmp_path / "db") as conn, AsyncSqliteSaver(conn) as saver:
        store = AsyncSqliteStore(saver)
        await store.aput(("n",), "k", {})
        assert store.get(("n",), "k") is not None
    assert rows(tmp_path / "db", "store_items") == 1


def test_a_store_and_a_saver_may_each_open_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "db")
    with SqliteSaver.from_conn_string(path) as saver:
        saver.setup()
        with SqliteStore.from_conn_string(path) as store:
            store.put(("n",), "k", {})
            assert list(saver.list(None)) == []
    with SqliteStore.from_conn_string(path) as again:
        assert again.get(("n",), "k") is not None


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "db")
    with SqliteStore.from_conn_string(path) as store:
        store.setup()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE caesura_schema SET version = 99 WHERE part = 'store'")
    with SqliteStore.from_conn_string(path) as store, pytest.raises(StorageError, match="newer"):
        store.put(("n",), "k", {})


def test_threads_that_put_and_delete_at_once_lose_nothing(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "db")) as store:

        def work(name: str) -> None:
            for n in range(50):
                store.put((name, "shared"), str(n), {"n": n})
                store.put(("shared",), f"{name}{n}", {})
                store.delete((name, "shared"), str(n - 1))

        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(store.search(("shared",), limit=-1)) == 200
        expected = sorted([("shared",), *((name, "shared") for name in "abcd")])
        assert store.list_namespaces(suffix=("shared",)) == expected


WRITER = """
import sys
from caesura.store.postgres import PostgresStore
from caesura.store.sql import SqlStore
from caesura.store.sqlite import SqliteStore
_, path, name = sys.argv
with SqliteStore.from_conn_string(path, ttl={"default_ttl": 5}) as store:
    for n in range(100):
        store.put(("both",), f"{name}{n}", {"n": n})
        store.get(("both",), f"a{n}")
        store.put((name,), "last", {"n": n})
"""


def test_two_processes_write_to_one_file_and_lose_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "db")
    commands = [[sys.executable, "-c", WRITER, path, name] for name in "ab"]
    with subprocess.Popen(commands[0]) as first, subprocess.Popen(commands[1]) as second:
        assert (first.wait(60), second.wait(60)) == (0, 0)
    with SqliteStore.from_conn_string(path) as store:
        assert len(store.search(("both",), limit=-1)) == 200
        assert [store.search((name,))[0].value for name in "ab"] == [{"n": 99}] * 2


async def test_async_calls_wait_in_a_thread_while_another_connection_writes(
    tmp_path: Path,
) -> None:
    with closing(SqliteStore(tmp_path / "db")) as store:
        store.setup()
        with closing(connect(str(tmp_path / "db"))) as other:
            other.execute("BEGIN IMMEDIATE")
            put = asyncio.create_task(store.aput(("n",), "k", {}))
            for _ in range(10):
                await asyncio.sleep(0)
            assert not put.done()
            assert await store.aget(("n",), "other") is None
            other.execute("COMMIT")
            await put
        assert store.get(("n",), "k") is not None


def test_no_search_reads_a_whole_table(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "db")) as store:
        store.setup()
    with closing(sqlite3.connect(tmp_path / "db")) as connection:
        for sql, count in [
            (NAMESPACES % _below(("a",))[0], 2),
            (_scan_sql(True, True, SQLITE.json.scalars("i.value", [("k", 1)])[0]), 6),
            (_scan_sql(False, False, "1 = 1"), 4),
        ]:
            plan = connection.execute("EXPLAIN QUERY PLAN " + sql, [None] * count).fetchall()
            steps = " ".join(row[-1] for row in plan)
            assert "SEARCH" in steps and "SCAN" not in steps, steps


def test_a_range_of_paths_is_what_starts_with_the_prefix() -> None:
    assert _below(("a", "b")) == ("n.path >= ? AND n.path < ?", ("a.b.", "a.b/"))
    assert _below(()) == ("1 = 1", ())


# --- the same as in memory -------------------------------------------------------------------

LABEL = st.sampled_from(["a", "b", "a!", "é"])
NAMESPACE = st.lists(LABEL, min_size=1, max_size=3).map(tuple)
SCALAR = st.sampled_from([None, True, 0, 1, 1.0, 2.5, "1", "x", "a\u0000"])
VALUE = st.fixed_dictionaries(
    {}, optional={"n": SCALAR, "m": SCALAR, "d": st.fixed_dictionaries({"n": SCALAR})}
)
OPERATOR = st.sampled_from(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"])
CONDITION = SCALAR | st.dictionaries(OPERATOR, SCALAR, max_size=2)
FILTER = st.dictionaries(st.sampled_from(["n", "m", "d", "d.n"]), CONDITION, max_size=2)
LIMIT, OFFSET = st.integers(-1, 4), st.integers(0, 3)
PATTERN = st.lists(LABEL | st.just("*"), max_size=2).map(tuple)
CONDITIONS = st.lists(
    st.builds(MatchCondition, st.sampled_from(["prefix", "suffix"]), PATTERN), max_size=2
).map(tuple)
KEY = st.sampled_from("xyz")


def asked(kind: Any, *fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Op]:
    """Operations with these first fields; the others stay as they are by default."""
    return st.tuples(*fields).map(lambda values: kind(*values))


OPS = st.lists(
    asked(PutOp, NAMESPACE, KEY, VALUE)
    | asked(PutOp, NAMESPACE, KEY, VALUE)
    | asked(PutOp, NAMESPACE, KEY, st.none())
    | asked(GetOp, NAMESPACE, KEY)
    | asked(SearchOp, st.lists(LABEL, max_size=2).map(tuple), FILTER, LIMIT, OFFSET)
    | asked(ListNamespacesOp, CONDITIONS, st.none() | st.integers(0, 3), LIMIT, OFFSET),
    max_size=6,
)


def seen(result: Any) -> Any:
    """A result without its times, which two stores cannot share."""
    if isinstance(result, list):
        return [seen(part) for part in result]
    return (result.namespace, result.key, result.value) if isinstance(result, Item) else result


def answers_alike(store: BaseStore, batches: list[list[Op]]) -> None:
    memory = InMemoryStore()
    last: list[Op] = [SearchOp((), limit=-1), ListNamespacesOp()]
    for ops in [*batches, last]:
        assert seen(store.batch(ops)) == seen(memory.batch(ops))


@settings(max_examples=100, deadline=None)
@given(st.lists(OPS, max_size=8))
def test_whatever_is_asked_the_file_answers_as_the_memory_does(batches: list[list[Op]]) -> None:
    with SqliteStore.from_conn_string(":memory:") as sqlite:
        answers_alike(sqlite, batches)


@settings(max_examples=25, deadline=None)
@given(st.lists(OPS, max_size=8))
def test_whatever_is_asked_postgres_answers_as_the_memory_does(batches: list[list[Op]]) -> None:
    with (
        fresh_schema() as schema,
        PostgresStore.from_conn_string(postgres_url(), schema=schema) as store,
    ):
        answers_alike(store, batches)


def test_a_nul_in_a_name_is_refused_by_postgres_and_says_so() -> None:
    with (
        fresh_schema() as schema,
        PostgresStore.from_conn_string(postgres_url(), schema=schema) as store,
        pytest.raises(StorageError, match="NUL"),
    ):
        store.put(("a\0",), "k", {})


@pytest.mark.parametrize("kind", ["Sqlite", "Postgres"])
def test_an_async_store_is_found_where_langgraph_has_it_too(kind: str) -> None:
    package = importlib.import_module(f"caesura.store.{kind.lower()}")
    inner = importlib.import_module(f"caesura.store.{kind.lower()}.aio")
    assert getattr(package, f"Async{kind}Store") is getattr(inner, f"Async{kind}Store")
    with pytest.raises(AttributeError, match="Other"):
        _ = package.Other
