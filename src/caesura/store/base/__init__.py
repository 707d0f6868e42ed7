"""The interface of stores: items by namespace and key, as programs and nodes use it.

A store implements two methods, `BaseStore.batch` and `BaseStore.abatch`, which perform operations
(`GetOp`, `PutOp`, `SearchOp`, `ListNamespacesOp`); the methods programs call are each one operation
in a batch of one, written here once. A namespace is a tuple of labels, as folders are: ``search``
and ``list_namespaces`` look at everything below one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal, NamedTuple, TypedDict

from caesura.errors import InvalidNamespaceError
from caesura.store.base.embed import (
    AEmbeddingsFunc,
    Embeddings,
    EmbeddingsFunc,
    ensure_embeddings,
    get_text_at_path,
    tokenize_path,
)

__all__ = [
    "NOT_PROVIDED",
    "AEmbeddingsFunc",
    "BaseStore",
    "Embeddings",
    "EmbeddingsFunc",
    "GetOp",
    "IndexConfig",
    "InvalidNamespaceError",
    "Item",
    "ListNamespacesOp",
    "MatchCondition",
    "NamespaceMatchType",
    "NamespacePath",
    "NotProvided",
    "Op",
    "PutOp",
    "Result",
    "SearchItem",
    "SearchOp",
    "TTLConfig",
    "ensure_embeddings",
    "get_text_at_path",
    "tokenize_path",
    "validate_op_namespace",
]

Namespace = tuple[str, ...]
Value = dict[str, Any]
NamespacePath = tuple[str, ...]
"""Labels to match; ``"*"`` stands for any one label."""
NamespaceMatchType = Literal["prefix", "suffix"]


class NotProvided:
    """The type of `NOT_PROVIDED`; false as a condition."""

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "NOT_GIVEN"


NOT_PROVIDED = NotProvided()
"""Stands for an argument left out, where None means something else."""


# --- items -----------------------------------------------------------------------------------


class Item:
    """A stored value with its place and times. Times may be given as ISO text."""

    __slots__ = ("created_at", "key", "namespace", "updated_at", "value")

    def __init__(
        self,
        *,
        value: Value,
        key: str,
        namespace: Sequence[str],
        created_at: datetime | str,
        updated_at: datetime | str,
    ) -> None:
        self.value = value
        self.key = key
        self.namespace: Namespace = tuple(namespace)
        self.created_at = _moment(created_at)
        self.updated_at = _moment(updated_at)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Item):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in Item.__slots__)

    def __hash__(self) -> int:
        return hash((self.namespace, self.key))

    def dict(self) -> Value:
        """The item as plain data: the namespace as a list, the times as ISO text."""
        return {
            "namespace": list(self.namespace),
            "key": self.key,
            "value": self.value,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
        }

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.dict().items())
        return f"Item({fields})"


class SearchItem(Item):
    """An item found by a search. ``score`` is its likeness to the query; None without a query."""

    __slots__ = ("score",)

    def __init__(
        self,
        namespace: Sequence[str],
        key: str,
        value: Value,
        created_at: datetime | str,
        updated_at: datetime | str,
        score: float | None = None,
    ) -> None:
        super().__init__(
            value=value,
            key=key,
            namespace=namespace,
            created_at=created_at,
            updated_at=updated_at,
        )
        self.score = score

    def dict(self) -> Value:
        """As `Item.dict`, with ``score``."""
        return {**super().dict(), "score": self.score}


def _moment(value: datetime | str) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


# --- operations ------------------------------------------------------------------------------


class GetOp(NamedTuple):
    """Fetch one item. ``refresh_ttl``: reading lets it live on, in stores with times to live."""

    namespace: tuple[str, ...]
    key: str
    refresh_ttl: bool = True


class SearchOp(NamedTuple):
    """Find items below ``namespace_prefix``.

    ``filter`` maps keys of the value to what must stand there: a value, or operators ``$eq``,
    ``$ne``, ``$gt``, ``$gte``, ``$lt``, ``$lte``. ``query`` orders by likeness, in stores with an
    index.
    """

    namespace_prefix: tuple[str, ...]
    filter: dict[str, Any] | None = None
    limit: int = 10
    offset: int = 0
    query: str | None = None
    refresh_ttl: bool = True


class MatchCondition(NamedTuple):
    """What a namespace must start or end with; ``"*"`` in ``path`` stands for any one label."""

    match_type: NamespaceMatchType
    path: NamespacePath


class ListNamespacesOp(NamedTuple):
    """List the namespaces that hold items and meet all conditions, cut to ``max_depth`` labels."""

    match_conditions: tuple[MatchCondition, ...] | None = None
    max_depth: int | None = None
    limit: int = 100
    offset: int = 0


class PutOp(NamedTuple):
    """Store an item, replacing the whole value of the one before; ``value`` None deletes it.

    ``index``: False embeds nothing, a list embeds these paths, None those of the store's index.
    ``ttl``: minutes to live, in stores with times to live.
    """

    namespace: tuple[str, ...]
    key: str
    value: Mapping[str, Any] | None
    index: Literal[False] | list[str] | None = None  # type: ignore[assignment]  # shadows tuple's
    ttl: float | None = None


Op = GetOp | SearchOp | PutOp | ListNamespacesOp
Result = Item | list[Item] | list[SearchItem] | list[tuple[str, ...]] | None


class TTLConfig(TypedDict, total=False):
    """How long items live, in stores that know."""

    refresh_on_read: bool
    """Whether reading an item makes it live on; True by default."""
    omit_expired: bool
    """Whether reads leave out what is expired but not yet swept."""
    default_ttl: float | None
    """Minutes an item lives unless ``put`` says otherwise; None: for ever."""
    sweep_interval_minutes: int | None
    """Minutes between two sweeps; None: none by itself."""


class IndexConfig(TypedDict, total=False):
    """How values are embedded for search by likeness."""

    dims: int
    """Length of the vectors."""
    embed: Embeddings | EmbeddingsFunc | AEmbeddingsFunc | str
    """What embeds: `Embeddings`, a sync or async function, or ``"provider:model"``."""
    fields: list[str] | None
    """Paths of the texts to embed, see `caesura.store.base.embed`; by default the whole value."""
    distance_type: Literal["cosine", "l2", "inner_product"]
    """How vectors are compared, ``cosine`` by default. A score is larger the more alike two are: of ``l2``
    it is the distance, negated. After a change put the items again."""
    ann_index_config: Mapping[str, Any]
    """An approximate index of pgvector, by LangGraph's names; without it, and in other stores, a search is exact.
    See `caesura.store.approximate`."""


# --- namespaces ------------------------------------------------------------------------------


def validate_op_namespace(op: Op) -> None:
    """Raise InvalidNamespaceError if a namespace or path of ``op`` has a label that is not allowed."""
    if isinstance(op, SearchOp):
        _validate_labels(op.namespace_prefix)
    elif isinstance(op, ListNamespacesOp):
        for condition in op.match_conditions or ():
            _validate_labels(condition.path)
    elif isinstance(op, GetOp | PutOp):
        _validate_labels(op.namespace)


def _validate_labels(namespace: Sequence[str]) -> None:
    for label in namespace:
        if not isinstance(label, str):
            raise InvalidNamespaceError(
                f"Invalid namespace label '{label}' found in {namespace}. Namespace labels must be "
                f"strings, but got {type(label).__name__}."
            )
        if not label:
            raise InvalidNamespaceError(
                f"Namespace labels cannot be empty strings. Got {label} in {namespace}"
            )
        if "." in label:
            raise InvalidNamespaceError(
                f"Invalid namespace label '{label}' found in {namespace}. Namespace labels cannot "
                "contain periods ('.')."
            )


def _validate_place(namespace: Sequence[str]) -> None:
    """Further rules for what programs put; the engine's own batches may use its root."""
    if not namespace:
        raise InvalidNamespaceError("Namespace cannot be empty.")
    _validate_labels(namespace)
    if namespace[0] == "langgraph":
        raise InvalidNamespaceError(
            f'Root label for namespace cannot be "langgraph". Got: {namespace}'
        )


# --- the interface ---------------------------------------------------------------------------


class BaseStore(ABC):
    """A store. Implementations give `batch` and `abatch`; the rest follows.

    ``supports_ttl`` says whether items can be given a time to live, ``ttl_config`` what holds by
    default.
    """

    supports_ttl: ClassVar[bool] = False
    ttl_config: TTLConfig | None = None

    @abstractmethod
    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Perform ``ops`` together; one result each, in their order.

        Reads see the store as it was before the batch. Of several puts to one key the last wins.
        A put's result is None. An invalid operation is refused before any is performed.
        """

    @abstractmethod
    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """As `batch`."""

    def get(
        self, namespace: tuple[str, ...], key: str, *, refresh_ttl: bool | None = None
    ) -> Item | None:
        """The item, or None. Raises InvalidNamespaceError."""
        return self._one(self._get_op(namespace, key, refresh_ttl))  # type: ignore[no-any-return]

    def search(
        self,
        namespace_prefix: tuple[str, ...],
        /,
        *,
        query: str | None = None,
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
        refresh_ttl: bool | None = None,
    ) -> list[SearchItem]:
        """Items below ``namespace_prefix``; see `SearchOp`.

        Raises InvalidNamespaceError, and InvalidFilterError for an unknown operator.
        """
        op = self._search_op(namespace_prefix, filter, limit, offset, query, refresh_ttl)
        return self._one(op)  # type: ignore[no-any-return]

    def put(
        self,
        namespace: tuple[str, ...],
        key: str,
        value: Mapping[str, Any],
        index: Literal[False] | list[str] | None = None,
        *,
        ttl: float | NotProvided | None = NOT_PROVIDED,
    ) -> None:
        """Store ``value``, replacing the one before as a whole; see `PutOp`.

        Raises InvalidNamespaceError, and NotImplementedError for a ``ttl`` the store cannot keep.
        """
        self._one(self._put_op(namespace, key, value, index, ttl))

    def delete(self, namespace: tuple[str, ...], key: str) -> None:
        """Delete the item, if there is one. Raises InvalidNamespaceError."""
        self._one(_checked(PutOp(namespace, str(key), None)))

    def list_namespaces(
        self,
        *,
        prefix: NamespacePath | None = None,
        suffix: NamespacePath | None = None,
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[tuple[str, ...]]:
        """Namespaces that hold items, sorted; see `ListNamespacesOp`."""
        op = _list_op(prefix, suffix, max_depth, limit, offset)
        return self._one(op)  # type: ignore[no-any-return]

    async def aget(
        self, namespace: tuple[str, ...], key: str, *, refresh_ttl: bool | None = None
    ) -> Item | None:
        """As `get`."""
        op = self._get_op(namespace, key, refresh_ttl)
        return await self._aone(op)  # type: ignore[no-any-return]

    async def asearch(
        self,
        namespace_prefix: tuple[str, ...],
        /,
        *,
        query: str | None = None,
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
        refresh_ttl: bool | None = None,
    ) -> list[SearchItem]:
        """As `search`."""
        op = self._search_op(namespace_prefix, filter, limit, offset, query, refresh_ttl)
        return await self._aone(op)  # type: ignore[no-any-return]

    async def aput(
        self,
        namespace: tuple[str, ...],
        key: str,
        value: Mapping[str, Any],
        index: Literal[False] | list[str] | None = None,
        *,
        ttl: float | NotProvided | None = NOT_PROVIDED,
    ) -> None:
        """As `put`."""
        await self._aone(self._put_op(namespace, key, value, index, ttl))

    async def adelete(self, namespace: tuple[str, ...], key: str) -> None:
        """As `delete`."""
        await self._aone(_checked(PutOp(namespace, str(key), None)))

    async def alist_namespaces(
        self,
        *,
        prefix: NamespacePath | None = None,
        suffix: NamespacePath | None = None,
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[tuple[str, ...]]:
        """As `list_namespaces`."""
        op = _list_op(prefix, suffix, max_depth, limit, offset)
        return await self._aone(op)  # type: ignore[no-any-return]

    def _one(self, op: Op) -> Any:
        return self.batch([op])[0]

    async def _aone(self, op: Op) -> Any:
        return (await self.abatch([op]))[0]

    # --- arguments to operations ---

    def _get_op(self, namespace: Namespace, key: str, refresh_ttl: bool | None) -> Op:
        return _checked(GetOp(namespace, str(key), self._refreshes(refresh_ttl)))

    def _search_op(
        self,
        prefix: Namespace,
        filter: dict[str, Any] | None,
        limit: int,
        offset: int,
        query: str | None,
        refresh_ttl: bool | None,
    ) -> Op:
        refreshes = self._refreshes(refresh_ttl)
        return _checked(SearchOp(prefix, filter, limit, offset, query, refreshes))

    def _put_op(
        self,
        namespace: Namespace,
        key: str,
        value: Mapping[str, Any],
        index: Literal[False] | list[str] | None,
        ttl: float | NotProvided | None,
    ) -> Op:
        _validate_place(namespace)
        if not self.supports_ttl and not isinstance(ttl, NotProvided) and ttl is not None:
            raise NotImplementedError(
                f"TTL is not supported by {type(self).__name__}. Use a store implementation that "
                "supports TTL or set ttl=None."
            )
        if isinstance(ttl, NotProvided):
            ttl = (self.ttl_config or {}).get("default_ttl")
        return PutOp(namespace, str(key), value, index, ttl)

    def _refreshes(self, refresh_ttl: bool | None) -> bool:
        if refresh_ttl is not None:
            return refresh_ttl
        return (self.ttl_config or {}).get("refresh_on_read", True)


def _checked(op: Op) -> Op:
    validate_op_namespace(op)
    return op


def _list_op(
    prefix: NamespacePath | None,
    suffix: NamespacePath | None,
    max_depth: int | None,
    limit: int,
    offset: int,
) -> Op:
    conditions = []
    if prefix:
        conditions.append(MatchCondition("prefix", tuple(prefix)))
    if suffix:
        conditions.append(MatchCondition("suffix", tuple(suffix)))
    return _checked(ListNamespacesOp(tuple(conditions), max_depth, limit, offset))
