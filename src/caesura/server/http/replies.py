"""What a route returns: plain data (200, JSON), a `Reply`, or any ASGI response (streams, pages)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.types import Receive, Scope, Send

from caesura.server.encoding import JSON_TYPE, encode


class Reply:
    """A status, headers, and a body that is encoded as JSON; ``NO_BODY`` sends none."""

    __slots__ = ("body", "headers", "media_type", "status")

    def __init__(
        self,
        body: Any,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str = JSON_TYPE,
    ) -> None:
        self.body, self.status, self.media_type = body, status, media_type
        self.headers = dict(headers or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in self.headers.items()]
        if self.body is NO_BODY:
            data = b""
        else:
            data = self.body if isinstance(self.body, bytes) else encode(self.body)
            head.append((b"content-type", self.media_type.encode()))
        if self.status not in (204, 304):
            head.append((b"content-length", str(len(data)).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": head})
        await send({"type": "http.response.body", "body": data})


class _NoBody:
    __slots__ = ()


NO_BODY = _NoBody()


def empty(status: int = 204, headers: Mapping[str, str] | None = None) -> Reply:
    """A reply without a body."""
    return Reply(NO_BODY, status, headers)


def page_headers(offset: int, count: int, more: bool) -> dict[str, str]:
    """Pagination headers of a search: the total is a lower bound while there is more."""
    headers = {"X-Pagination-Total": str(offset + count + (1 if more else 0))}
    if more:
        headers["X-Pagination-Next"] = str(offset + count)
    return headers
