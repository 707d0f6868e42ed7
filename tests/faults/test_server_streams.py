"""Readers come, lag, stop and go; the run and everybody else do not notice.

Slow readers are raw sockets that stop reading, so that nothing between us and the server hides what it
holds back.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from caesura.checkpoint.sqlite import SqliteSaver
from caesura.execution.clock import clock
from caesura.records.operations import AcceptRun, CreateThread
from caesura.records.shapes import Run, Thread
from caesura.server.running.streams import Reader, Result, RunStream
from caesura.storage.sqlite import connect

from .server_process import SOAK, Served, served

MEGABYTE = 1024 * 1024
READERS = 1000 if SOAK else 200
LONG = pytest.mark.skipif(not SOAK, reason="takes long")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("streams") / "project") as running:
        yield running


@pytest.fixture(autouse=True)
def _all_are_closed() -> Iterator[None]:
    yield
    while RawReader.opened:
        RawReader.opened.pop().close()


def flood(steps: int, size: int, *, resumable: bool = False) -> dict[str, Any]:
    return {
        "assistant_id": "flood",
        "input": {"steps": steps, "size": size, "log": []},
        "stream_mode": ["custom"],
        "stream_resumable": resumable,
    }


class RawReader:
    """A client that reads as much as it is told to, and no byte more."""

    opened: ClassVar[list[RawReader]] = []

    def __init__(
        self, server: Served, method: str, path: str, body: Any = None, head: str = ""
    ) -> None:
        self.socket = socket.socket()
        self.opened.append(self)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", server.port))
        data = b"" if body is None else json.dumps(body).encode()
        lines = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(data)}\r\n{head}"
        )
        self.socket.sendall(lines.encode() + b"\r\n" + data)
        self._held = b""
        self.head = self._until(b"\r\n\r\n").decode()
        self.ended = False

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._held:
            data = self.socket.recv(65536)
            assert data, "the server closed the connection"
            self._held += data
        found, self._held = self._held.split(mark, 1)
        return found

    def _exactly(self, size: int) -> bytes:
        parts = [self._held]
        length = len(self._held)
        while length < size:
            data = self.socket.recv(min(1 << 20, max(4096, size - length)))
            assert data, "the server closed the connection"
            parts.append(data)
            length += len(data)
        whole = b"".join(parts)
        self._held = whole[size:]
        return whole[:size]

    def chunks(self) -> Iterator[bytes]:
        """The chunks of the body to its end."""
        while size := int(self._until(b"\r\n"), 16):
            yield self._exactly(size)
            assert self._exactly(2) == b"\r\n"
        self.ended = True

    def numbers(self) -> Iterator[int]:
        """The numbers of the custom events, to the end."""
        for frame in self.chunks():
            if frame.startswith(b"event: custom"):
                yield json.loads(frame.split(b"data: ", 1)[1].split(b"\r\n", 1)[0])["number"]

    def close(self) -> None:
        self.socket.close()


async def joined(client: httpx.AsyncClient, location: str) -> str:
    """The status in which a run ended."""
    await client.get(f"{location}/join")
    status: str = (await client.get(location)).json()["status"]
    return status


def location_of(reader: RawReader) -> str:
    for line in reader.head.split("\r\n"):
        name, _, value = line.partition(": ")
        if name.lower() == "content-location":
            return value
    raise AssertionError(reader.head)


async def new_thread(client: httpx.AsyncClient) -> str:
    made: str = (await client.post("/threads", json={})).json()["thread_id"]
    return made


@pytest.mark.parametrize(
    ("steps", "size", "resumable"),
    [
        pytest.param(100_000, 1000, False, marks=LONG),
        (10_000, 10_000, False),
        (100, MEGABYTE, False),
        (2000, 50_000, True),
    ],
    ids=["small", "middling", "large", "resumable"],
)
async def test_a_reader_that_stops_holds_nobody_up_and_then_gets_everything_in_order(
    server: Served, steps: int, size: int, resumable: bool
) -> None:
    async with server.aclient() as client:
        thread_id = await new_thread(client)
        path, body = f"/threads/{thread_id}/runs/stream", flood(steps, size, resumable=resumable)
        reader = await asyncio.to_thread(RawReader, server, "POST", path, body)
        most = server.resident
        ended = asyncio.create_task(joined(client, location_of(reader)))
        while not ended.done():
            others = await client.post("/runs/wait", json={"assistant_id": "trivial", "input": {}})
            assert others.json()["log"] == ["said"]
            most = max(most, server.resident)
        assert await ended == "success"

        def rest() -> list[int]:
            nonlocal most
            found = []
            for number in reader.numbers():
                found.append(number)
                if number % (steps // 50) == 0:
                    most = max(most, server.resident)
            return found

        got = await asyncio.to_thread(rest)
        reader.close()
        assert (len(got), got == sorted(set(got))) == (steps, True)
        assert most < 300 * MEGABYTE, f"{most / MEGABYTE:.0f} MB"


# --- the same with every interleaving in our hands ----------------------------------------------


@pytest.mark.parametrize("resumable", [False, True], ids=["plain", "resumable"])
@pytest.mark.parametrize("behind", [100, 5000])
@pytest.mark.parametrize("pause_at", [500, 2020])
async def test_a_reader_that_rests_in_the_middle_of_a_page_misses_nothing(
    tmp_path: Path, behind: int, pause_at: int, resumable: bool
) -> None:
    """It falls behind the ring, reads stored frames, rests, and is overtaken once more."""
    with closing(SqliteSaver(connect(str(tmp_path / "db")))) as saver:
        stream = await stream_of(saver, resumable=resumable)
        with Reader(stream, position=0) as reader:
            await publish(stream, behind)
            got, frames = [], reader.frames()
            for _ in range(min(pause_at, behind)):
                got.append(await anext(frames))
            await publish(stream, 9000)
            stream.close(Result("success", b"null"))
            got += [frame async for frame in frames]
        numbers = [json.loads(frame.data)["number"] for frame in got if frame is not None]
        assert numbers == list(range(behind + 9000))


async def test_a_reader_that_wakes_while_the_ring_is_trimmed_misses_nothing(tmp_path: Path) -> None:
    with closing(SqliteSaver(connect(str(tmp_path / "db")))) as saver:
        stream = await stream_of(saver, resumable=False)
        with Reader(stream, position=0) as reader:

            async def read() -> list[int]:
                found = []
                async for frame in reader.frames():
                    assert frame is not None
                    found.append(json.loads(frame.data)["number"])
                    if len(found) % 50 == 0:
                        await asyncio.sleep(0)
                return found

            reading = asyncio.create_task(read())
            for _ in range(300):
                await publish(stream, 100)
                await asyncio.sleep(0)
            stream.close(Result("success", b"null"))
            assert await reading == list(range(30_000))


@pytest.mark.parametrize("start", [0, 300, 698])
async def test_a_reader_that_joins_behind_an_id_misses_nothing_while_the_run_goes_on(
    tmp_path: Path, start: int
) -> None:
    with closing(SqliteSaver(connect(str(tmp_path / "db")))) as saver:
        stream = await stream_of(saver, resumable=True)
        await publish(stream, 700)
        with Reader(stream, position=0, after=stream.ring[start].id) as reader:
            frames = reader.frames()
            got = [await anext(frames)]
            await publish(stream, 9000)
            stream.close(Result("success", b"null"))
            got += [frame async for frame in frames]
        numbers = [json.loads(frame.data)["number"] for frame in got if frame is not None]
        assert numbers == list(range(start + 1, 9700))


async def stream_of(saver: SqliteSaver, *, resumable: bool) -> RunStream:
    now = clock().now()
    await saver.aexecute(CreateThread(Thread("t", now, now, now)))
    run = Run("r", "t", "a", "g", now, now, resumable=resumable)
    await saver.aexecute(AcceptRun(run, now, clock().epoch()))
    return RunStream(run, saver)


async def publish(stream: RunStream, number: int) -> None:
    for value in range(stream.total, stream.total + number):
        await stream.publish("custom", {"number": value})


@pytest.mark.parametrize("resumable", [False, True], ids=["plain", "resumable"])
async def test_readers_of_every_pace_get_every_event_in_order(
    server: Served, resumable: bool
) -> None:
    """Pauses at odd places let the ring overtake them while they read from the database."""
    steps = 30_000 if SOAK else 8000
    async with server.aclient() as client:
        thread_id = await new_thread(client)
        path, body = f"/threads/{thread_id}/runs/stream", flood(steps, 1500, resumable=resumable)
        first = await asyncio.to_thread(RawReader, server, "POST", path, body)
        location = f"{location_of(first)}/stream"
        head = "Last-Event-ID: -1\r\n" if resumable else ""
        more = [
            await asyncio.to_thread(RawReader, server, "GET", location, None, head)
            for _ in range(5 if resumable else 0)
        ]

        def follow(reader: RawReader, every: int, seconds: float) -> list[int]:
            found = []
            for number in reader.numbers():
                found.append(number)
                if len(found) % every == 0:
                    time.sleep(seconds)
            return found

        paces = [(1000, 0.05), (300, 0.01), (5000, 0.4), (100, 0.002), (3000, 1.0), (70, 0.001)]
        reading = [
            asyncio.to_thread(follow, reader, *pace)
            for reader, pace in zip([first, *more], paces, strict=False)
        ]
        everything = await asyncio.gather(*reading)
        for got in everything:
            missing = sorted(set(range(steps)) - set(got))
            assert missing == [], f"{len(missing)} events are missing, the first {missing[0]}"
            assert got == list(range(steps)), "events came twice or out of order"


async def test_readers_that_leave_at_any_place_leave_nothing_behind(server: Served) -> None:
    async with server.aclient() as client:
        locations = []
        for number in range(30):
            thread_id = await new_thread(client)
            path = f"/threads/{thread_id}/runs/stream"
            reader = await asyncio.to_thread(RawReader, server, "POST", path, flood(2000, 500))
            locations.append(location_of(reader))
            numbers = reader.numbers()
            for _ in range(number * 10):
                next(numbers)
            reader.close()
        assert [await joined(client, location) for location in locations] == ["success"] * 30


async def test_a_reader_that_asked_for_it_ends_its_run_by_leaving(server: Served) -> None:
    async with server.aclient() as client:
        thread_id = await new_thread(client)
        body = {
            "assistant_id": "staying",
            "input": {"job": "x", "seconds": 600},
            "on_disconnect": "cancel",
        }
        path = f"/threads/{thread_id}/runs/stream"
        reader = await asyncio.to_thread(RawReader, server, "POST", path, body)
        location = location_of(reader)
        reader.close()
        assert await asyncio.wait_for(joined(client, location), 20) == "interrupted"


async def test_hundreds_of_idle_readers_cost_little_and_all_are_told_the_end(
    server: Served,
) -> None:
    async with server.aclient() as client:
        thread_id = await new_thread(client)
        body = {"assistant_id": "staying", "input": {"job": "x", "seconds": 600}}
        run = (await client.post(f"/threads/{thread_id}/runs", json=body)).json()["run_id"]
        before = server.resident
        path = f"/threads/{thread_id}/runs/{run}/stream"
        readers = [await asyncio.to_thread(RawReader, server, "GET", path) for _ in range(READERS)]
        assert server.resident - before < READERS * 100_000 + 20 * MEGABYTE
        others = await client.post("/runs/wait", json={"assistant_id": "trivial", "input": {}})
        assert others.status_code == 200
        await client.post(f"/threads/{thread_id}/runs/{run}/cancel?wait=1")
        for reader in readers:
            await asyncio.to_thread(list, reader.chunks())
            assert reader.ended
            reader.close()
