"""Searches, performed beside the event loop: on connections of their own, in threads of their own.

What a request asks by id takes less time than handing it to a thread. A search may go through all there
is; on the loop's connection it would hold up every run and every other request meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, Final

from caesura.checkpoint.saver import EngineSaver
from caesura.records.operations import (
    CountAssistants,
    CountCrons,
    CountQuestions,
    CountThreads,
    FindAssistants,
    FindCrons,
    FindQuestions,
    FindThreads,
    MeasureThread,
)

SEARCHES: Final = frozenset(
    {
        CountAssistants, CountCrons, CountQuestions, CountThreads, FindAssistants, FindCrons,
        FindQuestions, FindThreads, MeasureThread,
    }
)  # fmt: skip
"""Operations whose time grows with what is stored."""
_AT_ONCE: Final = 2


class Beside:
    """The database, for services that know nothing of `Searches`: what they search is performed there."""

    def __init__(self, database: Any, perform: Callable[[Any], Awaitable[Any]]) -> None:
        self.execute, self.aexecute = database.execute, perform


class Searches:
    """Performs `SEARCHES` on the database of ``saver``, some at once; others wait for their turn.

    A saver that never works in the event loop's thread needs no help and performs them itself.
    """

    def __init__(self, saver: EngineSaver) -> None:
        self._saver = saver
        self.savers = [saver.another() for _ in range(_AT_ONCE)]
        self._owned = [each for each in self.savers if each is not saver]
        self._free: SimpleQueue[Any] = SimpleQueue()
        for each in self.savers:
            self._free.put(each)
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="caesura search")

    async def perform(self, operation: Any) -> Any:
        """What the operation returns or raises."""
        if not self._saver.in_loop:
            return await self._saver.aexecute(operation)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._perform, operation)

    def _perform(self, operation: Any) -> Any:
        saver = self._free.get()
        try:
            return saver.execute(operation)
        finally:
            self._free.put(saver)

    def close(self) -> None:
        """Break off what is going on, and close the connections."""
        for saver in self._owned:
            saver.interrupt()
        self._pool.shutdown(cancel_futures=True)
        for saver in self._owned:
            saver.close()
