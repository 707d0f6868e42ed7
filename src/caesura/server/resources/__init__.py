"""The routes, one file per resource."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from starlette.routing import BaseRoute

from caesura.server.http.routes import Endpoint
from caesura.server.resources import (
    assistants,
    crons,
    interrupts,
    mcp,
    page,
    protocol,
    runs,
    state,
    store,
    system,
    threads,
    threadstream,
)
from caesura.server.services import Server


def all_endpoints() -> Sequence[Endpoint]:
    """Every route there is."""
    rooms = (
        system, assistants, threads, state, runs, crons, store, interrupts, threadstream, protocol,
        mcp, page,
    )  # fmt: skip
    return [endpoint for room in rooms for endpoint in room.routes.endpoints]


def socket_routes(server: Server, prefix: str) -> Iterable[BaseRoute]:
    """The routes of WebSockets."""
    return protocol.socket_routes(server, prefix)
