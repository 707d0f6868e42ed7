"""What every request passes before its route: id, limits, origin, and one line in the log.

An ASGI middleware of its own rather than a stack of them: each layer of a stack costs every request.
Requests that are turned away here get the same form of error as everywhere.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from caesura.server.http.limits import Buckets
from caesura.server.http.problems import Problem, reply_to
from caesura.server.http.replies import Reply
from caesura.server.logs import bind, log
from caesura.server.project.sections import HeaderFilter

if TYPE_CHECKING:
    from caesura.server.services import Server

_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}\Z")
_RUN: Final = re.compile(r"/(threads|runs)/([0-9a-fA-F-]{32,36})(?:/runs/([0-9a-fA-F-]{32,36}))?")
_QUIET: Final = frozenset({"/ok", "/metrics"})
_LOGGED_HEADER: Final = 500
"""Characters of a header that are logged."""
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Pipeline:
    """Wraps the routes. ``origins``: decides which pages of other origins may write."""

    def __init__(
        self, app: ASGIApp, server: Server, origins: Origins, *, local_names: bool = False
    ) -> None:
        self.app, self.server, self.origins = app, server, origins
        self._local_names = local_names
        limits = server.settings.limits
        self._buckets = Buckets(limits.requests_per_minute)
        self._header_bytes = limits.header_bytes
        self._logged = server.settings.http.logging_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            scope["caesura.origins"] = self.origins
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers)
        scope["caesura.request_id"] = request_id
        began, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        with bind(request_id=request_id, **_ids(scope["path"])):
            try:
                refusal = self._refusal(scope, headers)
                if refusal is not None:
                    await refusal(scope, receive, sending)
                else:
                    await self.app(scope, receive, sending)
            finally:
                self._note(scope, status, time.perf_counter() - began)

    def _refusal(self, scope: Scope, headers: Headers) -> Reply | None:
        if scope.get("caesura.inside"):  # a request of the server's own
            return None
        problem = (
            self._too_long(scope)
            or self._misnamed(headers)
            or self._foreign(scope, headers)
            or (None if scope["path"] in _QUIET else self._buckets.problem(_client(scope)))
        )
        return None if problem is None else reply_to(problem)

    def _too_long(self, scope: Scope) -> Problem | None:
        size = sum(len(name) + len(value) for name, value in scope["headers"])
        if size + len(scope.get("query_string", b"")) <= self._header_bytes:
            return None
        text = f"Headers and query are longer than {self._header_bytes} bytes. Nothing was changed."
        return Problem(431, text, code="headers_too_large")

    def _misnamed(self, headers: Headers) -> Problem | None:
        if not self._local_names or is_local_name(headers.get("host", "")):
            return None
        text = (
            "This server takes requests under the names of its own machine only, because nobody has to "
            "say who they are here. Nothing was changed. Configure auth to serve other names."
        )
        return Problem(403, text, code="host_not_allowed")

    def _foreign(self, scope: Scope, headers: Headers) -> Problem | None:
        """A page of another origin may only write if the configuration lets it (`http.cors`)."""
        origin = headers.get("origin")
        if origin is None or scope["method"] in _SAFE or self.origins.allow(origin, headers):
            return None
        text = (
            f"Pages of {origin[:200]} may not call this server. Nothing was changed. Name the origin "
            "under http.cors.allow_origins in the configuration if they should."
        )
        return Problem(403, text, code="origin_not_allowed")

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        method, path = scope["method"], scope["path"]
        route = getattr(scope.get("route"), "path", "unknown")
        self.server.metrics.request(route, method, status, seconds)
        tell = log.debug if path in _QUIET else log.info
        sent = {} if self._logged is None else {"headers": self._headers(scope, self._logged)}
        tell(
            "request", method=method, path=path, status=status, ms=round(seconds * 1000, 2), **sent
        )

    def _headers(self, scope: Scope, logged: HeaderFilter) -> dict[str, str]:
        """The request's headers that the configuration wants in the log; never those with secrets."""
        headers = Headers(scope=scope)
        names = (name for name in dict.fromkeys(headers.keys()) if logged.logs(name))
        return {name: ", ".join(headers.getlist(name))[:_LOGGED_HEADER] for name in names}


def is_local_name(host: str) -> bool:
    """True if a Host header names this machine, with or without a port."""
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name.lower() in ("localhost", ""):
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


class Origins:
    """The origins whose pages may write, as configured; a page of the server itself always may."""

    def __init__(self, allowed: Iterable[str], pattern: str | None) -> None:
        self._allowed = frozenset(allowed)
        self._pattern = None if pattern is None else re.compile(pattern)

    def allow(self, origin: str, headers: Headers) -> bool:
        """Whether a page of ``origin`` may send a request that writes."""
        if "*" in self._allowed or origin in self._allowed:
            return True
        if self._pattern is not None and self._pattern.fullmatch(origin):
            return True
        try:
            return bool(origin != "null" and urlsplit(origin).netloc == headers.get("host"))
        except ValueError:
            return False


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _ID.match(given) else str(uuid4())


def _ids(path: str) -> dict[str, Any]:
    found = _RUN.match(path)
    if found is None:
        return {}
    kind, first, second = found.groups()
    ids = {"thread_id" if kind == "threads" else "run_id": first}
    return {**ids, "run_id": second} if second else ids


def _client(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "unknown"
