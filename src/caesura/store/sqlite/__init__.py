"""The store in a SQLite file: what programs remember, durable and shared between processes.

It stands on a saver, its own or one that is given, and so shares that one's connection, waiting and
threads: an async call is performed at once if it need not wait, else in a thread. What may take long
(a listing, a search with a query, a filter or a large page) always goes to a thread.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from os import PathLike, fspath
from typing import Any, ClassVar, Final, Self

from caesura.checkpoint.sqlite import SqliteSaver
from caesura.storage.sqlite import connect
from caesura.storage.store import Scored, SetUpStore, StoreBatch, SweepStore
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
from caesura.store.sqlite.sweeping import Sweeper
from caesura.store.values import from_text, to_text

__all__ = ["SqliteStore"]


_SHORT: Final = 100
"""So many items are read in less time than handing the search to a thread takes."""


def utc_now() -> datetime:
    """The clock of stores that are given no other."""
    return datetime.now(UTC)


class SqliteStore(BaseStore):
    """Items in a SQLite database. Behaves as `caesura.store.memory.InMemoryStore`, and lasts.

    Values are stored as JSON; what JSON cannot hold is refused with TypeError or ValueError. Items
    can be given minutes to live: an expired item is not found any more, and `sweep_ttl` deletes it.

    With ``index`` a query orders by likeness (cosine). A search compares the query with every
    vector below its prefix; that is meant for up to some 100,000 vectors of 384 numbers below one
    prefix: about half a second with numpy installed, two without. All texts must be embedded by one
    model: after a change of model or of ``fields``, put the items again.

    Args:
        conn: a path or ``":memory:"``; an open connection, which the store takes over, so nothing
            else may use it; or a `SqliteSaver`, whose connection is shared. A store on a path has
            a connection of its own, so that a long search does not hold up a saver on the file.
        index: how to embed values; None: a query is ignored.
        ttl: how long items live; None: for ever, unless a put says otherwise. Reading an item lets
            it live on (``refresh_on_read``), which makes of the read a write.
        clock: tells the time, in UTC.

    Raises:
        StorageError: from any method, if the database fails. Nothing is stored then.
    """

    supports_ttl: ClassVar[bool] = True

    def __init__(
        self,
        conn: sqlite3.Connection | str | PathLike[str] | SqliteSaver,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.index_config = index
        self.ttl_config = ttl
        self._index = Index(index)
        self.embeddings = self._index.embeddings
        self._owns = not isinstance(conn, SqliteSaver)
        self._saver = conn if isinstance(conn, SqliteSaver) else self._open(conn)
        self._clock = clock
        self._sweeper = Sweeper(self._sweep)

    @staticmethod
    def _open(conn: Any) -> SqliteSaver:
        own = isinstance(conn, sqlite3.Connection)
        return SqliteSaver(conn if own else connect(fspath(conn)))

    @classmethod
    @contextmanager
    def from_conn_string(
        cls,
        conn_string: str,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
    ) -> Iterator[Self]:
        """Open a database file (or ``":memory:"``), give its store, and close it in the end."""
        store = cls(conn_string, index=index, ttl=ttl)
        try:
            yield store
        finally:
            store.close()

    def setup(self) -> None:
        """Make or upgrade the tables now instead of on first use."""
        self._saver.execute(SetUpStore())

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
        return _results(plan, self._saver.execute(op))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """See `BaseStore.abatch`; as `batch`."""
        plan = self._plan(ops)
        await self._index.aembed(plan)
        op = self._encoded(plan)
        if _may_take_long(plan):
            return _results(plan, await asyncio.to_thread(self._saver.execute, op))
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
            plan, self._clock(), not (self.ttl_config or {}).get("omit_expired", True)
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
