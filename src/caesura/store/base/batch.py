"""Async stores that gather what is asked of them in one turn of the event loop into one batch.

The first operation starts a task that hands everything waiting to ``abatch``, again and again until
nothing waits; then it ends. Batches follow one another, so operations keep their order.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from caesura.store.base import (
    BaseStore,
    GetOp,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchOp,
)

__all__ = ["AsyncBatchedBaseStore"]


class _Waiting(NamedTuple):
    op: Op
    done: asyncio.Future[Result]


class AsyncBatchedBaseStore(BaseStore):
    """A store of one event loop. Implementations give `abatch` and `batch`.

    Made inside the loop it serves; raises RuntimeError elsewhere. The sync methods are for other
    threads: called in the loop's own thread they raise ``asyncio.InvalidStateError``, because they
    would wait for themselves.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """See `BaseStore.abatch`."""

    def _one(self, op: Op) -> Any:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self._loop:
            deletes = isinstance(op, PutOp) and op.value is None
            name = "delete" if deletes else _METHODS[type(op)]
            raise asyncio.InvalidStateError(
                f"Synchronous calls to {type(self).__name__} detected in the main event loop. This "
                "can lead to deadlocks or performance issues. Please use the asynchronous "
                "interface for main thread operations. Specifically, replace "
                f"`store.{name}(...)` with `await store.a{name}(...)`"
            )
        return super()._one(op)

    async def _aone(self, op: Op) -> Any:
        waiting = _Waiting(op, self._loop.create_future())
        self._waiting.append(waiting)
        if self._task is None or self._task.done():
            self._task = self._loop.create_task(self._serve())
        return await waiting.done

    async def _serve(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting, []
            taken = [waiting for waiting in taken if not waiting.done.done()]
            try:
                results = await self.abatch([waiting.op for waiting in taken])
                _settle(taken, results)
            except asyncio.CancelledError:
                for waiting in (*taken, *self._waiting):
                    waiting.done.cancel()
                self._waiting.clear()
                raise
            except Exception as error:
                for waiting in taken:
                    if not waiting.done.done():
                        waiting.done.set_exception(error)


def _settle(taken: list[_Waiting], results: list[Result]) -> None:
    for waiting, result in zip(taken, results, strict=True):
        if not waiting.done.done():  # else its caller was cancelled meanwhile
            waiting.done.set_result(result)


_METHODS: Final[dict[type, str]] = {
    GetOp: "get",
    SearchOp: "search",
    PutOp: "put",
    ListNamespacesOp: "list_namespaces",
}
