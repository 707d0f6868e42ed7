"""Where Postgres has pgvector the database compares vectors, and nobody can tell by what a search finds."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, zip_longest
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql
from tests.databases import bundled_url

from caesura.checkpoint.postgres import PostgresSaver
from caesura.server.project.sections import StoreIndex, StoreSettings
from caesura.server.project.settings import Settings
from caesura.server.storing import open_store
from caesura.store.base import BaseStore, PutOp, SearchItem, SearchOp
from caesura.store.memory import InMemoryStore
from caesura.store.postgres import PostgresStore
from caesura.store.postgres.aio import AsyncPostgresStore

SCHEMA = "kept"
ODD = 'the "threads" of 1'
_numbers = count()


def letters(texts: Sequence[str]) -> list[list[float]]:
    """A vector counts the letters a, b and c of a text, with a sign for each that is large."""
    return [[float(text.count(one) - text.count(one.upper())) for one in "abc"] for text in texts]


INDEX: Any = {"dims": 3, "embed": letters, "fields": ["t[*]"]}


@dataclass
class Place:
    """A database of its own, whose owner is ``postgres``, and a user who may do less."""

    url: str
    user: str
    stores: list[PostgresStore] = field(default_factory=list)

    def store(self, *, poor: bool = False, **more: Any) -> PostgresStore:
        """A store of the owner, or of the user who may only read and write the tables."""
        url = self.url.replace("//postgres", f"//{self.user}") if poor else self.url
        made = PostgresStore(url, schema=SCHEMA, **{"index": INDEX, **more})
        self.stores.append(made)
        return made

    def do(self, *statements: str) -> list[tuple[Any, ...]]:
        """What the owner does by hand; the rows of the last statement."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def let_the_user_in(self) -> None:
        """Grant what the documentation says."""
        self.do(
            f"GRANT USAGE ON SCHEMA {SCHEMA} TO {self.user}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {SCHEMA} TO {self.user}",
        )

    def compares(self, store: BaseStore, query: str = "a") -> str:
        """Who compares: without the bytes, the process finds nothing alike."""
        expected = [item.score for item in store.search((), query=query)]
        assert expected
        self.do(
            f"CREATE TABLE {SCHEMA}.aside AS SELECT item_id, vectors FROM {SCHEMA}.store_vectors",
            f"UPDATE {SCHEMA}.store_vectors SET vectors = decode(repeat('00', length(vectors)), 'hex')",
        )
        found = [item.score for item in store.search((), query=query)]
        self.do(
            f"UPDATE {SCHEMA}.store_vectors AS v SET vectors = a.vectors "
            f"FROM {SCHEMA}.aside AS a WHERE a.item_id = v.item_id",
            f"DROP TABLE {SCHEMA}.aside",
        )
        return "database" if found == expected else "process"

    def copies(self) -> int:
        """How many vectors the database can compare."""
        return int(self.do(f"SELECT count(*) FROM {SCHEMA}.store_pgvectors")[0][0])


@contextmanager
def new_place(*statements: str) -> Iterator[Place]:
    name = f"place_{next(_numbers)}_{uuid4().hex[:8]}"
    user = f"user_{name}"
    with psycopg.connect(bundled_url(), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(user)))
        place = Place(bundled_url().replace("/postgres?", f"/{name}?"), user)
        try:
            place.do(*statements or ("SELECT 1",))
            yield place
        finally:
            for store in place.stores:
                store.close()
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(user)))


@pytest.fixture
def place() -> Iterator[Place]:
    with new_place() as made:
        yield made


IN_ODD = (f'CREATE SCHEMA "{ODD.replace(chr(34), chr(34) * 2)}"',)


def make_extension(schema: str = "public") -> str:
    return f'CREATE EXTENSION vector SCHEMA "{schema.replace(chr(34), chr(34) * 2)}"'


def put_some(store: BaseStore) -> None:
    store.put(("n",), "far", {"t": ["b"]})
    store.put(("n",), "near", {"t": ["b", "aab"]})
    store.put(("m",), "hidden", {"t": ["a"]}, index=False)
    store.put(("m",), "same", {"t": ["a"]})


def scores(store: BaseStore, query: str = "a", **more: Any) -> list[tuple[str, float | None]]:
    found = store.search((), query=query, **more)
    return [(item.key, None if item.score is None else round(item.score, 3)) for item in found]


SOME = [("same", 1.0), ("near", 0.894), ("far", 0.0), ("hidden", None)]


# --- who compares ----------------------------------------------------------------------------


def test_the_extension_is_made_where_that_is_allowed_and_compares(place: Place) -> None:
    store = place.store()
    put_some(store)
    assert scores(store) == SOME
    assert place.compares(store) == "database"
    assert place.copies() == 4


@pytest.mark.parametrize("poor", [False, True], ids=["owner", "user"])
def test_the_extension_may_be_in_any_schema(poor: bool) -> None:
    with new_place(*IN_ODD, make_extension(ODD)) as place:
        place.store().setup()
        place.let_the_user_in()
        quoted = ODD.replace('"', '""')
        place.do(f'GRANT USAGE ON SCHEMA "{quoted}" TO {place.user}')
        store = place.store(poor=poor)
        put_some(store)
        assert scores(store) == SOME
        assert place.compares(store) == "database"
        place.do("ALTER EXTENSION vector SET SCHEMA public")
        assert scores(store) == SOME
        assert place.compares(store) == "database"


def test_who_may_not_make_the_extension_compares_as_ever_and_is_told_nothing(place: Place) -> None:
    place.do(f"CREATE SCHEMA {SCHEMA} AUTHORIZATION {place.user}")
    store = place.store(poor=True)
    store.setup()
    put_some(store)
    assert scores(store) == SOME
    assert place.compares(store) == "process"
    assert place.do("SELECT to_regclass('kept.store_pgvectors')::text") == [(None,)]


def test_a_store_without_an_index_makes_no_extension(place: Place) -> None:
    store = place.store(index=None)
    store.setup()
    store.put(("n",), "k", {})
    assert place.do("SELECT count(*) FROM pg_extension WHERE extname = 'vector'") == [(0,)]


@pytest.mark.parametrize("copied", [True, False], ids=["copied", "bytes only"])
def test_a_database_that_may_only_be_read_is_searched(place: Place, copied: bool) -> None:
    put_some(place.store())
    if not copied:
        place.do(f"DROP TABLE {SCHEMA}.store_pgvectors")
    [(name,)] = place.do("SELECT current_database()")
    place.do(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    store = place.store()
    assert scores(store, refresh_ttl=False) == SOME


# --- it comes, goes, and some may not use it -------------------------------------------------


def test_what_was_put_before_the_extension_came_is_copied_by_the_next_set_up(place: Place) -> None:
    place.do(f"CREATE SCHEMA {SCHEMA} AUTHORIZATION {place.user}")
    early = place.store(poor=True)
    put_some(early)
    early.batch([PutOp(("many",), str(n), {"t": ["bbc"]}) for n in range(450)])
    place.do(make_extension())
    assert scores(early, limit=2) == SOME[:2]
    assert place.compares(early) == "process"
    late = place.store(poor=True)
    assert scores(late, limit=2) == SOME[:2]
    assert place.compares(late) == place.compares(early) == "database"
    assert place.copies() == 454


def test_an_extension_that_is_dropped_takes_nothing_with_it_and_may_come_again(
    place: Place,
) -> None:
    store = place.store()
    put_some(store)
    place.do("DROP EXTENSION vector CASCADE")
    assert scores(store) == SOME
    store.put(("n",), "far", {"t": ["aaac"]})
    expected = [("same", 1.0), ("far", 0.949), ("near", 0.894), ("hidden", None)]
    assert scores(store) == expected
    place.do(make_extension())
    assert scores(store) == expected
    again = place.store()
    assert scores(again) == expected
    assert place.compares(again) == place.compares(store) == "database"
    assert place.copies() == 4


def test_a_writer_without_the_right_leaves_nothing_stale_behind(place: Place) -> None:
    writer, reader = place.store(poor=True), place.store()
    put_some(reader)
    place.let_the_user_in()
    place.do("CREATE SCHEMA hidden", "ALTER EXTENSION vector SET SCHEMA hidden")
    writer.put(("n",), "near", {"t": ["c"]})
    writer.put(("m",), "same", {"t": ["a"]}, index=False)
    writer.put(("m",), "hidden", {"t": ["ab"]})
    writer.delete(("n",), "far")
    expected = [("hidden", 0.707), ("near", 0.0), ("same", None)]
    assert scores(writer) == scores(reader) == expected
    assert place.compares(reader) == "process"
    assert place.copies() == 0
    reader.setup()
    assert scores(writer) == scores(reader) == expected
    assert place.compares(reader) == "database"
    assert place.compares(writer) == "process"


def test_what_has_no_copy_leaves_only_its_own_namespaces_to_the_process(place: Place) -> None:
    reader = place.store()
    put_some(reader)
    place.let_the_user_in()
    place.do("CREATE SCHEMA hidden", "ALTER EXTENSION vector SET SCHEMA hidden")
    place.store(poor=True).put(("n",), "new", {"t": ["a"]})
    place.do(
        f"UPDATE {SCHEMA}.store_vectors SET vectors = decode(repeat('00', length(vectors)), 'hex')"
    )
    assert [item.score for item in reader.search(("m",), query="a")] == [1.0, None]
    assert [item.score for item in reader.search(("n",), query="a")] == [0.0, 0.0, 0.0]


def test_puts_during_the_copying_are_not_undone_by_it(place: Place) -> None:
    place.do(f"CREATE SCHEMA {SCHEMA} AUTHORIZATION {place.user}")
    early = place.store(poor=True)
    early.batch([PutOp(("n",), str(n), {"t": ["b" * n + "a"]}) for n in range(600)])
    place.do(make_extension())
    writing = place.store(poor=True)

    def put_anew() -> None:
        for n in range(0, 600, 7):
            early.put(("n",), str(n), {"t": ["c"]})

    setups = [place.store(poor=True).setup for _ in range(2)]
    work = [threading.Thread(target=one) for one in (put_anew, *setups)]
    for each in work:
        each.start()
    for each in work:
        each.join()
    writing.setup()
    memory = InMemoryStore(index=INDEX)
    for n in range(600):
        memory.put(("n",), str(n), {"t": ["b" * n + "a"] if n % 7 else ["c"]})
    assert place.compares(writing, "ab") == "database"
    assert_same_ranking(writing, memory, "ab")


def test_what_is_deleted_or_swept_leaves_no_copy(place: Place) -> None:
    now = [datetime(2030, 1, 1, tzinfo=UTC)]
    store = place.store(clock=lambda: now[0])
    put_some(store)
    store.put(("n",), "near", {"t": ["b", "c", "a"]}, ttl=1)
    store.delete(("n",), "far")
    assert place.copies() == 4
    now[0] += timedelta(minutes=2)
    assert scores(store) == [("same", 1.0), ("hidden", None)]
    assert store.sweep_ttl() == 1
    assert place.copies() == 1


# --- what pgvector cannot hold ---------------------------------------------------------------


def test_vectors_of_another_length_are_noticed_as_without_the_extension(place: Place) -> None:
    index = {"embed": lambda texts: [[1.0] * len(text) for text in texts], "fields": ["t[*]"]}
    store = place.store(index=index)
    store.put(("n",), "k", {"t": ["xx"], "x": 1})
    store.put(("m",), "l", {"t": ["xxx"], "x": 2})
    for more in ({}, {"filter": {"x": {"$gte": 1}}}, {"limit": 1}, {"offset": 1}):
        with pytest.raises(ValueError, match="one length"):
            store.search((), query="xxx", **more)
    assert scores(store, "xxx", filter={"x": 2}) == [("l", 1.0)]
    store.put(("n",), "k", {"t": ["yyy"]})
    assert scores(store, "xxx") == [("k", 1.0), ("l", 1.0)]
    assert place.compares(store, "xxx") == "database"


def test_what_pgvector_cannot_hold_is_compared_by_the_process(place: Place) -> None:
    def embed(texts: Sequence[str]) -> list[list[float]]:
        return [[float(text)] * 16_001 for text in texts]

    store = place.store(index={"embed": embed, "fields": ["t"], "distance_type": "l2"})
    for number in ("1", "3", "1e39"):
        store.put(("n",), number, {"t": number})
    found = store.search(("n",), query="3", limit=2)
    assert [item.key for item in found] == ["3", "1"]
    store.setup()
    assert place.copies() == 0
    small: Any = {"embed": lambda texts: [[float(t)] for t in texts], "fields": ["t"]}
    other = place.store(index={**small, "distance_type": "l2"})
    other.put(("o",), "1", {"t": "1"})
    assert [item.key for item in other.search(("o",), query="nan")] == ["1"]


# --- an approximate index ---------------------------------------------------------------------

HNSW: Any = {**INDEX, "ann_index_config": {"kind": "hnsw", "m": 8, "ef_construction": 32}}


def indexes(place: Place) -> list[str]:
    found = place.do(
        "SELECT indexdef FROM pg_indexes WHERE tablename = 'store_pgvectors' AND indexdef ~ 'hnsw'"
    )
    return [definition for (definition,) in found]


@pytest.mark.parametrize(
    ("distance", "held", "operators"),
    [
        ("cosine", "vector", "vector_ip_ops"),
        ("l2", "vector", "vector_l2_ops"),
        ("inner_product", "halfvec", "halfvec_ip_ops"),
    ],
    ids=["cosine", "l2", "half"],
)
def test_an_index_that_is_asked_for_is_made_by_set_up_and_used(
    place: Place, distance: str, held: str, operators: str
) -> None:
    asked = {"kind": "hnsw", "vector_type": held}
    index = {**INDEX, "distance_type": distance, "ann_index_config": asked}
    [(name,)] = place.do(make_extension(), "SELECT current_database()")
    place.do(f"ALTER DATABASE {name} SET enable_sort = off")  # 60 items are sorted in less time
    store, memory = place.store(index=index), InMemoryStore(index=index)
    for n in range(60):
        for each in (store, memory):
            each.put(("n",), str(n), {"t": ["a" * 3 * n + "b" * 3 * (60 - n), "c"], "n": n})
    assert indexes(place) == []
    store.setup()
    store.setup()
    [definition] = indexes(place)
    assert operators in definition
    assert place.compares(store) == "database"
    query = "a" * 61 + "b" * 120
    for more in ({}, {"limit": 3, "offset": 2}, {"filter": {"n": {"$gte": 30}}}):
        found = store.search(("n",), query=query, **more)
        expected = memory.search(("n",), query=query, **more)
        assert [item.key for item in found] == [item.key for item in expected]
        assert [item.score for item in found] == pytest.approx([i.score for i in expected])
    store.close()
    assert any(was_scanned(place) for _ in range(1000))  # it is told of after the connection ends


def was_scanned(place: Place) -> bool:
    found = place.do("SELECT idx_scan > 0 FROM pg_stat_user_indexes WHERE indexrelname ~ '_hnsw_'")
    return found == [(True,)]


async def test_one_set_up_makes_and_copies_and_indexes_all(place: Place) -> None:
    place.do(f"CREATE SCHEMA {SCHEMA} AUTHORIZATION {place.user}")
    put_some(place.store(poor=True))
    place.do(make_extension())
    fresh = place.store(poor=True, index=HNSW)
    fresh.setup()
    assert (place.copies(), len(indexes(place))) == (4, 1)
    place.do(f"DROP TABLE {SCHEMA}.store_pgvectors")
    url = place.url.replace("//postgres", f"//{place.user}")
    async with AsyncPostgresStore(url, schema=SCHEMA, index=HNSW) as store:
        await store.setup()
        assert (place.copies(), len(indexes(place))) == (4, 1)
    assert scores(fresh, limit=2) == SOME[:2]


def test_an_index_that_finds_too_little_is_not_relied_on(place: Place) -> None:
    store = place.store(index=HNSW)
    put_some(store)
    store.setup()
    assert scores(store) == SOME
    assert scores(store, limit=1) == SOME[:1]
    assert scores(store, limit=1, offset=3) == SOME[3:]
    assert scores(store, limit=-1, filter={"t": ["b"]}) == [SOME[2]]


def test_an_index_is_not_relied_on_where_a_vector_has_no_copy(place: Place) -> None:
    store = place.store(index=HNSW)
    put_some(store)
    store.setup()
    place.let_the_user_in()
    place.do("CREATE SCHEMA hidden", "ALTER EXTENSION vector SET SCHEMA hidden")
    place.store(poor=True).put(("n",), "far", {"t": ["a"]})
    assert scores(store, limit=2) == [("far", 1.0), ("same", 1.0)]


@pytest.mark.parametrize(
    "asked", [{"kind": "flat"}, {"kind": "ivfflat", "nlist": 10}, {}], ids=["flat", "ivf", "none"]
)
def test_other_searches_are_exact(place: Place, asked: Any) -> None:
    store = place.store(index={**INDEX, "ann_index_config": asked})
    put_some(store)
    store.setup()
    assert indexes(place) == []
    assert scores(store) == SOME


@pytest.mark.parametrize(
    ("asked", "dims", "why"),
    [
        ({"kind": "tree"}, 3, "kind is one of hnsw, ivfflat, flat"),
        ({"kind": "hnsw", "vector_type": "bit"}, 3, "vector_type vector or halfvec"),
        ({"kind": "hnsw"}, 2001, "dims from 1 to 2000, not 2001"),
        ({"kind": "hnsw", "vector_type": "halfvec"}, 4001, "dims from 1 to 4000"),
        ({"kind": "hnsw", "m": 1}, 3, "m is from 2 to 100"),
        ({"kind": "hnsw", "m": 40, "ef_construction": 64}, 3, "ef_construction is from 80 to 1000"),
        ({"kind": "hnsw", "m": "8)"}, 3, "m is from 2 to 100"),
    ],
    ids=range(7),
)
def test_an_index_that_cannot_be_is_refused(asked: Any, dims: int, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        InMemoryStore(index={**INDEX, "dims": dims, "ann_index_config": asked})


# --- pages and filters -----------------------------------------------------------------------


def test_a_search_of_many_items_finds_every_page_in_order(place: Place) -> None:
    def embed(texts: Sequence[str]) -> list[list[float]]:
        return [[float(text), 1.0] for text in texts]

    index: Any = {"dims": 2, "embed": embed, "fields": ["t"], "distance_type": "l2"}
    store = place.store(index=index)
    store.batch(
        [PutOp((f"n{n % 7}",), str(n), {"t": n, "n": n, "odd": n % 2 == 1}) for n in range(2000)]
    )
    assert place.compares(store, "0") == "database"

    def found(**more: Any) -> list[str]:
        return [item.key for item in store.search((), query="0", **more)]

    every = [str(n) for n in range(2000)]
    assert found(limit=-1) == every
    assert found() == every[:10]
    assert found(limit=5, offset=1997) == every[1997:]
    assert found(limit=5, offset=-5) == every[:5]
    assert found(limit=0) == found(offset=5000) == found(offset=2**70) == []
    assert found(filter={"n": {"$gte": 1990}}) == every[1990:]
    assert found(filter={"n": {"$gte": 400}}, limit=3, offset=799) == every[1199:1202]
    assert found(filter={"n": {"$lt": 0}}) == []
    assert found(filter={"odd": True}, limit=700, offset=10) == every[21:1421:2]
    assert found(filter={"odd": True, "n": {"$lt": 4}}, limit=-1) == ["1", "3"]
    both = store.batch(
        [
            SearchOp((), {"n": {"$gte": 3}}, 2, 0, "0"),
            SearchOp((), {"n": {"$gte": 5}}, 2, 0, "0"),
        ]
    )
    assert [[item.key for item in one] for one in both] == [["3", "4"], ["5", "6"]]  # type: ignore[union-attr,attr-defined]


def test_what_is_equally_alike_is_found_namespace_by_namespace_in_the_order_of_making(
    place: Place,
) -> None:
    store = place.store()
    for namespace, key in [("b", "1"), ("a", "2"), ("b", "3"), ("a", "4"), ("b", "1")]:
        store.put((namespace,), key, {"t": ["a"]})
    assert [key for key, _ in scores(store)] == ["1", "3", "2", "4"]
    assert place.compares(store) == "database"


async def test_an_async_program_is_answered_by_the_database_too(place: Place) -> None:
    async with AsyncPostgresStore(place.url, schema=SCHEMA, index=INDEX) as store:
        await store.aput(("n",), "near", {"t": ["b", "aab"], "x": 1})
        await store.aput(("n",), "same", {"t": ["a"], "x": 2})
        found = await store.asearch((), query="a", filter={"x": {"$gt": 1}})
        assert [(item.key, item.score) for item in found] == [("same", 1.0)]
        assert place.copies() == 3


# --- the same ranking ------------------------------------------------------------------------


def assert_same_ranking(one: BaseStore, other: BaseStore, query: str, **more: Any) -> None:
    """What they find is scored alike; only what is as much alike may be in another order."""
    mine = one.search((), query=query, limit=-1, **more)
    theirs = other.search((), query=query, limit=-1, **more)
    place_of = {(item.namespace, item.key): item.score for item in theirs}
    for found, expected in zip_longest(mine, theirs):
        score = place_of[found.namespace, found.key]
        assert found.score == (None if score is None else pytest.approx(score, abs=1e-5))
        assert found.score == (
            None if expected.score is None else pytest.approx(expected.score, abs=1e-5)
        )


TEXT = st.text("abcABC", max_size=5)
ITEM = st.tuples(
    st.sampled_from(["a", "b", "a!"]),
    st.sampled_from("vwxyz"),
    st.lists(TEXT, max_size=3),
    st.sampled_from([0, 1, True, "x", None]),
    st.sampled_from([None, None, 1.0]),
)
FILTER = st.sampled_from([None, {"x": 1}, {"x": "x"}, {"x": {"$ne": 1}}, {"x": {"$gte": 0}}])


@pytest.fixture(scope="module")
def shared() -> Iterator[Place]:
    with new_place() as made:
        made.store().setup()
        made.let_the_user_in()
        made.do("CREATE SCHEMA hidden", "ALTER EXTENSION vector SET SCHEMA hidden")
        yield made


@settings(max_examples=60, deadline=None)
@given(
    items=st.lists(ITEM, max_size=12),
    distance=st.sampled_from(["cosine", "l2", "inner_product"]),
    query=TEXT.filter(bool),
    filter=FILTER,
    page=st.tuples(st.integers(-1, 4), st.integers(0, 4)),
)
def test_whatever_is_searched_for_the_database_ranks_as_the_process_does(
    shared: Place,
    items: list[Any],
    distance: str,
    query: str,
    filter: Any,
    page: tuple[int, int],
) -> None:
    shared.do(f"TRUNCATE {SCHEMA}.store_items, {SCHEMA}.store_vectors, {SCHEMA}.store_pgvectors")
    index = {**INDEX, "distance_type": distance}
    now = [datetime(2030, 1, 1, tzinfo=UTC)]
    more: Any = {"index": index, "clock": lambda: now[0]}
    with (
        closing(shared.store(**more)) as database,
        closing(shared.store(poor=True, **more)) as process,
    ):
        memory = InMemoryStore(index=index)
        for namespace, key, texts, x, ttl in items:
            database.put((namespace,), key, {"t": texts, "x": x}, ttl=ttl)
            memory.put((namespace,), key, {"t": texts, "x": x})
        lasting = {(namespace, key): ttl for namespace, key, _, _, ttl in items}
        for (namespace, key), ttl in lasting.items():
            if ttl is not None:
                memory.delete((namespace,), key)
        now[0] += timedelta(minutes=2)
        assert_same_ranking(database, process, query, filter=filter)
        assert_same_ranking(database, memory, query, filter=filter)
        limit, offset = page
        asked: Any = {"query": query, "filter": filter, "offset": offset}
        every: list[SearchItem] = database.search((), **{**asked, "offset": 0}, limit=-1)
        end = None if limit < 0 else offset + limit
        assert database.search((), **asked, limit=limit) == every[offset:end]


# --- the server ------------------------------------------------------------------------------


async def test_the_store_of_a_server_is_compared_by_the_database_too(
    place: Place, tmp_path: Path
) -> None:
    (tmp_path / "embed.py").write_text(
        "def letters(texts):\n    return [[float(t.count(c)) for c in 'abc'] for t in texts]\n"
    )
    index = StoreIndex(dims=3, embed="./embed.py:letters", fields=("t",))
    given = Settings(directory=tmp_path, store=StoreSettings(index=index))
    with closing(PostgresSaver(place.url, schema=SCHEMA)) as saver:
        store = open_store(given, saver, saver)
        await store.aput(("n",), "near", {"t": "aab"})
        await store.aput(("n",), "same", {"t": "a"})
        found = await store.asearch((), query="a")
        assert [item.key for item in found] == ["same", "near"]
        assert place.compares(store) == "database"
