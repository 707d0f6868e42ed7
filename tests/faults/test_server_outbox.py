"""A server killed with SIGKILL at a chosen operation: every webhook is delivered, every cron fires once."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from .server_process import Served, make_project, place

PATIENCE = 40.0  # seconds
DYING = """
import os
import signal
from pathlib import Path

from starlette.applications import Starlette

from caesura.checkpoint.postgres import PostgresSaver
from caesura.checkpoint.sqlite import SqliteSaver

order = Path("die")


def is_time(when, operation):
    return order.exists() and order.read_text() == f"{when} {type(operation).__name__}"


def die():
    order.unlink()
    os.kill(os.getpid(), signal.SIGKILL)


def deadly(perform):
    async def aexecute(self, operation):
        if is_time("before", operation):
            die()
        result = await perform(self, operation)
        if result and is_time("after", operation):
            die()
        return result

    return aexecute


for saver in (SqliteSaver, PostgresSaver):
    saver.aexecute = deadly(saver.aexecute)
app = Starlette()
"""


class Hooks:
    """A web server that notes the webhooks it is sent."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Any]] = []
        self.port = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.got.append((headers["webhook-id"], json.loads(body)))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


@asynccontextmanager
async def listening() -> AsyncIterator[Hooks]:
    hooks = Hooks()
    server = await asyncio.start_server(hooks.handle, "127.0.0.1", 0)
    hooks.port = server.sockets[0].getsockname()[1]
    async with server:
        yield hooks


@asynccontextmanager
async def doomed(folder: Path) -> AsyncIterator[Served]:
    """A server that dies at what the file `die` says."""
    settings = {
        "http": {"app": "./dying.py:app"},
        "webhooks": {"url": {"disable_loopback": False}},
    }
    server = Served(make_project(folder, **settings), **place())
    (folder / "dying.py").write_text(DYING)
    try:
        await asyncio.to_thread(server.start)
        yield server
    finally:
        server.kill()


async def death_of(server: Served) -> None:
    assert server.process is not None
    async with asyncio.timeout(PATIENCE):
        code = await asyncio.to_thread(server.process.wait)
    assert code == -signal.SIGKILL, server.log[-4000:]
    server.process = None


async def until(condition: Any) -> Any:
    async with asyncio.timeout(PATIENCE):
        while True:
            if found := await condition():
                return found
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("moment", "times"),
    [
        ("before FinishRun", 1),
        ("after FinishRun", 1),
        ("after ClaimDeliveries", 1),
        ("before SettleDelivery", 2),
    ],
    ids=lambda value: str(value),
)
async def test_a_webhook_is_delivered_whenever_the_server_dies(
    tmp_path: Path, moment: str, times: int
) -> None:
    async with (
        listening() as hooks,
        doomed(tmp_path / "project") as server,
        server.aclient() as client,
    ):
        thread = (await client.post("/threads", json={})).json()["thread_id"]
        (server.folder / "die").write_text(moment)
        body = {"assistant_id": "trivial", "input": {"log": []}}
        body["webhook"] = f"http://127.0.0.1:{hooks.port}/"
        with suppress(httpx.TransportError):
            await client.post(f"/threads/{thread}/runs", json=body)
        await death_of(server)
        await asyncio.to_thread(server.start)

        async def delivered() -> bool:
            metrics = (await client.get("/metrics")).text
            return bool(hooks.got) and "\ncaesura_webhooks_waiting 0.0\n" in metrics

        await until(delivered)
        (run,) = (await client.get(f"/threads/{thread}/runs")).json()
    assert [run_id for run_id, _ in hooks.got] == [run["run_id"]] * times
    assert {body["status"] for _, body in hooks.got} == {"success"}


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_cron_fires_once_whenever_the_server_dies(tmp_path: Path, when: str) -> None:
    async with doomed(tmp_path / "project") as server, server.aclient() as client:
        thread = (await client.post("/threads", json={})).json()["thread_id"]
        date = datetime.now(UTC) + timedelta(seconds=2)
        schedule = f"{date.minute} {date.hour} {date.day} {date.month} * {date.second}"
        body = {"assistant_id": "trivial", "schedule": schedule, "input": {"log": []}}
        cron = (await client.post(f"/threads/{thread}/runs/crons", json=body)).json()
        assert cron["next_run_date"].startswith(str(date.year))
        (server.folder / "die").write_text(f"{when} AcceptRun")
        await death_of(server)
        await asyncio.to_thread(server.start)

        async def over() -> Any:
            runs = (await client.get(f"/threads/{thread}/runs")).json()
            return [run for run in runs if run["status"] == "success"]

        await until(over)
        now = (await client.get(f"/runs/crons/{cron['cron_id']}")).json()
        runs = (await client.get(f"/threads/{thread}/runs")).json()
    assert len(runs) == 1
    assert now["next_run_date"].startswith(str(date.year + 1))
