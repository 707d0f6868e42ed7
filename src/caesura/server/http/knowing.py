"""Who calls, found out around the project's own application: its routes, and its middleware.

Our own routes ask for themselves (`caesura.server.http.dispatch`). Routes of ``http.app`` are asked for
by `Known`, if the configuration wants it. `AuthFirst` asks before the application's middleware sees a
request, where ``http.middleware_order`` says so; what it found is kept with the request, and nobody asks
again.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from caesura.server.auth import AuthRefusal
from caesura.server.http.dispatch import fail
from caesura.server.http.reading import read_bytes

if TYPE_CHECKING:
    from caesura.server.services import Server


class Known:
    """A route of the project, for callers that say who they are; it finds them as ``request.user``."""

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self.app, self.server = app, server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await let_in(self.server, self.app, scope, receive, send)


class AuthFirst:
    """The project's application, behind authentication.

    ``own``: the routes of ours among those of ``app``. Those that are open to everybody stay so, and so
    do the project's own, unless ``http.enable_custom_route_auth`` is set.
    """

    def __init__(self, app: Starlette, server: Server, own: Collection[BaseRoute]) -> None:
        self.app, self.server = app, server
        self._own = frozenset(map(id, own))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._found(scope)
        if found is None:
            await self.app(scope, receive, send)
        else:
            await let_in(self.server, self.app, scope, receive, send, path_params=found)

    def _found(self, scope: Scope) -> Any:
        """The path parameters of the route that the request is for; None if it lets everybody in."""
        for route in self.app.router.routes:
            match, child = route.matches(scope)
            if match is Match.FULL:
                asks = self._asks(route, scope)
                return child.get("path_params", {}) if asks else None
        return None

    def _asks(self, route: BaseRoute, scope: Scope) -> bool:
        if id(route) not in self._own:
            return self.server.settings.http.enable_custom_route_auth
        is_public = getattr(getattr(route, "endpoint", None), "is_public", None)
        return is_public is None or not is_public(scope["method"])


async def let_in(
    server: Server,
    app: ASGIApp,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    path_params: Any = None,
) -> None:
    """Hand a request on if its caller is known; refuse it otherwise."""
    if scope["type"] not in ("http", "websocket"):
        await app(scope, receive, send)
        return
    if path_params is not None:
        scope = {**scope, "path_params": path_params}
    if scope["type"] == "websocket":
        await _let_socket_in(server, app, scope, receive, send)
        return
    reading = _Body(scope, receive, server.settings.limits.body_bytes)
    try:
        caller = await server.identify(Request(scope, receive), reading.read)
    except Exception as error:
        await fail(error, Request(scope, receive))(scope, receive, send)
        return
    scope.update({"caesura.caller": caller, "user": caller.user})
    await app(scope, reading.receive, send)


async def _let_socket_in(
    server: Server, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """A WebSocket that is refused is closed with 4000 + the HTTP status, which clients can read."""
    try:
        caller = await server.identify(HTTPConnection(scope), _no_body)
    except AuthRefusal as refusal:
        socket = WebSocket(scope, receive, send)
        await socket.accept()
        detail = refusal.detail.encode()[:120].decode(errors="ignore")
        await socket.close(4000 + refusal.status, detail)
        return
    scope.update({"caesura.caller": caller, "user": caller.user})
    await app(scope, receive, send)


async def _no_body() -> bytes:
    return b""


class _Body:
    """A request's body, for an authentication handler that looks at it and for whoever comes after."""

    def __init__(self, scope: Scope, receive: Receive, limit: int) -> None:
        self._scope, self._receive, self._limit = scope, receive, limit
        self._data: bytes | None = None
        self._told = False

    async def read(self) -> bytes:
        """All of it."""
        if self._data is None:
            self._data = await read_bytes(Request(self._scope, self._receive), self._limit)
        return self._data

    async def receive(self) -> Message:
        """What ASGI's ``receive`` gives, as if nobody had read the body."""
        if self._data is None or self._told:
            return await self._receive()
        self._told = True
        return {"type": "http.request", "body": self._data, "more_body": False}
