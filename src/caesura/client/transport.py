"""The two transports over httpx, sync and async. They send and wait; `client.patience` decides."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, closing
from typing import Any, TypeVar

from caesura.client.encoding import encode
from caesura.client.errors import (
    ApiConnectionError,
    ApiTimeoutError,
    NotFoundError,
    ServerError,
    error_of,
)
from caesura.client.patience import Following, Patience, server_heeds_keys
from caesura.client.requests import NO_BODY, Reply, Request, StreamRequest
from caesura.client.shapes import StreamPart

try:
    import httpx as httpx
except ImportError as error:
    raise ImportError(
        'The client needs httpx, which is not installed. Install it with: pip install "caesura[client]"'
    ) from error

T = TypeVar("T")

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_LOST = (httpx.TransportError, ApiConnectionError, ServerError)


def arguments(request: Request[Any]) -> dict[str, Any]:
    """``request`` as httpx takes it."""
    headers, content = dict(request.headers), None
    if request.body is not NO_BODY:
        content = encode(request.body)
        headers.setdefault("Content-Type", "application/json")
    params = _query(request.params)
    return {
        "method": request.method,
        "url": request.path,
        "headers": headers,
        "content": content,
        **({"params": params} if params else {}),
    }


def _query(params: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Query parameters as texts; a list repeats its key, None is left out."""
    pairs: list[tuple[str, str]] = []
    for name, value in (params or {}).items():
        several = value if isinstance(value, (list, tuple, set, frozenset)) else (value,)
        pairs += [(name, _text(item)) for item in several if item is not None]
    return pairs


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _timed_out(error: httpx.TransportError) -> ApiTimeoutError:
    return ApiTimeoutError(
        f"{type(error).__name__}: the server did not answer in time. It may have done what was asked: "
        "look before you repeat it, or give the client a longer timeout."
    )


class SyncTransport:
    """Sends requests and waits for the replies."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.base = str(http.base_url)
        self._heeds_keys: bool | None = None

    def send(self, request: Request[T]) -> T:
        """What the reply says. Raises `ApiError` where it is none of success, `ApiConnectionError`."""
        patience = Patience(request, self.base)
        while True:
            response = self._open(patience)
            try:
                with closing(response):
                    content = response.read()
            except httpx.TransportError as error:
                time.sleep(patience.cut_off(error))
            else:
                return request.read(Reply(response.status_code, response.headers, content))

    def stream(self, request: StreamRequest[T]) -> Iterator[T]:
        """The items of a stream as they come. Raises as `send`."""
        following = Following(request, self.base)
        while True:
            try:
                for part in self._parts(following):
                    if (item := request.shape(part)) is not None:
                        yield item
            except _LOST as error:
                if not following.begun:
                    raise
                pause = following.lost(error)
            else:
                question = following.open_question()
                if question is None and not following.endless:
                    return
                pause = following.closed(self._ask(question))
            time.sleep(pause)

    def _parts(self, following: Following) -> Iterator[StreamPart]:
        patience = Patience(following.request, self.base, 0 if following.begun else 2)
        with closing(self._open(patience)) as response:
            following.opened(response.headers)
            for chunk in response.iter_bytes():
                yield from following.feed(chunk)

    def _open(self, patience: Patience) -> httpx.Response:
        """The reply as far as its headers."""
        while True:
            sent = self.http.build_request(**arguments(patience.request))
            try:
                response = self.http.send(sent, stream=True)
            except httpx.TransportError as error:
                if isinstance(error, httpx.ReadTimeout):
                    raise _timed_out(error) from error
                safe = isinstance(error, _NOT_SENT) or (patience.depends and self._ask_keys())
                time.sleep(patience.unanswered(error, safe=safe))
                continue
            if response.is_success:
                patience.answered(response.headers)
                return response
            with closing(response):
                raise error_of(response.status_code, response.headers, response.read())

    def _ask(self, question: Request[bool] | None) -> bool:
        try:
            return question is not None and self.send(question)
        except NotFoundError:
            return True

    def _ask_keys(self) -> bool:
        if self._heeds_keys is None:
            self._heeds_keys = self.send(server_heeds_keys())
        return self._heeds_keys


class AsyncTransport:
    """As `SyncTransport`, without blocking."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.base = str(http.base_url)
        self._heeds_keys: bool | None = None

    async def send(self, request: Request[T]) -> T:
        """What the reply says. Raises `ApiError` where it is none of success, `ApiConnectionError`."""
        patience = Patience(request, self.base)
        while True:
            response = await self._open(patience)
            try:
                async with aclosing(response):
                    content = await response.aread()
            except httpx.TransportError as error:
                await asyncio.sleep(patience.cut_off(error))
            else:
                return request.read(Reply(response.status_code, response.headers, content))

    async def stream(self, request: StreamRequest[T]) -> AsyncGenerator[T, None]:
        """The items of a stream as they come. Raises as `send`."""
        following = Following(request, self.base)
        while True:
            try:
                async with aclosing(self._parts(following)) as parts:
                    async for part in parts:
                        if (item := request.shape(part)) is not None:
                            yield item
            except _LOST as error:
                if not following.begun:
                    raise
                pause = following.lost(error)
            else:
                question = following.open_question()
                if question is None and not following.endless:
                    return
                pause = following.closed(await self._ask(question))
            await asyncio.sleep(pause)

    async def _parts(self, following: Following) -> AsyncGenerator[StreamPart, None]:
        patience = Patience(following.request, self.base, 0 if following.begun else 2)
        async with aclosing(await self._open(patience)) as response:
            following.opened(response.headers)
            async for chunk in response.aiter_bytes():
                for part in following.feed(chunk):
                    yield part

    async def _open(self, patience: Patience) -> httpx.Response:
        """The reply as far as its headers."""
        while True:
            sent = self.http.build_request(**arguments(patience.request))
            try:
                response = await self.http.send(sent, stream=True)
            except httpx.TransportError as error:
                if isinstance(error, httpx.ReadTimeout):
                    raise _timed_out(error) from error
                safe = isinstance(error, _NOT_SENT) or (patience.depends and await self._ask_keys())
                await asyncio.sleep(patience.unanswered(error, safe=safe))
                continue
            if response.is_success:
                patience.answered(response.headers)
                return response
            async with aclosing(response):
                content = await response.aread()
            raise error_of(response.status_code, response.headers, content)

    async def _ask(self, question: Request[bool] | None) -> bool:
        try:
            return question is not None and await self.send(question)
        except NotFoundError:
            return True

    async def _ask_keys(self) -> bool:
        if self._heeds_keys is None:
            self._heeds_keys = await self.send(server_heeds_keys())
        return self._heeds_keys
