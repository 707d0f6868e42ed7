"""A batch of operations, checked and embedded, before any store is touched: what all stores share.

Everything that can be refused or can fail without the store is found out here: namespaces, filters,
values, embeddings. What remains, `Plan`, is performed in one step: first the reads, which see
nothing of the puts, then the puts that last, one for each key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from caesura.store.approximate import Hnsw, hnsw_of
from caesura.store.base import (
    Embeddings,
    GetOp,
    IndexConfig,
    ListNamespacesOp,
    Op,
    PutOp,
    SearchOp,
    ensure_embeddings,
    get_text_at_path,
    tokenize_path,
    validate_op_namespace,
)
from caesura.store.likeness import DISTANCES, Distance, Vector, vector
from caesura.store.matching import Test, item_test, namespace_test

Namespace = tuple[str, ...]
T = TypeVar("T")


class Index:
    """How a store embeds; without a configuration, it embeds nothing.

    Raises ValueError for a ``distance_type`` or ``ann_index_config`` that is none.
    """

    def __init__(self, config: IndexConfig | None) -> None:
        self.embeddings: Embeddings | None = None
        self.distance: Distance = "cosine"
        self.hnsw: Hnsw | None = None
        self._paths: list[list[str]] = []
        if config is not None:
            self.distance = _distance(config.get("distance_type", "cosine"))
            self.hnsw = hnsw_of(config, self.distance)
            self.embeddings = ensure_embeddings(config.get("embed"))
            self._paths = [_steps(path) for path in config.get("fields") or ["$"]]

    def texts_of(self, op: PutOp) -> list[str]:
        """What of a put's value is to be embedded."""
        if self.embeddings is None or op.value is None or op.index is False:
            return []
        paths = self._paths if op.index is None else [_steps(path) for path in op.index]
        return [text for path in paths for text in get_text_at_path(op.value, path)]

    def embed(self, plan: Plan) -> None:
        """Give ``plan`` its vectors. Raises ValueError if too few came, and what embedding raises."""
        if self.embeddings is not None:
            plan.take_queries([self.embeddings.embed_query(q) for q in plan.queries])
            if plan.texts:
                plan.take_texts(self.embeddings.embed_documents(plan.texts))

    async def aembed(self, plan: Plan) -> None:
        """As `embed`; sync functions run in a thread."""
        if self.embeddings is not None:
            embed = self.embeddings.aembed_query
            plan.take_queries(await asyncio.gather(*map(embed, plan.queries)))
            if plan.texts:
                plan.take_texts(await self.embeddings.aembed_documents(plan.texts))


class Plan:
    """A batch, checked: its operations, the puts that last, what has to be embedded for it.

    ``keep`` makes of a put's value what the store will hold; what it raises refuses the batch.
    """

    def __init__(
        self, ops: Iterable[Op], index: Index, keep: Callable[[Mapping[str, Any]], Any]
    ) -> None:
        self.ops = list(ops)
        self.puts: dict[tuple[Namespace, str], PutOp] = {}
        self._tests: dict[int, Test] = {}
        self._kept: dict[int, Any] = {}
        self._query_vectors: dict[str, Vector] = {}
        queries: dict[str, None] = {}
        for op in self.ops:
            validate_op_namespace(op)
            if isinstance(op, SearchOp):
                self._tests[id(op)] = item_test(op.filter)
                if op.query:
                    queries[op.query] = None
            elif isinstance(op, ListNamespacesOp):
                namespace_test(op.match_conditions)
            elif isinstance(op, PutOp):
                self._kept[id(op)] = None if op.value is None else keep(_mapping(op.value))
                self.puts[tuple(op.namespace), op.key] = op
            elif not isinstance(op, GetOp):
                raise ValueError(f"Unknown operation type: {type(op)}")
        self.queries = list(queries)
        self._texts = {id(op): index.texts_of(op) for op in self.puts.values()}
        self.texts = list(dict.fromkeys(text for texts in self._texts.values() for text in texts))
        self._vectors: dict[str, Vector] = {}

    def take_queries(self, vectors: Iterable[Sequence[float]]) -> None:
        """The vectors of ``queries``."""
        self._query_vectors = dict(zip(self.queries, map(vector, vectors), strict=True))

    def take_texts(self, vectors: Sequence[Sequence[float]]) -> None:
        """The vectors of ``texts``."""
        if len(vectors) != len(self.texts):
            raise ValueError(
                f"The embedding function returned {len(vectors)} vectors for "
                f"{len(self.texts)} texts"
            )
        self._vectors = dict(zip(self.texts, map(vector, vectors), strict=True))

    def test_of(self, op: SearchOp) -> Test:
        """What tells whether a value passes the search's filter."""
        return self._tests[id(op)]

    def query_of(self, op: SearchOp) -> Vector | None:
        """The vector of a search's query; None if it has none, or the store no index."""
        return self._query_vectors.get(op.query or "")

    def kept(self, op: PutOp) -> Any:
        """What ``keep`` made of a put's value."""
        return self._kept[id(op)]

    def vectors_of(self, op: PutOp) -> tuple[Vector, ...]:
        """The vectors of a put's value."""
        return tuple(self._vectors[text] for text in self._texts[id(op)])


def _distance(named: Distance) -> Distance:
    if named not in DISTANCES:
        raise ValueError(
            f"distance_type is one of {', '.join(DISTANCES)}, not {named!r}. Nothing was done."
        )
    return named


def _steps(path: str) -> list[str]:
    return [] if path == "$" else tokenize_path(path)


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"The value of an item is a mapping, not {type(value).__name__}")
    return value


def listed(op: ListNamespacesOp, namespaces: Iterable[Namespace]) -> list[Namespace]:
    """The page that ``op`` asks for of all namespaces that hold items."""
    meets = namespace_test(op.match_conditions)
    depth = None if op.max_depth is None else max(op.max_depth, 0)
    kept = {namespace[:depth] for namespace in namespaces if meets(namespace)}
    return list(page(sorted(kept), op.limit, op.offset))


def page(found: Iterable[T], limit: int, offset: int) -> Iterator[T]:
    """``limit`` of ``found`` after ``offset``; a negative limit is none, as in SQL."""
    return islice(found, max(offset, 0), page_end(limit, offset))


def page_end(limit: int, offset: int) -> int | None:
    """How many have to be found for a page; None: all."""
    return max(offset, 0) + limit if limit >= 0 else None
