"""The thread event protocol (v3): commands and events, over plain requests or one WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final
from uuid import uuid4

import msgspec
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from caesura.records.operations import GetThread
from caesura.server.auth import AuthRefusal, Caller
from caesura.server.drafting import Origin
from caesura.server.http.call import Call, uuid_text
from caesura.server.http.pipeline import Origins
from caesura.server.http.problems import Problem, not_found, problem_of
from caesura.server.http.replies import Reply
from caesura.server.http.routes import Answer, Routes
from caesura.server.http.sse import EventStream
from caesura.server.logs import log
from caesura.server.protocol.closing import silence, until
from caesura.server.protocol.commands import (
    CommandError,
    Commands,
    failure,
    read_command,
    refusal_of,
    success,
)
from caesura.server.protocol.journal import wire_form
from caesura.server.protocol.selection import (
    Selection,
    SelectionError,
    read_count,
    read_selection,
)
from caesura.server.protocol.session import Session
from caesura.server.resources.runs import STREAM, origin_of
from caesura.server.running.streams import HEARTBEAT
from caesura.server.services import Server

routes = Routes("Thread protocol", group="threads")
_EVENTS: Final = "/threads/{thread_id}/stream/events"
_TOO_LARGE: Final = 1009


@routes.post(
    "/threads/{thread_id}/commands",
    body=bytes,
    answers={
        200: Answer("The command's reply.", dict[str, Any]),
        400: Answer("The command cannot be read: a reply of type `error`.", dict[str, Any]),
    },
)
async def send_command(call: Call[bytes, None]) -> Any:
    """Send a command: `run.start`, `input.respond`, `agent.getTree`.

    The body is `{"id", "method", "params"}`. A refused command is answered with 200 and
    `{"type": "error", "error": <code>, "message"}`. Subscriptions are for the WebSocket; here they are
    taken note of and have no effect.
    """
    thread_id = call.thread_id
    given = _json(call.body)
    try:
        command = read_command(given)
    except CommandError as error:
        return Reply(failure(None, error), 400)
    if command.method in ("subscription.subscribe", "subscription.unsubscribe"):
        named = {"subscription_id": str(uuid4()), "replayed_events": 0}
        return success(command.id, named if command.method.endswith(".subscribe") else {})
    try:
        commands = Commands(call.server, origin_of(call), thread_id)
        return success(command.id, await commands.perform(command))
    except Exception as error:
        return failure(command.id, refusal_of(error))


@routes.post(_EVENTS, body=bytes, answers={200: STREAM}, errors=(400, 404))
async def stream_events(call: Call[bytes, None]) -> Any:
    """Follow the events of a thread: those there are, then those to come, over all its runs.

    The body is `{"channels", "namespaces"?, "depth"?, "since"?}`. The thread need not exist yet.
    """
    thread_id = call.thread_id
    given = _json(call.body)
    try:
        selection = read_selection(given if isinstance(given, dict) else {})
        since = read_count(given, "since") or 0
    except SelectionError as error:
        raise Problem(400, str(error), code="invalid_request") from None
    filters = await call.authorise("threads", "read", {"thread_id": thread_id})
    if not await may_read(call.server, thread_id, filters):
        return EventStream(silence(call.server.closing))
    return EventStream(_events(call, thread_id, filters, selection, since))


async def may_read(server: Server, thread_id: str, filters: Mapping[str, Any]) -> bool:
    """True if the thread is the caller's, or there is none yet."""
    if not filters or await server.do(GetThread(thread_id, filters)) is not None:
        return True
    return await server.do(GetThread(thread_id)) is None


async def _events(
    call: Call[Any, Any],
    thread_id: str,
    filters: Mapping[str, Any],
    selection: Selection,
    since: int,
) -> AsyncGenerator[bytes]:
    server, checked = call.server, not filters
    events = server.journal.follow(thread_id, since)
    async with aclosing(until(server.closing, events)) as coming:
        async for event in coming:
            if event is None:
                yield HEARTBEAT
                continue
            if not checked and not await may_read(server, thread_id, filters):
                continue
            checked = True
            if selection.takes(event):
                data = wire_form(event)
                yield b"event: %b\r\ndata: %b\r\nid: %d\r\n\r\n" % (
                    event.name.encode(), data, event.seq,
                )  # fmt: skip


def _json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem(400, "Invalid JSON body", code="invalid_request") from None


# --- WebSocket ---------------------------------------------------------------------------------


def socket_routes(server: Server, prefix: str) -> Sequence[WebSocketRoute]:
    """The route of the protocol's WebSocket."""
    if getattr(server.settings.http, "disable_threads", False):
        return ()

    async def serve(socket: WebSocket) -> None:
        await _Connection(server, socket).serve()

    return (WebSocketRoute(prefix + _EVENTS, serve),)


class _Connection:
    """One WebSocket, from its handshake to its end. Refusals close it with 4000 + the HTTP status."""

    def __init__(self, server: Server, socket: WebSocket) -> None:
        self.server, self.socket = server, socket
        self.thread_id = ""
        self.filters: Mapping[str, Any] = {}

    async def serve(self) -> None:
        """Let the client in, and serve it until one of both goes."""
        await self.socket.accept()
        try:
            caller = await self._admitted()
        except Exception as error:
            await self._refuse(error)
            return
        with self.server.slots.taken(self._client(caller)):
            await self._serve(caller)

    async def _admitted(self) -> Caller:
        self._check_origin()
        caller = await self.server.identify(self.socket, _no_body)
        self.thread_id = uuid_text(str(self.socket.path_params["thread_id"]), "thread ID")
        value = {"thread_id": self.thread_id}
        self.filters = await self.server.authoriser.authorise(caller, "threads", "read", value)
        if not await self._may_read():
            raise not_found(f"Thread with ID {self.thread_id} not found")
        self.server.slots.check(self._client(caller))
        return caller

    def _check_origin(self) -> None:
        """Pages of other origins are kept out: a browser lets any page open a WebSocket."""
        origin = self.socket.headers.get("origin")
        origins = self.socket.scope.get("caesura.origins") or Origins((), None)
        if origin is not None and not origins.allow(origin, self.socket.headers):
            text = f"Pages of {origin[:80]} may not call this server"
            raise Problem(403, text, code="origin_not_allowed")

    async def _may_read(self) -> bool:
        return await may_read(self.server, self.thread_id, self.filters)

    def _client(self, caller: Caller) -> str:
        client = self.socket.client
        return caller.identity or (client.host if client else "unknown")

    async def _refuse(self, error: Exception) -> None:
        if isinstance(error, AuthRefusal):
            status, detail = error.status, error.detail
        else:
            problem = problem_of(error)
            if problem is None:
                log.error("WebSocket failed", path=self.socket.url.path, exc_info=error)
            status = 500 if problem is None else problem.status
            detail = "Internal Server Error" if problem is None else problem.detail
        await self.socket.close(4000 + status, detail.encode()[:120].decode(errors="ignore"))

    async def _serve(self, caller: Caller) -> None:
        origin = Origin(caller, headers=self.socket.headers)
        commands = Commands(self.server, origin, self.thread_id)
        session = Session(
            self.server.journal, self.thread_id, commands, self.socket.send_text, self._may_read
        )
        tasks = {
            asyncio.create_task(self._receive(session)),
            asyncio.create_task(session.follow()),
            asyncio.create_task(self.server.closing.wait()),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await self._end(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _end(self, tasks: set[asyncio.Task[Any]]) -> None:
        for task in tasks:
            error = task.exception() if task.done() else None
            if isinstance(error, WebSocketDisconnect):
                return
            if isinstance(error, Exception):
                await self._refuse(error)
                return
        await self.socket.close(1001 if self.server.closing.is_set() else _TOO_LARGE)

    async def _receive(self, session: Session) -> None:
        """Take what comes; returns if it is too long."""
        while True:
            text = await self.socket.receive_text()
            if len(text) > self.server.settings.limits.body_bytes:
                return
            await session.take(text)


async def _no_body() -> bytes:
    return b""
