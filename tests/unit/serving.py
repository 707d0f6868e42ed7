"""A whole server in this process, for tests of its routes: a small project, a SQLite file, a client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from caesura.execution.clock import Clock, use_clock
from caesura.server.app import Plan, running
from caesura.server.project.environment import Environment
from caesura.server.project.settings import settings_of
from caesura.server.services import Server

PROJECT = """
from typing import TypedDict
from caesura.graph import StateGraph
from caesura.types import interrupt

class State(TypedDict, total=False):
    topic: str
    log: list[str]

def one(state: State) -> State:
    if state.get("topic") == "boom":
        raise ValueError("boom at node")
    return {"log": [*state.get("log", []), "one"]}

def ask(state: State) -> State:
    return {"log": [interrupt("sure?")]}

def graph_of(**nodes):
    builder = StateGraph(State)
    before = "__start__"
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(before, name)
        before = name
    return builder.compile()

agent = graph_of(one=one)
asking = graph_of(ask=ask)
outer = graph_of(first=one, child=graph_of(inner=one))
"""
GRAPHS = {name: f"./graphs.py:{name}" for name in ("agent", "asking", "outer")}


@dataclass
class Served:
    """A running server and a client of it."""

    server: Server
    client: httpx.AsyncClient

    async def __call__(self, method: str, path: str, json: Any = None, **how: Any) -> Any:
        """Send a request; returns the response."""
        given = {} if json is None else {"json": json}
        return await self.client.request(method, path, **given, **how)

    async def json(self, method: str, path: str, json: Any = None, status: int = 200) -> Any:
        """The JSON that a request is answered with, with that status."""
        response = await self(method, path, json)
        assert response.status_code == status, response.text
        return response.json() if response.content else None


@asynccontextmanager
async def served(
    directory: Path,
    config: Mapping[str, Any] | None = None,
    *,
    project: str = PROJECT,
    database: str | None = None,
) -> AsyncIterator[Served]:
    """The project in `PROJECT`, or another, served, with more configuration."""
    (directory / "graphs.py").write_text(project)
    settings = settings_of({"graphs": GRAPHS, **(config or {})}, directory / "caesura.json")
    plan = Plan(settings, Environment(), database or str(directory / "data.sqlite"))
    async with running(plan) as (app, server):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            yield Served(server, client)


class HeldClock(Clock):
    """A clock that stands until it is moved."""

    def __init__(self, at: str) -> None:
        self.at = datetime.fromisoformat(at)

    def now(self) -> str:
        return self.at.astimezone(UTC).isoformat(timespec="microseconds")

    def epoch(self) -> float:
        return self.at.timestamp()

    def move(self, **by: float) -> None:
        """Move it: ``minutes=5``."""
        self.at += timedelta(**by)


@contextmanager
def held(at: str, kind: type[HeldClock] = HeldClock) -> Iterator[HeldClock]:
    """The program's clock, held at a time."""
    clock = kind(at)
    before = use_clock(clock)
    try:
        yield clock
    finally:
        use_clock(before)
