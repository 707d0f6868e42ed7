"""What the tests of the HTTP server share: one running server, and the address of a web page."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from .sdk import KINDS, client_for
from .server import Server, copy_of_project, free_port


@pytest.fixture(scope="session")
def page_port() -> int:
    """Where the browser test serves its page: an origin that the server must let in."""
    return free_port()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, page_port: int) -> Iterator[Server]:
    """The test project, served."""
    directory = copy_of_project(tmp_path_factory.mktemp("server") / "project", page_port)
    running = Server(directory, free_port())
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(params=KINDS)
async def client(request: pytest.FixtureRequest, server: Server) -> AsyncIterator[Any]:
    """The SDK's client, async and sync."""
    async with client_for(request.param, server.url) as client:
        yield client


@pytest.fixture
async def async_client(server: Server) -> AsyncIterator[Any]:
    """The async client, for what a sync one does in another way."""
    async with client_for("async", server.url) as client:
        yield client


@pytest.fixture
def mark() -> dict[str, str]:
    """Metadata by which a test finds what it made and nothing else."""
    return {"test": uuid.uuid4().hex}
