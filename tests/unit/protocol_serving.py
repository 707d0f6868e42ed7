"""A server in this process whose streams can be read while they go on, over bare ASGI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from caesura.server.app import Plan, running
from caesura.server.project.environment import Environment
from caesura.server.project.settings import settings_of
from caesura.server.services import Server

PROJECT = """
import asyncio
import operator
from typing import Annotated, TypedDict
from caesura.config import get_stream_writer
from caesura.graph import START, StateGraph
from caesura.types import interrupt

class State(TypedDict, total=False):
    topic: str
    log: Annotated[list[str], operator.add]

class Decision(TypedDict):
    approve: bool
    note: str

gate = asyncio.Event()

def one(state: State) -> State:
    if state.get("topic") == "boom":
        raise ValueError("boom at node")
    get_stream_writer()({"name": "progress", "payload": 1})
    return {"log": ["one"]}

def ask(state: State) -> State:
    return {"log": [str(interrupt({"question": "sure?"}, response_schema=Decision)["note"])]}

def ask_freely(state: State) -> State:
    return {"log": [str(interrupt("why?"))]}

async def wait(state: State) -> State:
    await gate.wait()
    return {"log": ["waited"]}

def graph_of(**nodes):
    builder = StateGraph(State)
    before = START
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(before, name)
        before = name
    return builder.compile()

def both_of(**nodes):
    builder = StateGraph(State)
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(START, name)
    return builder.compile()

agent = graph_of(one=one, ask=ask)
plain = graph_of(one=one)
waiting = graph_of(wait=wait)
outer = graph_of(first=one, child=graph_of(inner=one, ask=ask_freely))
pair = both_of(left=ask_freely, right=ask)
"""
GRAPHS = {n: f"./protocol_graphs.py:{n}" for n in ("agent", "plain", "waiting", "outer", "pair")}


@dataclass
class Stream:
    """The body of a response that goes on."""

    status: int
    headers: dict[str, str]
    chunks: asyncio.Queue[bytes | None]
    task: asyncio.Task[None]
    left: asyncio.Event
    buffer: bytes = b""

    async def event(self) -> dict[str, str]:
        """The next event: its fields. Comments are left out."""
        async with asyncio.timeout(20):
            return await self._event()

    async def _event(self) -> dict[str, str]:
        while True:
            while b"\r\n\r\n" not in self.buffer:
                chunk = await self.chunks.get()
                if chunk is None:
                    raise EOFError(self.buffer)
                self.buffer += chunk
            frame, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
            lines = [line.partition(": ") for line in frame.decode().split("\r\n")]
            fields = {name: value for name, _, value in lines if name}
            if fields:
                return fields

    async def data(self) -> Any:
        """The data of the next event."""
        return json.loads((await self.event())["data"])

    async def until(self, method: str, phase: str | None = None) -> list[Any]:
        """The data of the events up to one of this method (and lifecycle phase)."""
        found = []
        while True:
            found.append(await self.data())
            event = found[-1]
            if event["method"] == method and phase in (None, event["params"]["data"].get("event")):
                return found

    async def close(self) -> None:
        """Go away."""
        self.left.set()
        await self.task


@dataclass
class Socket:
    """A client's end of a WebSocket."""

    sent: asyncio.Queue[dict[str, Any]]
    received: asyncio.Queue[dict[str, Any]]
    task: asyncio.Task[None]
    passed_over: list[Any] = field(default_factory=list)
    """Events that came before a reply."""

    async def ask(self, **command: Any) -> Any:
        """Send a command; returns the reply to it."""
        await self.text(json.dumps(command))
        while True:
            found = await self.next()
            if found["type"] != "event":
                return found
            self.passed_over.append(found)

    async def text(self, text: str) -> None:
        """Send a frame."""
        await self.sent.put({"type": "websocket.receive", "text": text})

    async def next(self) -> Any:
        """The next frame; a dict with ``code`` when the server has closed."""
        message = await asyncio.wait_for(self.received.get(), 20)
        if message["type"] == "websocket.close":
            return message
        return json.loads(message["text"])

    async def close(self) -> None:
        """Go away."""
        await self.sent.put({"type": "websocket.disconnect", "code": 1000})
        await self.task


@dataclass
class Served:
    """A running server and ways to call it."""

    app: Any
    server: Server
    client: httpx.AsyncClient
    open: list[Stream | Socket] = field(default_factory=list)

    async def command(self, thread_id: str, method: str, **params: Any) -> Any:
        """Send a command of the thread protocol; returns the reply."""
        path = f"/threads/{thread_id}/commands"
        reply = await self.client.post(path, json={"id": 1, "method": method, "params": params})
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def events(self, thread_id: str, *channels: str, **more: Any) -> Stream:
        """Follow a thread's events."""
        body = {"channels": channels, **more}
        return await self.stream("POST", f"/threads/{thread_id}/stream/events", body)

    async def stream(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Stream:
        """Send a request and read its body as it comes."""
        data = b"" if body is None else json.dumps(body).encode()
        where, _, query = path.partition("?")
        scope = {
            "type": "http", "method": method, "path": where, "raw_path": where.encode(),
            "query_string": query.encode(), "headers": _headers(headers), "client": ("test", 1),
            "server": ("server", 80), "scheme": "http", "root_path": "", "http_version": "1.1",
        }  # fmt: skip
        begun: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        left, given = asyncio.Event(), iter([{"type": "http.request", "body": data}])

        async def receive() -> Any:
            message = next(given, None)
            if message is None:
                await left.wait()
                return {"type": "http.disconnect"}
            return message

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                begun.set_result(message)
            elif message.get("body"):
                chunks.put_nowait(message["body"])
            if message["type"] == "http.response.body" and not message.get("more_body"):
                chunks.put_nowait(None)

        task = asyncio.create_task(self.app(scope, receive, send))
        start = await asyncio.wait_for(begun, 20)
        named = {k.decode(): v.decode() for k, v in start["headers"]}
        stream = Stream(start["status"], named, chunks, task, left)
        self.open.append(stream)
        return stream

    async def socket(self, thread_id: str, headers: Mapping[str, str] | None = None) -> Socket:
        """Open the WebSocket of a thread."""
        path = f"/threads/{thread_id}/stream/events"
        scope = {
            "type": "websocket", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": _headers(headers), "client": ("test", 1), "server": ("server", 80),
            "scheme": "ws", "root_path": "", "subprotocols": [],
        }  # fmt: skip
        sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        async def send(message: Any) -> None:
            if message["type"] != "websocket.accept":
                received.put_nowait(message)

        sent.put_nowait({"type": "websocket.connect"})
        socket = Socket(sent, received, asyncio.create_task(self.app(scope, sent.get, send)))
        self.open.append(socket)
        return socket


def _headers(given: Mapping[str, str] | None) -> list[tuple[bytes, bytes]]:
    headers = {"host": "server", **(given or {})}
    return [(name.encode(), value.encode()) for name, value in headers.items()]


@asynccontextmanager
async def serving(
    directory: Path, config: Mapping[str, Any] | None = None
) -> AsyncIterator[Served]:
    """The project, served; streams that are still open are left in the end."""
    (directory / "protocol_graphs.py").write_text(PROJECT)
    settings = settings_of({"graphs": GRAPHS, **(config or {})}, directory / "caesura.json")
    environment = Environment(shutdown_grace_seconds=0.0)
    plan = Plan(settings, environment, str(directory / "data.sqlite"))
    async with running(plan) as (app, server):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            made = Served(app, server, client)
            try:
                yield made
            finally:
                for each in made.open:
                    await each.close()
