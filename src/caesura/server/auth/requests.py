"""`RequestFacts`: what authentication may look at, as plain data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import HTTPConnection


async def _no_body() -> bytes:
    return b""


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """A request. Header names are lower case; ``body`` reads it (once; later calls give the same)."""

    method: str = "GET"
    path: str = "/"
    headers: Sequence[tuple[bytes, bytes]] = ()
    query_params: Mapping[str, str] = field(default_factory=dict)
    path_params: Mapping[str, Any] = field(default_factory=dict)
    client: str | None = None
    body: Callable[[], Awaitable[bytes]] = _no_body
    request: Any = None
    """The Starlette request, for handlers that ask for it."""

    @classmethod
    def of(cls, request: HTTPConnection, body: Callable[[], Awaitable[bytes]]) -> RequestFacts:
        """The facts of a Starlette request (or WebSocket)."""
        return cls(
            method=request.scope.get("method", "GET"),
            path=request.scope["path"],
            headers=request.scope["headers"],
            query_params=request.query_params,
            path_params=request.path_params,
            client=request.client.host if request.client else None,
            body=body,
            request=request,
        )

    def header(self, name: bytes) -> str | None:
        """A header's value. None if it is absent, or there more than once (which one counts?)."""
        values = [v for k, v in self.headers if k == name]
        return values[0].decode("latin-1") if len(values) == 1 else None

    @property
    def bearer(self) -> str | None:
        """The token of ``Authorization: Bearer …``."""
        scheme, _, token = (self.header(b"authorization") or "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None
