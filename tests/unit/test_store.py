"""The store in memory, the filters, and what stores share."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from caesura.checkpoint.serde.jsonplus import JsonPlusSerializer
from caesura.errors import InvalidFilterError
from caesura.store.base import (
    NOT_PROVIDED,
    BaseStore,
    Embeddings,
    GetOp,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
    ensure_embeddings,
    get_text_at_path,
    tokenize_path,
    validate_op_namespace,
)
from caesura.store.base.batch import AsyncBatchedBaseStore
from caesura.store.memory import InMemoryStore


def letters(texts: Sequence[str]) -> list[list[float]]:
    """A vector counts the letters a, b and c of a text."""
    return [[float(text.count(letter)) for letter in "abc"] for text in texts]


def keys(store: BaseStore, filter: dict[str, Any] | None = None) -> list[str]:
    return [item.key for item in store.search((), filter=filter)]


@pytest.fixture
def store() -> InMemoryStore:
    return InMemoryStore()


# --- items -----------------------------------------------------------------------------------


def test_a_put_value_comes_back_with_its_place(store: InMemoryStore) -> None:
    store.put(("a", "b"), "k", {"n": 1})
    item = store.get(("a", "b"), "k")
    assert item is not None
    assert (item.namespace, item.key, item.value) == (("a", "b"), "k", {"n": 1})
    assert item.created_at == item.updated_at
    assert item.created_at.tzinfo is UTC


def test_a_second_put_replaces_the_value_and_keeps_the_time_of_making(
    store: InMemoryStore,
) -> None:
    store.put(("a",), "k", {"n": 1})
    first = store.get(("a",), "k")
    store.put(("a",), "k", {"m": 2})
    second = store.get(("a",), "k")
    assert first is not None and second is not None
    assert second.value == {"m": 2}
    assert second.created_at == first.created_at
    assert second.updated_at >= first.updated_at


def test_changing_a_value_after_put_or_get_does_not_change_the_store(store: InMemoryStore) -> None:
    value: dict[str, Any] = {"list": [1], "deep": {"set": {1}, "pair": ([1],)}}
    store.put(("a",), "k", value)
    value["list"].append(2)
    for item in (store.get(("a",), "k"), store.search(("a",))[0]):
        assert item is not None
        assert item.value == {"list": [1], "deep": {"set": {1}, "pair": ([1],)}}
        item.value["list"].append(3)
        item.value["deep"]["set"].add(3)
        item.value["deep"]["pair"][0].append(3)
    again = store.get(("a",), "k")
    assert again is not None
    assert again.value == {"list": [1], "deep": {"set": {1}, "pair": ([1],)}}


def test_a_namespace_may_be_given_as_a_list(store: InMemoryStore) -> None:
    store.put(["a", "b"], "k", {"n": 1})  # type: ignore[arg-type]
    found = store.get(("a", "b"), "k")
    assert found is not None and found.namespace == ("a", "b")
    assert keys(store) == ["k"]


@pytest.mark.parametrize("value", [[1], "text", 5])
def test_a_value_that_is_no_mapping_is_refused(store: InMemoryStore, value: Any) -> None:
    with pytest.raises(TypeError, match="mapping"):
        store.put(("a",), "k", value)
    assert keys(store) == []


def test_items_are_equal_if_all_they_hold_is() -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    item = Item(value={"n": 1}, key="k", namespace=("a",), created_at=at, updated_at=at)
    text = at.isoformat()
    same = Item(value={"n": 1}, key="k", namespace=["a"], created_at=text, updated_at=text)
    other = Item(value={"n": 2}, key="k", namespace=("a",), created_at=at, updated_at=at)
    assert item == same
    assert item != other
    assert hash(item) == hash(other)
    assert item == SearchItem(("a",), "k", {"n": 1}, at, at, score=0.5)
    assert item.__eq__(1) is NotImplemented


@pytest.mark.parametrize("score", [None, 0.5])
def test_items_survive_being_stored_in_a_checkpoint(score: float | None) -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    serde = JsonPlusSerializer()
    item = Item(value={"n": [1]}, key="k", namespace=("a", "b"), created_at=at, updated_at=at)
    found = SearchItem(("a",), "k", {}, at, at, score)
    ops = [PutOp(("a",), "k", {"n": 1}), SearchOp(("a",)), GetOp(("a",), "k"), ListNamespacesOp()]
    back = serde.loads_typed(serde.dumps_typed([item, found, *ops]))
    assert back == [item, found, *ops]
    assert [type(part) for part in back] == [Item, SearchItem, *map(type, ops)]
    assert back[1].score == score


# --- namespaces ------------------------------------------------------------------------------


@pytest.mark.parametrize("namespace", [("",), ("a.b",), ("a", 1)])
@pytest.mark.parametrize("make", [GetOp, SearchOp, PutOp])
def test_a_batch_with_a_bad_label_changes_nothing(
    store: InMemoryStore, namespace: Any, make: Any
) -> None:
    arguments = {GetOp: ("k",), SearchOp: (), PutOp: ("k", {})}[make]
    op = make(namespace, *arguments)
    with pytest.raises(InvalidNamespaceError):
        validate_op_namespace(op)
    with pytest.raises(InvalidNamespaceError):
        store.batch([PutOp(("good",), "k", {}), op])
    assert keys(store) == []


@pytest.mark.parametrize("namespace", [(), ("langgraph",), ("langgraph", "x")])
def test_programs_put_neither_at_the_root_nor_at_the_engines_own(
    store: InMemoryStore, namespace: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidNamespaceError):
        store.put(namespace, "k", {})
    assert keys(store) == []


def test_a_prefix_matches_whole_labels_only(store: InMemoryStore) -> None:
    for namespace in (("u",), ("u", "x"), ("ux",)):
        store.put(namespace, "-".join(namespace), {})
    assert [item.key for item in store.search(("u",))] == ["u", "u-x"]


def test_an_emptied_namespace_is_listed_no_more_and_leaves_nothing(store: InMemoryStore) -> None:
    store.put(("a", "b"), "k", {})
    store.put(("a",), "k", {})
    store.delete(("a", "b"), "k")
    assert store.list_namespaces() == [("a",)]
    store.delete(("a",), "k")
    assert store.list_namespaces() == []
    assert store._items == {} and store._below == {}


def test_reading_an_absent_namespace_does_not_make_it(store: InMemoryStore) -> None:
    store.get(("a",), "k")
    store.search(("a",))
    assert store.list_namespaces() == []


def test_an_unknown_kind_of_match_is_refused(store: InMemoryStore) -> None:
    condition = MatchCondition("middle", ("a",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Unsupported match type: middle"):
        store.batch([PutOp(("a",), "k", {}), ListNamespacesOp((condition,))])
    assert keys(store) == []


# --- filters ---------------------------------------------------------------------------------

PEOPLE = {
    "ada": {"age": 36, "born": "1815-12-10", "tags": ["x", {"k": 1, "m": 2}], "d": {"e": 1}},
    "bo": {"age": "40", "born": "1990-01-01", "nick": None},
    "cy": {"born": "2001-05-05", "d": {"e": 2, "f": {"g": 3}}, "d.e": "literal"},
}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"age": 36}, ["ada"]),
        ({"age": 36.0}, ["ada"]),
        ({"age": {"$gt": 30}}, ["ada", "bo"]),
        ({"age": {"$gt": "30"}}, ["ada", "bo"]),
        ({"age": {"$lt": "zero"}}, ["bo"]),
        ({"age": {"$ne": 36}}, ["bo"]),
        ({"age": {"$ne": None}}, ["ada", "bo"]),
        ({"age": None}, ["cy"]),
        ({"nick": {"$ne": "x"}}, []),
        ({"nick": {"$eq": None}}, ["ada", "bo", "cy"]),
        ({"nick": {"$lte": 5}}, []),
        ({"tags": {"$gt": 5}}, []),
        ({"age": {"$gt": None}}, []),
        ({"born": {"$gte": "1990", "$lt": "2001"}}, ["bo"]),
        ({"d": {"e": 2}}, ["cy"]),
        ({"d": {"f": {"g": {"$lt": 4}}}}, ["cy"]),
        ({"d.e": 1}, ["ada"]),
        ({"d.e": "literal"}, ["cy"]),
        ({"d.f.g": {"$gte": 3}}, ["cy"]),
        ({"born.x": 1}, []),
        ({"tags": ["x", {"k": 1}]}, ["ada"]),
        ({"tags": ["x"]}, []),
        ({"tags": {"$eq": ["x", {"k": 1}]}}, []),
        ({"d": {}}, ["ada", "cy"]),
    ],
)
def test_a_filter_finds(condition: dict[str, Any], expected: list[str]) -> None:
    store = InMemoryStore()
    for name, value in PEOPLE.items():
        store.put(("people",), name, value)
    assert keys(store, condition) == expected


@pytest.mark.parametrize(
    "condition",
    [{"n": {"$in": [1]}}, {"n": {"$gt": 1, "x": 2}}, {"$or": []}, {"d": {"e": {"$not": 1}}}],
)
def test_an_unknown_operator_is_refused_before_anything_is_done(
    store: InMemoryStore, condition: dict[str, Any]
) -> None:
    with pytest.raises(InvalidFilterError, match="Unsupported operator"):
        store.batch([PutOp(("a",), "k", {}), SearchOp(("nothing here",), condition)])
    assert keys(store) == []


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ({}, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ({"limit": 2, "offset": 3}, [3, 4]),
        ({"limit": -1, "offset": 10}, [10, 11]),
        ({"limit": 1, "offset": -5}, [0]),
        ({"limit": 0}, []),
    ],
)
def test_a_page_is_a_part_of_what_was_found(
    store: InMemoryStore, page: dict[str, int], expected: list[int]
) -> None:
    for n in range(12):
        store.put(("a",), str(n), {"n": n})
    assert [item.value["n"] for item in store.search((), **page)] == expected  # type: ignore[arg-type]


# --- batches ---------------------------------------------------------------------------------


def test_reads_of_a_batch_see_nothing_of_its_puts(store: InMemoryStore) -> None:
    store.put(("a",), "k", {"n": 0})
    results = store.batch(
        [PutOp(("a",), "k", {"n": 1}), GetOp(("a",), "k"), SearchOp(("b",)), PutOp(("b",), "x", {})]
    )
    assert results[0] is None
    assert isinstance(results[1], Item) and results[1].value == {"n": 0}
    assert results[2:] == [[], None]


def test_of_several_puts_to_one_key_the_last_wins(store: InMemoryStore) -> None:
    store.batch(
        [PutOp(("a",), "k", {"n": 1}), PutOp(("a",), "k", None), PutOp(("a",), "k", {"n": 2})]
    )
    store.batch([PutOp(("a",), "l", {"n": 1}), PutOp(("a",), "l", None)])
    assert [item.value for item in store.search(())] == [{"n": 2}]


def test_threads_that_put_and_delete_at_once_lose_nothing(store: InMemoryStore) -> None:
    def work(name: str) -> None:
        for n in range(200):
            store.put((name, "shared"), str(n), {"n": n})
            store.put(("shared",), f"{name}{n}", {})
            store.delete((name, "shared"), str(n - 1))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.search(("shared",), limit=-1)) == 800
    assert store.list_namespaces(suffix=("shared",)) == sorted(
        [("shared",), *((name, "shared") for name in "abcd")]
    )


# --- likeness --------------------------------------------------------------------------------


def indexed(**index: Any) -> InMemoryStore:
    return InMemoryStore(index={"dims": 3, "embed": letters, **index})


def scores(store: BaseStore, query: str, **more: Any) -> list[tuple[str, float | None]]:
    found = store.search((), query=query, **more)
    return [(item.key, None if item.score is None else round(item.score, 3)) for item in found]


def test_a_query_orders_by_cosine_with_items_without_vector_last() -> None:
    store = indexed()
    store.put(("n",), "hidden", {"t": "aaa"}, index=False)
    store.put(("n",), "far", {"t": "b"})
    store.put(("n",), "near", {"t": "aab"})
    store.put(("n",), "none", {})
    assert scores(store, "a") == [("near", 0.894), ("far", 0.0), ("none", 0.0), ("hidden", None)]
    assert scores(store, "a", limit=2, offset=1) == [("far", 0.0), ("none", 0.0)]


def test_the_best_of_several_texts_counts() -> None:
    store = indexed(fields=["t", "u[*].v"])
    store.put(("n",), "k", {"t": "aa", "u": [{"v": "bb"}, {"v": "ab"}]})
    assert scores(store, "b") == [("k", 1.0)]


def test_a_new_value_leaves_nothing_of_the_old_vectors() -> None:
    store = indexed()
    store.put(("n",), "k", {"t": "aaa"})
    store.put(("n",), "k", {"t": "aaa"}, index=False)
    assert scores(store, "a") == [("k", None)]
    store.put(("n",), "k", {"t": "b", "u": "c"}, index=["u"])
    assert scores(store, "b") == [("k", 0.0)]


def test_pure_python_and_numpy_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numpy")
    store = indexed()
    for n in range(30):
        store.put(("n",), str(n), {"t": "a" * n + "b" * (n % 7) + "c" * (n % 3)})
    fast = scores(store, "aabc", limit=30)
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert scores(store, "aabc", limit=30) == fast


def test_a_failing_embedding_changes_nothing() -> None:
    def fail(texts: Sequence[str]) -> list[list[float]]:
        raise RuntimeError("no vectors today")

    store = indexed(embed=fail)
    with pytest.raises(RuntimeError, match="no vectors today"):
        store.batch([PutOp(("a",), "k", {"t": 1}, index=False), PutOp(("a",), "l", {"t": 1})])
    assert store.list_namespaces() == []


def test_too_few_vectors_and_vectors_of_two_lengths_are_refused() -> None:
    few = indexed(embed=lambda texts: [[1.0]])
    with pytest.raises(ValueError, match="1 vectors for 2 texts"):
        few.put(("a",), "k", {"t": "x", "u": "y"}, index=["t", "u"])
    uneven = indexed(embed=lambda texts: [[1.0] * len(text) for text in texts], fields=["t"])
    uneven.put(("a",), "k", {"t": "xx"})
    with pytest.raises(ValueError, match="one length"):
        uneven.search((), query="xxx")


async def test_an_async_function_serves_async_methods_only() -> None:
    async def embed(texts: Sequence[str]) -> list[list[float]]:
        return letters(texts)

    store = indexed(embed=embed)
    await store.aput(("n",), "k", {"t": "a"})
    assert [item.score for item in await store.asearch((), query="a")] == [1.0]
    with pytest.raises(ValueError, match="async"):
        store.put(("n",), "l", {"t": "a"})
    assert await store.aget(("n",), "l") is None


def test_objects_with_the_methods_of_embeddings_are_embeddings() -> None:
    class Theirs:
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return letters(texts)

        def embed_query(self, text: str) -> list[float]:
            return letters([text])[0]

    theirs = Theirs()
    assert isinstance(theirs, Embeddings)
    assert ensure_embeddings(theirs) is theirs
    assert not isinstance(object(), Embeddings)
    store = indexed(embed=theirs)
    store.put(("n",), "k", {"t": "ab"})
    assert scores(store, "a") == [("k", 0.707)]


@pytest.mark.parametrize(("embed", "error"), [(None, ValueError), (5, TypeError)])
def test_what_cannot_embed_is_refused(embed: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="embed"):
        indexed(embed=embed)


@pytest.mark.parametrize(
    ("path", "steps", "texts"),
    [
        ("$", ["$"], ['{"a": [{"k": "1"}, {"k": 2}], "s": "S"}']),
        ("a[*].k", ["a", "[*]", "k"], ["1", "2"]),
        ("a[-1]", ["a", "[-1]"], ['{"k": 2}']),
        ("{s,a[0].k}", ["{s,a[0].k}"], ["S", "1"]),
        ("a[*].*", ["a", "[*]", "*"], ["1", "2"]),
        ("a.k", ["a", "k"], []),
        ("a[", ["a", "["], []),
        ("{s", ["{s"], []),
    ],
)
def test_a_path_names_texts(path: str, steps: list[str], texts: list[str]) -> None:
    value = {"s": "S", "a": [{"k": "1"}, {"k": 2}]}
    assert tokenize_path(path) == steps
    assert get_text_at_path(value, path) == texts


# --- what stores share -----------------------------------------------------------------------


class Recorded(BaseStore):
    """Keeps the operations it is asked for."""

    supports_ttl = True
    ttl_config: TTLConfig | None = {"refresh_on_read": False, "default_ttl": 7.0}

    def __init__(self) -> None:
        self.ops: list[Op] = []

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        self.ops.extend(ops)
        return [None]

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        return self.batch(ops)


def test_the_stores_time_to_live_holds_unless_a_call_says_otherwise() -> None:
    store = Recorded()
    store.put(("a",), "k", {})
    store.put(("a",), "k", {}, ttl=None)
    store.put(("a",), "k", {}, ttl=1)
    store.get(("a",), "k")
    store.get(("a",), "k", refresh_ttl=True)
    assert [op.ttl for op in store.ops if isinstance(op, PutOp)] == [7.0, None, 1]
    assert [op.refresh_ttl for op in store.ops if isinstance(op, GetOp)] == [False, True]


def test_a_time_to_live_is_refused_where_it_cannot_be_kept(store: InMemoryStore) -> None:
    with pytest.raises(NotImplementedError, match="TTL is not supported by InMemoryStore"):
        store.put(("a",), "k", {}, ttl=5)
    assert keys(store) == []


def test_an_argument_left_out_is_false_and_not_none() -> None:
    assert not NOT_PROVIDED
    assert NOT_PROVIDED is not None


class Gathering(AsyncBatchedBaseStore):
    def __init__(self, fails: bool = False) -> None:
        super().__init__()
        self.inner = InMemoryStore()
        self.batches: list[list[Op]] = []
        self.fails = fails
        self.gate = asyncio.Event()
        self.gate.set()

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        taken = list(ops)
        self.batches.append(taken)
        await self.gate.wait()
        if self.fails:
            raise RuntimeError("the disk is full")
        return await self.inner.abatch(taken)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        return asyncio.run_coroutine_threadsafe(self.abatch(ops), self._loop).result()


async def test_what_is_asked_in_one_turn_is_one_batch() -> None:
    store = Gathering()
    await asyncio.gather(*(store.aput(("a",), str(n), {"n": n}) for n in range(5)))
    found = await asyncio.gather(*(store.aget(("a",), str(n)) for n in range(5)))
    assert [item.value["n"] for item in found if item] == [0, 1, 2, 3, 4]
    assert [len(batch) for batch in store.batches] == [5, 5]


async def test_what_is_asked_during_a_batch_waits_for_the_next() -> None:
    store = Gathering()
    store.gate.clear()
    first = asyncio.create_task(store.aput(("a",), "k", {"n": 1}))
    while not store.batches:
        await asyncio.sleep(0)
    second = asyncio.create_task(store.aget(("a",), "k"))
    await asyncio.sleep(0)
    assert len(store.batches) == 1
    store.gate.set()
    await first
    found = await second
    assert found is not None and found.value == {"n": 1}
    assert len(store.batches) == 2


async def test_a_failed_batch_fails_all_who_asked_and_the_store_goes_on() -> None:
    store = Gathering(fails=True)
    results = await asyncio.gather(
        store.aget(("a",), "k"), store.asearch(("a",)), return_exceptions=True
    )
    assert [str(error) for error in results] == ["the disk is full"] * 2
    store.fails = False
    assert await store.aget(("a",), "k") is None


async def test_a_caller_that_gives_up_does_not_disturb_the_others() -> None:
    store = Gathering()
    await store.aput(("a",), "k", {"n": 1})
    store.gate.clear()
    leaving = asyncio.create_task(store.aget(("a",), "k"))
    staying = asyncio.create_task(store.aget(("a",), "k"))
    while len(store.batches) < 2:
        await asyncio.sleep(0)
    leaving.cancel()
    store.gate.set()
    found = await staying
    assert found is not None and found.value == {"n": 1}
    assert leaving.cancelled()


async def test_sync_methods_in_the_loops_own_thread_are_refused() -> None:
    store = Gathering()
    await store.aput(("a",), "k", {"n": 1})
    with pytest.raises(asyncio.InvalidStateError, match=r"await store.adelete\(...\)"):
        store.delete(("a",), "k")
    found = await asyncio.to_thread(store.get, ("a",), "k")
    assert found is not None and found.value == {"n": 1}


def test_importing_the_store_imports_neither_numpy_nor_langchain_nor_pydantic() -> None:
    code = (
        "import sys, caesura.store.memory, caesura.store.base.batch\n"
        "print([n for n in ('numpy', 'langchain_core', 'pydantic') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
