"""What comes, until the server is about to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import TypeVar

from caesura.server.running.streams import HEARTBEAT, HEARTBEAT_SECONDS

T = TypeVar("T")


async def silence(closing: asyncio.Event) -> AsyncGenerator[bytes]:
    """A stream on which nothing comes: of a thread that does not exist, or that the caller may not see.
    The two must not differ, or the difference would say that the thread exists."""
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await closing.wait()
                return
        yield HEARTBEAT


async def until(closing: asyncio.Event, items: AsyncGenerator[T]) -> AsyncGenerator[T]:
    """The items as they come; ends with them, or when ``closing`` is set. Closes ``items``."""
    stop = asyncio.create_task(closing.wait())
    try:
        while True:
            coming = asyncio.ensure_future(anext(items))
            try:
                await asyncio.wait({coming, stop}, return_when=asyncio.FIRST_COMPLETED)
                if stop.done():
                    return
                try:
                    yield coming.result()
                except StopAsyncIteration:
                    return
            finally:
                coming.cancel()
                with suppress(asyncio.CancelledError, StopAsyncIteration):
                    await coming
    finally:
        stop.cancel()
        await items.aclose()
