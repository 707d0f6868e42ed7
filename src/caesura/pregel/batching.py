"""Several runs of one program at the same time: `Pregel.batch` and its kin.

Sync runs each have a thread of a pool, async ones a task; ``max_concurrency`` of the config limits how
many. With ``return_exceptions`` a failure stands in the place of its result.
"""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any

Job = Callable[[], Any]
AsyncJob = Callable[[], Awaitable[Any]]


def configs_of(config: Any, count: int) -> list[Any]:
    """A config for each of ``count`` inputs. Raises ValueError if a list has another length."""
    if not isinstance(config, Sequence):
        return [config] * count
    if len(config) != count:
        raise ValueError(
            "config must be a list of the same length as inputs, "
            f"but got {len(config)} configs for {count} inputs"
        )
    return list(config)


def limit_of(configs: Sequence[Any]) -> int | None:
    """How many may run at once; None: all."""
    return (configs[0] or {}).get("max_concurrency") if configs else None


def run_each(
    jobs: Sequence[Job], limit: int | None, return_exceptions: bool
) -> Iterator[tuple[int, Any]]:
    """(place, result) of each job as it ends. Raises the first failure, once all have ended."""
    from concurrent.futures import ThreadPoolExecutor, as_completed  # few programs need them

    with ThreadPoolExecutor(limit or max(len(jobs), 1)) as pool:
        places = {
            pool.submit(contextvars.copy_context().run, job): place
            for place, job in enumerate(jobs)
        }
        try:
            for done in as_completed(places):
                yield places[done], _outcome(done, return_exceptions)
        finally:
            for waiting in places:
                waiting.cancel()


async def arun_each(
    jobs: Sequence[AsyncJob], limit: int | None, return_exceptions: bool
) -> AsyncIterator[tuple[int, Any]]:
    """Async form of `run_each`; a failure cancels what still runs."""
    import asyncio  # a sync program needs none of it

    free = asyncio.Semaphore(limit or max(len(jobs), 1))

    async def run(job: AsyncJob) -> Any:
        async with free:
            return await job()

    places = {asyncio.ensure_future(run(job)): place for place, job in enumerate(jobs)}
    left = set(places)
    try:
        while left:
            finished, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            for done in sorted(finished, key=places.__getitem__):
                yield places[done], _outcome(done, return_exceptions)
    finally:
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _outcome(done: Any, return_exceptions: bool) -> Any:
    error = done.exception()
    if return_exceptions and isinstance(error, Exception):
        return error
    return done.result()


def in_order(found: Sequence[tuple[int, Any]]) -> list[Any]:
    """The results by their places."""
    return [result for _, result in sorted(found, key=lambda pair: pair[0])]
