"""From an ASGI request to a route and back: authenticate, read, call, tell errors.

One `Dispatch` an endpoint. Everything that can go wrong ends in one place, `_fail`: what the table in
`problems` knows becomes that status; anything else is logged with its traceback and becomes a 500 that
says nothing about the inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from caesura.server.auth import AuthRefusal, Caller
from caesura.server.http.call import Call
from caesura.server.http.problems import Problem, problem_of, reply_to
from caesura.server.http.reading import decode, read_bytes, read_query
from caesura.server.http.replies import Reply
from caesura.server.http.routes import Endpoint
from caesura.server.http.sse import EventStream
from caesura.server.logs import log

if TYPE_CHECKING:
    from caesura.server.services import Server


class Dispatch:
    """An endpoint as an ASGI app."""

    def __init__(self, endpoint: Endpoint, server: Server) -> None:
        self.endpoint, self.server = endpoint, server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        client = ""
        try:
            caller = await self._caller(request)
            client = client_of(caller, request)
            await self.server.enter(request, caller)
            if self.endpoint.streams:
                self.server.slots.check(client)
            reply = await self._answer(request, caller)
        except BaseException as error:
            reply = fail(error, request)
        if not isinstance(reply, EventStream):
            await reply(scope, receive, send)
            return
        with self.server.slots.taken(client):
            await reply(scope, receive, send)

    async def _caller(self, request: Request) -> Caller:
        if self.endpoint.public:
            return self.server.nobody
        return await self.server.identify(request, lambda: self._body(request))

    async def _body(self, request: Request) -> bytes:
        """The body, read once, however often it is asked for."""
        if "caesura.body" not in request.scope:
            limit = self.server.settings.limits.body_bytes
            request.scope["caesura.body"] = await read_bytes(request, limit)
        data: bytes = request.scope["caesura.body"]
        return data

    async def _answer(self, request: Request, caller: Caller) -> Any:
        endpoint, server = self.endpoint, self.server
        query = read_query(request, endpoint.query) if endpoint.query is not None else None
        given: Any = None
        if endpoint.body is not None:
            raw = await self._body(request)
            if raw or endpoint.body_required:
                given = decode(raw, endpoint.body)
        request_id = request.scope.get("caesura.request_id", "")
        result = await endpoint.handler(Call(server, request, caller, request_id, given, query))
        return result if callable(result) else Reply(result)


def client_of(caller: Caller, request: Request) -> str:
    """Who counts as one client: the caller, or without authentication the address."""
    return caller.identity or (request.client.host if request.client else "unknown")


def fail(error: BaseException, request: Request) -> Reply:
    """The reply that tells an error; what nobody expected is logged with its traceback."""
    if isinstance(error, AuthRefusal):
        return reply_to(Problem(error.status, error.detail, headers=error.headers))
    if isinstance(error, HTTPException):
        return reply_to(Problem(error.status_code, error.detail, headers=error.headers))
    problem = problem_of(error)
    if problem is not None:
        return reply_to(problem)
    if not isinstance(error, Exception):
        raise error
    log.error("request failed", path=request.url.path, method=request.method, exc_info=error)
    return reply_to(
        Problem(
            500,
            "Internal Server Error. The server's log says what happened, under the request id of "
            "the X-Request-Id header.",
            code="internal_error",
        )
    )
