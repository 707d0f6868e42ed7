"""A store on a saver: what programs remember, beside the checkpoints of the same database.

It performs its operations by way of a saver, its own or one that is given, and so shares that one's
connections, waiting and threads. What may take long (a listing, a search with a query, a filter or a large
page) goes to a thread where the saver would do it in the event loop's.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from caesura.checkpoint.saver import EngineSaver
from caesura.storage.store import IndexStore, Scored, SetUpStore, StoreBatch, SweepStore
from caesura.store.base import (
    BaseStore,
    IndexConfig,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
)
from caesura.store.plan import Index, Plan, page_end
from caesura.store.sweeping import Sweeper
from caesura.store.values import from_text, to_text

_SHORT: Final = 100
"""So many items are read in less time than handing the search to a thread takes."""


def utc_now() -> datetime:
    """The clock of stores that are given no other."""
    return datetime.now(UTC)


class SqlStore(BaseStore):
    """Items in a SQL database; `caesura.store.sqlite` and `caesura.store.postgres` open it.

    Args:
        saver: performs the operations.
        owns: close the saver with the store.
        index: how to embed values; None: a query is ignored.
        ttl: how long items live; None: for ever, unless a put says otherwise.
        clock: tells the time, in UTC.
        searcher: another saver on the same database, for async calls that may take long and would
            hold up others on ``saver``. It is not closed here.
    """

    supports_ttl: ClassVar[bool] = True

    def __init__(
        self,
        saver: EngineSaver,
        *,
        owns: bool,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        clock: Callable[[], datetime] = utc_now,
        searcher: EngineSaver | None = None,
    ) -> None:
        self.index_config = index
        self.ttl_config = ttl
        self._index = Index(index)
        self.embeddings = self._index.embeddings
        self._set_up = not self._compares
        self._owns = owns
        self._saver = saver
        self._searcher = searcher or saver
        self._clock = clock
        self._sweeper = Sweeper(self._sweep)

    def setup(self) -> None:
        """Make or upgrade the tables now instead of on first use."""
        self._saver.execute(SetUpStore(self._compares))
        self._set_up = True
        if self._index.hnsw is not None:
            self._saver.execute(IndexStore(self._index.hnsw))

    @property
    def _compares(self) -> bool:
        return self._index.embeddings is not None

    def close(self) -> None:
        """Stop sweeping, and close the connection unless it is a saver's."""
        self._sweeper.stop(None)
        if self._owns:
            self._saver.close()

    # --- operations ---

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """See `BaseStore.batch`. Raises ValueError for an unknown operation and for vectors of
        different lengths, TypeError or ValueError for a value that is no JSON, and whatever the
        user's embedding function raises.
        """
        plan = self._plan(ops)
        self._index.embed(plan)
        op = self._encoded(plan)
        if not self._set_up:
            self._saver.execute(SetUpStore(self._compares))
            self._set_up = True
        return _results(plan, self._saver.execute(op))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """See `BaseStore.abatch`; as `batch`."""
        plan = self._plan(ops)
        await self._index.aembed(plan)
        op = self._encoded(plan)
        if not self._set_up:
            await self._saver.aexecute(SetUpStore(self._compares))
            self._set_up = True
        if self._saver.in_loop and _may_take_long(plan):
            return _results(plan, await asyncio.to_thread(self._searcher.execute, op))
        return _results(plan, await self._saver.aexecute(op))

    def _plan(self, ops: Iterable[Op]) -> Plan:
        plan = Plan(ops, self._index, to_text)
        for (_, key), op in plan.puts.items():
            if not isinstance(key, str):
                raise TypeError(f"The key of an item is a text, not {type(key).__name__}")
            if op.ttl is not None and math.isnan(op.ttl):
                raise ValueError("A time to live is a number of minutes, not NaN")
        return plan

    def _encoded(self, plan: Plan) -> StoreBatch:
        op = StoreBatch.of(
            plan,
            self._clock(),
            not (self.ttl_config or {}).get("omit_expired", True),
            self._index.distance,
            self._index.hnsw,
        )
        dims = (self.index_config or {}).get("dims")
        for put in op.puts:
            if dims and put.dims not in (0, dims):
                raise ValueError(
                    f"A text was embedded as {put.dims} numbers, but the index has dims={dims}. "
                    "Nothing was stored."
                )
        return op

    # --- expiry ---

    def sweep_ttl(self) -> int:
        """Delete the expired items; returns how many. Reads do not find them anyway."""
        return self._sweep()

    def _sweep(self) -> int:
        return self._saver.execute(SweepStore(self._clock()))  # type: ignore[no-any-return]

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> Future[None]:
        """Sweep now and again, in a thread, until `stop_ttl_sweeper` or `close`.

        The minutes between two sweeps are those given, or else of the store's ``ttl``, or else 5.
        The result is done when sweeping has ended; it is already if the store has no ``ttl``.
        """
        config = self.ttl_config
        if config is None:
            done: Future[None] = Future()
            done.set_result(None)
            return done
        return self._sweeper.start(
            sweep_interval_minutes or config.get("sweep_interval_minutes") or 5
        )

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stop sweeping; True if it has ended within ``timeout`` seconds."""
        return self._sweeper.stop(timeout)


class AsyncSqlStore(SqlStore):
    """What LangGraph's stores for async programs have as coroutines."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)

    async def setup(self) -> None:  # type: ignore[override]
        """Make or upgrade the tables now instead of on first use."""
        await self._saver.aexecute(SetUpStore(self._compares))
        self._set_up = True
        if self._index.hnsw is not None:
            await self._saver.aexecute(IndexStore(self._index.hnsw))

    async def sweep_ttl(self) -> int:  # type: ignore[override]
        """Delete the expired items; returns how many."""
        await self.setup()
        return await asyncio.to_thread(self._sweep)

    async def start_ttl_sweeper(  # type: ignore[override]
        self, sweep_interval_minutes: float | None = None
    ) -> asyncio.Future[None]:
        """Sweep now and again until `stop_ttl_sweeper`; see `SqlStore.start_ttl_sweeper`."""
        await self.setup()
        return asyncio.wrap_future(super().start_ttl_sweeper(sweep_interval_minutes))

    async def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:  # type: ignore[override]
        """Stop sweeping; True if it has ended within ``timeout`` seconds."""
        return await asyncio.to_thread(super().stop_ttl_sweeper, timeout)


def _may_take_long(plan: Plan) -> bool:
    return any(isinstance(op, ListNamespacesOp) or _is_long(op) for op in plan.ops)


def _is_long(op: Op) -> bool:
    if not isinstance(op, SearchOp):
        return False
    end = page_end(op.limit, op.offset)
    return bool(op.filter or op.query) or end is None or end > _SHORT


def _results(plan: Plan, found: Sequence[Any]) -> list[Result]:
    """Rows as items, made without the lock of the database."""
    return [_result(op, result) for op, result in zip(plan.ops, found, strict=True)]


def _result(op: Op, found: Any) -> Result:
    if isinstance(op, SearchOp):
        return [_search_item(scored) for scored in found]
    if found is None or isinstance(op, PutOp | ListNamespacesOp):
        return found  # type: ignore[no-any-return]
    return Item(
        value=from_text(found.value),
        key=found.key,
        namespace=found.namespace,
        created_at=found.created_at,
        updated_at=found.updated_at,
    )


def _search_item(scored: Scored) -> SearchItem:
    row = scored.row
    value = from_text(row.value)
    return SearchItem(row.namespace, row.key, value, row.created_at, row.updated_at, scored.score)
