"""A server, put together: database, graphs, services, routes; opened and closed as one.

`make_app` gives the ASGI application that ``caesura dev`` and ``caesura serve`` run. Nothing is opened
before its lifespan starts, and everything is closed, runs first, when it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from caesura.server.assistants import ensure_system_assistants
from caesura.server.http.dispatch import Dispatch, fail
from caesura.server.http.knowing import AuthFirst, Known
from caesura.server.http.pipeline import Origins, Pipeline
from caesura.server.http.problems import Problem, reply_to
from caesura.server.http.routes import Endpoint
from caesura.server.project.environment import Environment
from caesura.server.project.settings import Settings
from caesura.server.services import Server, open_server

LOCAL_PAGES = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"
"""Origins that ``caesura dev`` lets in where the configuration names none."""
_EXPOSED = ("x-pagination-total", "x-pagination-next", "content-location", "location")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a server is to be."""

    settings: Settings
    environment: Environment
    database: str
    """Path of a SQLite file, or a database URL."""
    local_pages: bool = False
    """Let pages served from this machine call, where the configuration names no origins."""
    local_names: bool = False
    """Take requests only under this machine's own names. Where nobody has to say who they are, a page
    of somebody else's could otherwise come in under a name that it lets point here."""


def make_app(plan: Plan) -> ASGIApp:
    """The ASGI application of a server."""
    return _Serving(plan)


class _Serving:
    """Opens the server when the lifespan starts, and hands requests to its routes."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.routes: ASGIApp | None = None
        self.server: Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def leave(self) -> None:
        """The process was told to stop: streams that never end by themselves end now."""
        if self.server is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self.server.closing.set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif self.routes is not None:
            await self.routes(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            async with contextlib.AsyncExitStack() as stack:
                await self._open(stack)
                await send({"type": "lifespan.startup.complete"})
                await receive()
                if self.server is not None:
                    self.server.closing.set()
            await send({"type": "lifespan.shutdown.complete"})
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise

    async def _open(self, stack: contextlib.AsyncExitStack) -> None:
        plan, self._loop = self.plan, asyncio.get_running_loop()
        server = await stack.enter_async_context(
            open_server(plan.settings, plan.environment, plan.database)
        )
        await ensure_system_assistants(server)
        self.server = server
        routes = list(route_list(server))
        app = _starlette(server, routes)
        await stack.enter_async_context(app.router.lifespan_context(app))
        self.routes = _wrapped(_ordered(app, server, routes), server, plan)
        server.outbox.poster.app = self.routes


def _starlette(server: Server, routes: Sequence[BaseRoute]) -> Starlette:
    """The project's own application with our routes behind its own, or one of ours."""
    custom = server.custom_app
    if custom is None:
        app = Starlette()
        app.router.default = Table(routes)
    else:
        app = custom
        if server.settings.http.enable_custom_route_auth:
            for route in app.router.routes:
                if hasattr(route, "app"):
                    route.app = Known(route.app, server)
        app.router.routes.extend(routes)
        app.router.default = _not_found
    app.router.redirect_slashes = False
    return app


def _ordered(app: Starlette, server: Server, routes: Sequence[BaseRoute]) -> ASGIApp:
    """The application, behind authentication if that is to come before its middleware."""
    if server.custom_app is None or server.settings.http.middleware_order != "auth_first":
        return app
    return AuthFirst(app, server, routes)


class Table:
    """Routes by the number of their segments: a request is compared with a few of them, not with all."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._of_any_size = [r for r in routes if ":path}" in getattr(r, "path", "")]
        self._by_size: dict[int, list[BaseRoute]] = {}
        for route in routes:
            if route not in self._of_any_size:
                size = str(getattr(route, "path", "")).count("/")
                self._by_size.setdefault(size, []).append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = scope["path"].count("/")
        for route in (*self._by_size.get(size, ()), *self._of_any_size):
            match, found = route.matches(scope)
            if match is Match.FULL:
                scope.update({"route": route, **found})
                await route.handle(scope, receive, send)
                return
        await _not_found(scope, receive, send)


def route_list(server: Server) -> Iterator[BaseRoute]:
    """Our routes, without those that the configuration switches off."""
    from caesura.server.resources import all_endpoints, socket_routes

    endpoints = [e for e in all_endpoints() if not is_disabled(e, server.settings)]
    server.endpoints = endpoints
    prefix = server.prefix
    by_path: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints:
        by_path.setdefault(endpoint.path, []).append(endpoint)
    for path, several in sorted(by_path.items(), key=lambda item: item[0].count("{")):
        yield Route(prefix + path, _Methods(several, server))
    yield from socket_routes(server, prefix)


def is_disabled(endpoint: Endpoint, settings: Settings) -> bool:
    """True if ``http.disable_<group>`` is set."""
    return bool(getattr(settings.http, f"disable_{endpoint.group}", False))


class _Methods:
    """The endpoints of one path, by method."""

    def __init__(self, endpoints: Sequence[Endpoint], server: Server) -> None:
        self._by_method = {e.method: Dispatch(e, server) for e in endpoints}
        for endpoint in endpoints:
            if endpoint.method == "GET" and not endpoint.streams:
                self._by_method.setdefault("HEAD", self._by_method["GET"])

    def is_public(self, method: str) -> bool:
        """True if a request with this method is not asked who sends it."""
        found = self._by_method.get(method)
        return found is None or found.endpoint.public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._by_method.get(scope["method"])
        if found is None:
            allowed = ", ".join(sorted(self._by_method))
            problem = Problem(405, "Method Not Allowed", headers={"Allow": allowed})
            await reply_to(problem)(scope, receive, send)
        else:
            await found(scope, receive, send)


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 4404})
        return
    await reply_to(Problem(404, "Not Found"))(scope, receive, send)


def _wrapped(app: ASGIApp, server: Server, plan: Plan) -> ASGIApp:
    cors = plan.settings.http.cors
    pattern = LOCAL_PAGES if cors is None and plan.local_pages else None
    if cors is not None:
        pattern = cors.allow_origin_regex
    allowed: Sequence[str] = () if cors is None else cors.allow_origins
    inner: ASGIApp = _Guarded(app)
    if allowed or pattern:
        inner = CORSMiddleware(
            inner,
            allow_origins=list(allowed),
            allow_origin_regex=pattern,
            allow_methods=list(cors.allow_methods) if cors else ["*"],
            allow_headers=list(cors.allow_headers) if cors else ["*"],
            allow_credentials=bool(cors and cors.allow_credentials),
            expose_headers=[*_EXPOSED, *(cors.expose_headers if cors else ())],
            max_age=cors.max_age if cors else 600,
        )
    return Pipeline(inner, server, Origins(allowed, pattern), local_names=plan.local_names)


class _Guarded:
    """The last net: an error of a custom route or of a middleware becomes a reply, too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def sending(message: Any) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            await fail(error, Request(scope, receive))(scope, receive, send)


@contextlib.asynccontextmanager
async def running(plan: Plan) -> AsyncIterator[tuple[ASGIApp, Server]]:
    """The application with its lifespan held open: for tests, and for those who host it themselves."""
    serving = _Serving(plan)
    async with contextlib.AsyncExitStack() as stack:
        await serving._open(stack)
        assert serving.server is not None
        yield serving, serving.server
