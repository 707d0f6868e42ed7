"""A store in the memory of one process; with an index, also a search by likeness.

A batch goes in three parts. First everything that can be refused or can fail, without the lock:
namespaces, filters, embeddings. Then, under the lock, the reads and after them the puts, so that the
batch is one step for other threads and its reads see nothing of its puts. Last, again without the
lock, what was found is scored, cut to the page and copied. Stored values are never changed but
replaced, and programs get copies: what they do to a value they put or got stays theirs.
"""

from __future__ import annotations

import asyncio
import math
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from operator import itemgetter, mul
from typing import Any, NamedTuple, cast

from caesura.store.base import (
    BaseStore,
    Embeddings,
    GetOp,
    IndexConfig,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    ensure_embeddings,
    get_text_at_path,
    tokenize_path,
    validate_op_namespace,
)
from caesura.store.matching import Test, item_test, namespace_test

__all__ = ["InMemoryStore"]

Namespace = tuple[str, ...]


class _Vector(NamedTuple):
    numbers: array[float]
    norm: float


@dataclass(frozen=True, slots=True)
class _Record:
    """An item as stored; replaced, never changed."""

    namespace: Namespace
    key: str
    value: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    vectors: tuple[_Vector, ...] = ()


class InMemoryStore(BaseStore):
    """Items in memory, gone with the process. Safe to share between threads and event loops.

    ``index`` says how to embed values, so that ``search(query=...)`` orders by likeness (cosine).
    Without it a query is ignored. Numpy is used where it is installed. Items found are in the order
    in which they were first put, namespace by namespace. Times to live are not supported.
    """

    def __init__(self, *, index: IndexConfig | None = None) -> None:
        self.index_config = index
        self.embeddings: Embeddings | None = None
        self._paths: list[list[str]] = []
        if index is not None:
            self.embeddings = ensure_embeddings(index.get("embed"))
            self._paths = [_steps(path) for path in index.get("fields") or ["$"]]
        self._lock = threading.Lock()
        self._items: dict[Namespace, dict[str, _Record]] = {}
        self._below: dict[Namespace, dict[Namespace, None]] = {}
        """Prefix → the namespaces that start with it and hold items, in the order of their making."""

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """See `BaseStore.batch`. Raises ValueError for an unknown operation and for vectors of
        different lengths, and whatever the user's embedding function raises.
        """
        plan = _Plan(ops, self._texts_of)
        if self.embeddings is not None:
            plan.take_queries([self.embeddings.embed_query(q) for q in plan.queries])
            if plan.texts:
                plan.take_texts(self.embeddings.embed_documents(plan.texts))
        return self._apply(plan)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """See `BaseStore.abatch`; as `batch`."""
        plan = _Plan(ops, self._texts_of)
        if self.embeddings is not None:
            embed = self.embeddings.aembed_query
            plan.take_queries(await asyncio.gather(*map(embed, plan.queries)))
            if plan.texts:
                plan.take_texts(await self.embeddings.aembed_documents(plan.texts))
        return self._apply(plan)

    def _texts_of(self, op: PutOp) -> list[str]:
        """What of a value is to be embedded."""
        if self.embeddings is None or op.value is None or op.index is False:
            return []
        paths = self._paths if op.index is None else [_steps(path) for path in op.index]
        return [text for path in paths for text in get_text_at_path(op.value, path)]

    # --- under the lock ---

    def _apply(self, plan: _Plan) -> list[Result]:
        now = datetime.now(UTC)
        with self._lock:
            finish = [self._read(op, plan) for op in plan.ops]
            for (namespace, key), op in plan.puts.items():
                if op.value is None:
                    self._delete(namespace, key)
                else:
                    value, vectors = plan.values[id(op)], plan.vectors_of(op)
                    self._put(_Record(namespace, key, value, now, now, vectors))
        return [make() for make in finish]

    def _read(self, op: Op, plan: _Plan) -> Callable[[], Result]:
        """Look up what ``op`` asks for; the rest is left to the function returned."""
        if isinstance(op, GetOp):
            record = self._items.get(tuple(op.namespace), {}).get(op.key)
            return lambda: None if record is None else _item(record)
        if isinstance(op, SearchOp):
            return self._search(op, plan)
        if isinstance(op, ListNamespacesOp):
            namespaces = list(self._items)
            return lambda: _listed(op, namespaces)
        return lambda: None

    def _search(self, op: SearchOp, plan: _Plan) -> Callable[[], Result]:
        found = self._found(tuple(op.namespace_prefix), plan.tests[id(op)])
        query = plan.query_vectors.get(op.query or "")
        if query is None:
            records = list(_page(found, op.limit, op.offset))
            return lambda: [_search_item(record) for record in records]
        candidates = list(found)
        return lambda: _by_likeness(candidates, query, op)

    def _found(self, prefix: Namespace, test: Test) -> Iterator[_Record]:
        namespaces = self._below.get(prefix, {}) if prefix else self._items
        for namespace in namespaces:
            for record in self._items[namespace].values():
                if test(record.value):
                    yield record

    def _put(self, record: _Record) -> None:
        items = self._items.get(record.namespace)
        if items is None:
            items = self._items[record.namespace] = {}
            for prefix in _prefixes(record.namespace):
                self._below.setdefault(prefix, {})[record.namespace] = None
        before = items.get(record.key)
        if before is not None:
            record = replace(record, created_at=before.created_at)
        items[record.key] = record

    def _delete(self, namespace: Namespace, key: str) -> None:
        items = self._items.get(namespace)
        if items is None or items.pop(key, None) is None or items:
            return
        del self._items[namespace]
        for prefix in _prefixes(namespace):
            del self._below[prefix][namespace]
            if not self._below[prefix]:
                del self._below[prefix]


class _Plan:
    """A batch, checked: its operations, the puts that last, what has to be embedded for it."""

    def __init__(self, ops: Iterable[Op], texts_of: Callable[[PutOp], list[str]]) -> None:
        self.ops = list(ops)
        self.tests: dict[int, Test] = {}
        self.values: dict[int, dict[str, Any]] = {}
        self.puts: dict[tuple[Namespace, str], PutOp] = {}
        self.query_vectors: dict[str, _Vector] = {}
        queries: dict[str, None] = {}
        for op in self.ops:
            validate_op_namespace(op)
            if isinstance(op, SearchOp):
                self.tests[id(op)] = item_test(op.filter)
                if op.query:
                    queries[op.query] = None
            elif isinstance(op, ListNamespacesOp):
                namespace_test(op.match_conditions)
            elif isinstance(op, PutOp):
                self.values[id(op)] = _own_value(op)
                self.puts[tuple(op.namespace), op.key] = op
            elif not isinstance(op, GetOp):
                raise ValueError(f"Unknown operation type: {type(op)}")
        self.queries = list(queries)
        self._texts = {id(op): texts_of(op) for op in self.puts.values()}
        self.texts = list(dict.fromkeys(text for texts in self._texts.values() for text in texts))
        self._vectors: dict[str, _Vector] = {}

    def take_queries(self, vectors: Iterable[Sequence[float]]) -> None:
        """The vectors of ``queries``."""
        self.query_vectors = {
            query: _vector(vector) for query, vector in zip(self.queries, vectors, strict=True)
        }

    def take_texts(self, vectors: Sequence[Sequence[float]]) -> None:
        """The vectors of ``texts``."""
        if len(vectors) != len(self.texts):
            raise ValueError(
                f"The embedding function returned {len(vectors)} vectors for "
                f"{len(self.texts)} texts"
            )
        self._vectors = {
            text: _vector(vector) for text, vector in zip(self.texts, vectors, strict=True)
        }

    def vectors_of(self, op: PutOp) -> tuple[_Vector, ...]:
        """The vectors of a put's value."""
        return tuple(self._vectors[text] for text in self._texts[id(op)])


def _steps(path: str) -> list[str]:
    return [] if path == "$" else tokenize_path(path)


def _own_value(op: PutOp) -> dict[str, Any]:
    if op.value is None:
        return {}
    if not isinstance(op.value, Mapping):
        raise TypeError(f"The value of an item is a mapping, not {type(op.value).__name__}")
    return cast(dict[str, Any], _copy(dict(op.value)))


def _copy(value: Any) -> Any:
    """A copy of the lists, dicts and sets in ``value``; other objects are shared."""
    kind = type(value)
    if kind is dict:
        return {key: _copy(item) for key, item in value.items()}
    if kind is list:
        return [_copy(item) for item in value]
    if kind is tuple:
        return tuple(map(_copy, value))
    return set(value) if kind is set else value


def _prefixes(namespace: Namespace) -> Iterator[Namespace]:
    return (namespace[:size] for size in range(1, len(namespace) + 1))


def _listed(op: ListNamespacesOp, namespaces: Iterable[Namespace]) -> list[Namespace]:
    meets = namespace_test(op.match_conditions)
    depth = None if op.max_depth is None else max(op.max_depth, 0)
    kept = {namespace[:depth] for namespace in namespaces if meets(namespace)}
    return list(_page(sorted(kept), op.limit, op.offset))


def _page(found: Iterable[Any], limit: int, offset: int) -> Iterator[Any]:
    """``limit`` of ``found`` after ``offset``; a negative limit is none, as in SQL."""
    start = max(offset, 0)
    return islice(found, start, start + limit if limit >= 0 else None)


def _item(record: _Record) -> Item:
    return Item(
        value=_copy(record.value),
        key=record.key,
        namespace=record.namespace,
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def _search_item(record: _Record, score: float | None = None) -> SearchItem:
    return SearchItem(
        record.namespace,
        record.key,
        _copy(record.value),
        record.created_at,
        record.updated_at,
        score,
    )


# --- likeness --------------------------------------------------------------------------------


def _vector(numbers: Sequence[float]) -> _Vector:
    kept = array("d", numbers)
    return _Vector(kept, math.sqrt(sum(map(mul, kept, kept))))


def _by_likeness(records: list[_Record], query: _Vector, op: SearchOp) -> list[SearchItem]:
    """The page of the items most like the query; those without vectors come last, unscored."""
    vectors = [vector for record in records for vector in record.vectors]
    likeness = iter(_cosines(query, vectors))
    scored: list[tuple[float, _Record]] = []
    unscored: list[tuple[None, _Record]] = []
    for record in records:
        if record.vectors:
            scored.append((max(islice(likeness, len(record.vectors))), record))
        else:
            unscored.append((None, record))
    scored.sort(key=itemgetter(0), reverse=True)
    page = _page([*scored, *unscored], op.limit, op.offset)
    return [_search_item(record, score) for score, record in page]


def _cosines(query: _Vector, vectors: list[_Vector]) -> list[float]:
    size = len(query.numbers)
    for vector in vectors:
        if len(vector.numbers) != size:
            raise ValueError(
                f"The query was embedded as {size} numbers, a stored text as "
                f"{len(vector.numbers)}: all vectors of a store have one length"
            )
    products = _products(query.numbers, [vector.numbers for vector in vectors])
    return [
        product / (query.norm * vector.norm) if query.norm and vector.norm else 0.0
        for product, vector in zip(products, vectors, strict=True)
    ]


def _products(query: array[float], rows: list[array[float]]) -> Iterable[float]:
    try:
        import numpy as np
    except ImportError:
        return (sum(map(mul, query, row)) for row in rows)
    if not rows:
        return ()
    matrix = np.stack([np.frombuffer(row) for row in rows])
    return cast(list[float], (matrix @ np.frombuffer(query)).tolist())
