"""A store in the memory of one process; with an index, also a search by likeness.

A batch goes in three parts. First everything that can be refused or can fail, without the lock:
namespaces, filters, embeddings. Then, under the lock, the reads and after them the puts, so that the
batch is one step for other threads and its reads see nothing of its puts. Last, again without the
lock, what was found is scored, cut to the page and copied. Stored values are never changed but
replaced, and programs get copies: what they do to a value they put or got stays theirs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, cast

from caesura.store.base import (
    BaseStore,
    GetOp,
    IndexConfig,
    Item,
    ListNamespacesOp,
    Op,
    Result,
    SearchItem,
    SearchOp,
)
from caesura.store.likeness import Distance, Vector, likenesses, most_alike_first
from caesura.store.matching import Test
from caesura.store.plan import Index, Plan, listed, page

__all__ = ["InMemoryStore"]

Namespace = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Record:
    """An item as stored; replaced, never changed."""

    namespace: Namespace
    key: str
    value: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    vectors: tuple[Vector, ...] = ()


class InMemoryStore(BaseStore):
    """Items in memory, gone with the process. Safe to share between threads and event loops.

    ``index`` says how to embed values, so that ``search(query=...)`` orders by likeness (cosine).
    Without it a query is ignored. Numpy is used where it is installed. Items found are in the order
    in which they were first put, namespace by namespace. Times to live are not supported.
    """

    def __init__(self, *, index: IndexConfig | None = None) -> None:
        self.index_config = index
        self._index = Index(index)
        self.embeddings = self._index.embeddings
        self._lock = threading.Lock()
        self._items: dict[Namespace, dict[str, _Record]] = {}
        self._below: dict[Namespace, dict[Namespace, None]] = {}
        """Prefix → the namespaces that start with it and hold items, in the order of their making."""

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """See `BaseStore.batch`. Raises ValueError for an unknown operation and for vectors of
        different lengths, and whatever the user's embedding function raises.
        """
        plan = Plan(ops, self._index, _own)
        self._index.embed(plan)
        return self._apply(plan)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """See `BaseStore.abatch`; as `batch`."""
        plan = Plan(ops, self._index, _own)
        await self._index.aembed(plan)
        return self._apply(plan)

    # --- under the lock ---

    def _apply(self, plan: Plan) -> list[Result]:
        now = datetime.now(UTC)
        with self._lock:
            finish = [self._read(op, plan) for op in plan.ops]
            for (namespace, key), op in plan.puts.items():
                if op.value is None:
                    self._delete(namespace, key)
                else:
                    value, vectors = plan.kept(op), plan.vectors_of(op)
                    self._put(_Record(namespace, key, value, now, now, vectors))
        return [make() for make in finish]

    def _read(self, op: Op, plan: Plan) -> Callable[[], Result]:
        """Look up what ``op`` asks for; the rest is left to the function returned."""
        if isinstance(op, GetOp):
            record = self._items.get(tuple(op.namespace), {}).get(op.key)
            return lambda: None if record is None else _item(record)
        if isinstance(op, SearchOp):
            return self._search(op, plan)
        if isinstance(op, ListNamespacesOp):
            namespaces = list(self._items)
            return lambda: listed(op, namespaces)
        return lambda: None

    def _search(self, op: SearchOp, plan: Plan) -> Callable[[], Result]:
        found = self._found(tuple(op.namespace_prefix), plan.test_of(op))
        query = plan.query_of(op)
        if query is None:
            records = list(page(found, op.limit, op.offset))
            return lambda: [_search_item(record) for record in records]
        candidates, distance = list(found), self._index.distance
        return lambda: _by_likeness(candidates, query, op, distance)

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


def _own(value: Mapping[str, Any]) -> dict[str, Any]:
    return cast(dict[str, Any], _copy(dict(value)))


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


def _by_likeness(
    records: list[_Record], query: Vector, op: SearchOp, distance: Distance
) -> list[SearchItem]:
    """The page of the items most like the query; those without vectors come last, unscored."""
    vectors = [vector for record in records for vector in record.vectors]
    likeness = iter(likenesses(query, vectors, distance))
    scored = [
        (max(islice(likeness, len(record.vectors)), default=None), record) for record in records
    ]
    chosen = page(most_alike_first(scored), op.limit, op.offset)
    return [_search_item(record, score) for score, record in chosen]
