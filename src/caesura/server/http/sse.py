"""Server-sent events, and answers that a client waits for, as ASGI responses.

Sending waits for the client (uvicorn holds back when its buffer is full), so a slow reader costs one
buffer; the run goes on regardless, see `caesura.server.running.streams`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from caesura.server.encoding import JSON_TYPE
from caesura.server.running.streams import HEARTBEAT_SECONDS

SSE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
    "Content-Type": "text/event-stream; charset=utf-8",
}
Gone = Callable[[], Awaitable[None]]


class EventStream:
    """A response of chunks as they come. ``on_gone``: called if the client goes away before the end."""

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        headers: Mapping[str, str] | None = None,
        on_gone: Gone | None = None,
    ) -> None:
        self.chunks, self.headers, self.on_gone = (
            chunks,
            {**SSE_HEADERS, **(headers or {})},
            on_gone,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(_start(200, self.headers))
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                if self.on_gone is not None:
                    await self.on_gone()
            else:
                await sending
        finally:
            for task in (sending, leaving):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await task
            if isinstance(self.chunks, AsyncGenerator):
                await self.chunks.aclose()

    async def _send(self, send: Send) -> None:
        async for chunk in self.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class WaitedFor:
    """A JSON body that may take long: a line break every few seconds keeps the connection alive."""

    def __init__(
        self,
        body: Awaitable[bytes],
        headers: Mapping[str, str],
        on_gone: Gone | None = None,
    ) -> None:
        self.body, self.headers, self.on_gone = body, headers, on_gone

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.ensure_future(self.body)
        try:
            await asyncio.wait({task}, timeout=HEARTBEAT_SECONDS if self.on_gone is None else 0.0)
            headers = {**self.headers, "Content-Type": JSON_TYPE}
            if task.done():
                data = task.result()
                headers["Content-Length"] = str(len(data))
                await send(_start(200, headers))
                await send({"type": "http.response.body", "body": data})
                return
            await send(_start(200, headers))
            await self._keep_alive(task, receive, send)
        finally:
            task.cancel()

    async def _keep_alive(self, task: asyncio.Future[bytes], receive: Receive, send: Send) -> None:
        leaving = asyncio.create_task(_left(receive))
        both: set[asyncio.Future[Any]] = {task, leaving}
        try:
            while not task.done():
                await asyncio.wait(
                    both, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if leaving.done() and not task.done():
                    if self.on_gone is not None:
                        await self.on_gone()
                    return
                if not task.done():
                    await send({"type": "http.response.body", "body": b"\n", "more_body": True})
            await send({"type": "http.response.body", "body": task.result()})
        finally:
            leaving.cancel()


async def _left(receive: Receive) -> None:
    """Until the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _start(status: int, headers: Mapping[str, str]) -> dict[str, Any]:
    head = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": head}
