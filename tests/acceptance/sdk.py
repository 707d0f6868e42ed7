"""The Python SDK's two clients behind one face, so that one test speaks for both.

The sync client's methods are called in a thread and awaited; what it yields becomes an async
iterator. Nothing else is changed: requests and results are the SDK's own.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from langgraph_sdk import get_client, get_sync_client

KINDS = ("async", "sync")
GROUPS = ("assistants", "threads", "runs", "crons", "store")
PATIENCE = 10.0  # seconds
ASKED = {"question": "approve?", "draft": "draft about cats"}
"""What `agent` asks about cats."""
_END = object()


@asynccontextmanager
async def client_for(kind: str, url: str) -> AsyncIterator[Any]:
    """A client of that kind; both are used as the async one is."""
    if kind == "async":
        async with get_client(url=url) as client:
            yield client
    else:
        with get_sync_client(url=url) as client:
            yield AwaitableClient(client)


class AwaitableClient:
    """The sync client, to be used with `await` and `async for`."""

    def __init__(self, client: Any) -> None:
        for name in GROUPS:
            setattr(self, name, AwaitableGroup(getattr(client, name)))


class AwaitableGroup:
    """One part of the sync client (`client.runs`)."""

    def __init__(self, group: Any) -> None:
        self._group = group

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._group, name)
        if name in ("stream", "join_stream"):
            return lambda *args, **kwargs: stepped(method(*args, **kwargs))
        return functools.partial(asyncio.to_thread, method)


async def stepped(items: Iterator[Any]) -> AsyncIterator[Any]:
    """The items of an iterator, each waited for in a thread."""
    try:
        while (item := await asyncio.to_thread(next, items, _END)) is not _END:
            yield item
    finally:
        if inspect.isgenerator(items):
            await asyncio.to_thread(items.close)


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """What `condition` gives as soon as it is true of the server; fails after ten seconds."""
    deadline = time.monotonic() + PATIENCE
    while not (result := await condition()):
        assert time.monotonic() < deadline, "it did not become true"
        await asyncio.sleep(0.02)
    return result


def public_methods(group: Any) -> list[str]:
    """The names of the methods that a part of the SDK offers."""
    return [
        name
        for name in dir(group)
        if not name.startswith("_") and name != "http" and callable(getattr(group, name))
    ]


async def waiting_thread(client: Any) -> str:
    """A thread of `agent` that waits for an answer."""
    thread = await client.threads.create()
    result = await client.runs.wait(thread["thread_id"], "agent", input={"topic": "cats"})
    assert [one["value"] for one in result["__interrupt__"]] == [ASKED]
    return str(thread["thread_id"])


async def slow_run(client: Any, seconds: float, **options: Any) -> tuple[str, str]:
    """A thread and its run that ticks for so long, and has begun to."""
    thread = await client.threads.create()
    run = await client.runs.create(
        thread["thread_id"], "slow", input={"seconds": seconds}, **options
    )
    await started(client, thread["thread_id"])
    return str(thread["thread_id"]), str(run["run_id"])


async def started(client: Any, thread: str) -> None:
    async def has_state() -> Any:
        return (await client.threads.get_state(thread))["values"]

    await until(has_state)


async def ended_as(client: Any, thread: str, run: str, status: str) -> None:
    async def has_ended() -> bool:
        return bool((await client.runs.get(thread, run))["status"] == status)

    await until(has_ended)
