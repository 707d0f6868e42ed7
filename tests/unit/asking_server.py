"""A server with three graphs that ask, over a real database; a client without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypedDict

import httpx

from caesura.func import task
from caesura.graph import START, StateGraph
from caesura.server.app import Plan, running
from caesura.server.project.environment import Environment
from caesura.server.project.settings import settings_of
from caesura.server.services import Server
from caesura.types import interrupt

URL = "http://server.test"
SCHEMA = {
    "type": "object",
    "properties": {
        "decision": {"enum": ["approve", "reject"]},
        "amount": {"type": "number", "exclusiveMinimum": 0},
    },
    "required": ["decision"],
}


class State(TypedDict, total=False):
    """What is paid, and what came of it."""

    to: str
    outcome: Any


def pay(state: State) -> State:
    """Ask whether to pay."""
    payload = {
        "to": state["to"],
        "lines": [{"item": "Lathe", "price": 7}, {"item": "Oil", "price": 2}],
    }
    return {"outcome": interrupt(payload, response_schema=SCHEMA, title=f"Pay {state['to']}")}


def wonder(state: State) -> State:
    """Ask anything."""
    return {"outcome": interrupt("What now?")}


@task(effect=True)
def transfer(to: str) -> int:
    """The bank hangs up: nobody knows whether the money went."""
    raise ConnectionError(f"no reply about {to}")


def owe(state: State) -> State:
    """Call an effect."""
    return {"outcome": transfer(state["to"]).result()}


def _compiled(node: Any) -> Any:
    builder = StateGraph(State)
    builder.add_node("ask", node)
    builder.add_edge(START, "ask")
    return builder.compile()


paying, wondering, owing = _compiled(pay), _compiled(wonder), _compiled(owe)


@asynccontextmanager
async def serving(
    directory: Path, **config: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, Server]]:
    """A client of a server on the database in ``directory``."""
    here = "tests.unit.asking_server"
    names = {"pay": "paying", "wonder": "wondering", "owe": "owing", "broken": "missing"}
    graphs = {name: f"{here}:{variable}" for name, variable in names.items()}
    settings = settings_of({"graphs": graphs, **config}, directory / "caesura.json")
    async with running(Plan(settings, Environment(), str(directory / "db"))) as (app, server):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
            yield client, server


async def ask(
    client: httpx.AsyncClient, to: str = "ACME", graph: str = "pay", **headers: str
) -> dict[str, Any]:
    """Start a run that pauses → the interrupt it asks."""
    thread = (await client.post("/threads", json={}, headers=headers)).json()["thread_id"]
    reply = await client.post(
        f"/threads/{thread}/runs/wait",
        json={"assistant_id": graph, "input": {"to": to}},
        headers=headers,
    )
    assert reply.status_code == 200, reply.text
    found = await client.get("/interrupts", params={"thread_id": thread}, headers=headers)
    (asked,) = found.json()
    return dict(asked)


async def outcome(client: httpx.AsyncClient, answered: dict[str, Any], **headers: str) -> Any:
    """Wait for the run that carries an answer → what the program made of it."""
    path = f"/threads/{answered['thread_id']}/runs/{answered['run_id']}/join"
    values = (await client.get(path, headers=headers)).json()
    return values["outcome"]
