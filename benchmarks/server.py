"""The server beside its peer: `python -m benchmarks.server [--peer LANGGRAPH]`.

Starts ``caesura serve`` on a project of two graphs and a fresh SQLite file, measures what a client sees,
and, where the path of an installed ``langgraph`` command is given, does the same with ``langgraph dev``.
Every request is made by one client process over real sockets; logs are off. Absolute times depend on the
machine: read the ratios, and run it twice.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx

PROGRAM = """
import operator
from typing import Annotated, Any, TypedDict
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

class State(TypedDict, total=False):
    topic: str
    answer: Any
    log: Annotated[list[str], operator.add]

def one(state: State) -> State:
    return {"log": ["one"]}

def ask(state: State) -> State:
    return {"answer": interrupt({"about": state["topic"]})}

trivial = StateGraph(State).add_node("one", one).add_edge(START, "one").compile()
asking = (
    StateGraph(State).add_node("one", one).add_node("ask", ask)
    .add_edge(START, "one").add_edge("one", "ask").compile()
)
"""
CONFIG = {"dependencies": ["."], "graphs": {n: f"./graphs.py:{n}" for n in ("trivial", "asking")}}
WAITING = 100_000
READERS = 1_000


@dataclass
class Figures:
    """What was measured: milliseconds, but for ``runs_per_second``, ``start_seconds`` and ``rss_mb``."""

    start_seconds: float
    create_thread: float
    wait_median: float
    wait_p99: float
    pause_answer_done: float
    first_event: float
    runs_per_second: float
    rss_mb: float


# --- servers -----------------------------------------------------------------------------------


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def served(words: list[str], folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes], float]]:
    """A server on a project: its URL, its process, and the seconds until it answered."""
    port = free_port()
    began = time.perf_counter()
    process = subprocess.Popen(
        [*words, "--port", str(port)],
        cwd=folder,
        env={**os.environ, "LOG_LEVEL": "error", "N_JOBS_PER_WORKER": "64"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                if httpx.get(f"{url}/ok", timeout=1).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.01)
            if process.poll() is not None:
                raise SystemExit(f"{words[0]} did not start")
        yield url, process, time.perf_counter() - began
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def rss_mb(pid: int) -> float:
    """Resident memory of a process, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


# --- what a client sees ------------------------------------------------------------------------


async def create(client: httpx.AsyncClient) -> str:
    """A new thread."""
    return str((await client.post("/threads", json={})).json()["thread_id"])


async def wait(client: httpx.AsyncClient, thread: str, graph: str, **body: Any) -> None:
    """A run, waited for."""
    given = {"assistant_id": graph, **body}
    reply = await client.post(f"/threads/{thread}/runs/wait", json=given)
    reply.raise_for_status()


async def timed(act: Callable[[], Awaitable[Any]]) -> float:
    """How long it takes, in milliseconds."""
    began = time.perf_counter()
    await act()
    return (time.perf_counter() - began) * 1000


async def several(count: int, act: Callable[[], Awaitable[float]]) -> list[float]:
    """Measure one after the other."""
    return [await act() for _ in range(count)]


async def one_wait(client: httpx.AsyncClient) -> float:
    """A run of one node, on a thread that is there."""
    thread = await create(client)
    return await timed(lambda: wait(client, thread, "trivial", input={"topic": "x"}))


async def one_answer(client: httpx.AsyncClient) -> float:
    """From the request to the pause, and from the answer to the end."""
    thread = await create(client)

    async def both() -> None:
        await wait(client, thread, "asking", input={"topic": "x"})
        await wait(client, thread, "asking", command={"resume": "yes"})

    return await timed(both)


async def one_first_event(client: httpx.AsyncClient) -> float:
    """From the request to the first bytes of the stream."""
    thread = await create(client)

    async def first() -> None:
        body = {"assistant_id": "trivial", "input": {"topic": "x"}}
        async with client.stream("POST", f"/threads/{thread}/runs/stream", json=body) as reply:
            async for _ in reply.aiter_bytes():
                return

    return await timed(first)


class Wire:
    """One kept connection: as little client as possible, so that the server is what is measured."""

    def __init__(self, url: str) -> None:
        self.host, _, port = url.removeprefix("http://").partition(":")
        self.port = int(port)

    async def __aenter__(self) -> Wire:
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.writer.close()

    async def post(self, path: str, body: bytes) -> bytes:
        """The body of the reply; raises unless it is 200."""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nContent-Length: {len(body)}"
        )
        self.writer.write(head.encode() + b"\r\n\r\n" + body)
        told = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        if b" 200 " not in told.split(b"\r\n")[0]:
            raise RuntimeError(told.decode())
        if b"content-length:" in told:
            size = int(told.split(b"content-length:")[1].split(b"\r\n")[0])
            return await self.reader.readexactly(size)
        parts = []
        while size := int(await self.reader.readline(), 16):
            parts.append(await self.reader.readexactly(size))
            await self.reader.readline()
        await self.reader.readline()
        return b"".join(parts)


async def throughput(url: str, runs: int, clients: int = 16) -> float:
    """Runs a second: each on a thread of its own."""
    left = iter(range(runs))
    body = json.dumps({"assistant_id": "trivial", "input": {"topic": "x"}}).encode()

    async def work() -> None:
        async with Wire(url) as wire:
            for _ in left:
                thread = json.loads(await wire.post("/threads", b"{}"))["thread_id"]
                await wire.post(f"/threads/{thread}/runs/wait", body)

    return runs / (await timed(lambda: asyncio.gather(*(work() for _ in range(clients)))) / 1000)


async def measure(url: str, pid: int, start_seconds: float, scale: int) -> Figures:
    """All figures of one server; ``scale``: how many repetitions, roughly."""
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        await several(3, lambda: one_answer(client))
        threads = await several(10 * scale, lambda: timed(lambda: create(client)))
        waits = sorted(await several(10 * scale, lambda: one_wait(client)))
        answers = await several(5 * scale, lambda: one_answer(client))
        events = await several(5 * scale, lambda: one_first_event(client))
        speed = await throughput(url, 60 * scale)
    p99 = waits[min(len(waits) - 1, int(len(waits) * 0.99))]
    return Figures(
        start_seconds, median(threads), median(waits), p99, median(answers), median(events), speed,
        rss_mb(pid),
    )  # fmt: skip


# --- with many waiting -------------------------------------------------------------------------


def fill(database: Path, count: int) -> None:
    """Copies of one waiting thread, straight into the database."""
    from caesura.checkpoint.sqlite import SqliteSaver
    from caesura.execution.clock import clock
    from caesura.records.operations import DuplicateThread, FindThreads
    from caesura.server.ids import uuid7
    from caesura.storage.sqlite import connect

    saver = SqliteSaver(connect(str(database)))
    (source,) = saver.execute(FindThreads(status="interrupted", limit=1)).rows
    for _ in range(count):
        saver.execute(DuplicateThread(source.thread_id, uuid7(), clock().now()))
    saver.close()


async def with_readers(url: str, pid: int, readers: int, scale: int) -> tuple[float, float]:
    """(median of a pause and its answer, memory in MB) while so many idle streams are open."""
    limits = httpx.Limits(max_connections=readers + 50, max_keepalive_connections=50)
    async with (
        httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as crowd,
        httpx.AsyncClient(base_url=url, timeout=120) as client,
    ):
        thread = await create(client)
        opened = [
            crowd.send(
                crowd.build_request("GET", f"/threads/{thread}/stream", timeout=None), stream=True
            )
            for _ in range(readers)
        ]
        streams = [stream for group in range(0, readers, 50)
                   for stream in await asyncio.gather(*opened[group : group + 50])]  # fmt: skip
        await several(3, lambda: one_answer(client))
        found = median(await several(5 * scale, lambda: one_answer(client)))
        memory = rss_mb(pid)
        await asyncio.gather(*(stream.aclose() for stream in streams))
    return found, memory


def crowded(words: list[str], folder: Path, scale: int) -> dict[str, float]:
    """A pause and its answer alone, and beside many waiting threads and idle readers."""
    database = folder / ".caesura" / "caesura.sqlite"
    with served(words, folder) as (url, process, _):
        alone, before = asyncio.run(with_readers(url, process.pid, 0, scale))
        asyncio.run(_leave_one_waiting(url))
    fill(database, WAITING)
    with served(words, folder) as (url, process, _):
        beside, after = asyncio.run(with_readers(url, process.pid, READERS, scale))
    return {"alone": alone, "crowded": beside, "ratio": beside / alone,
            "rss_mb_alone": before, "rss_mb_crowded": after}  # fmt: skip


async def _leave_one_waiting(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        await wait(client, await create(client), "asking", input={"topic": "x"})


# --- the table ---------------------------------------------------------------------------------


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="path of a langgraph command with its inmem server")
    parser.add_argument("--scale", type=int, default=20)
    parser.add_argument("--crowd", action="store_true", help="also with 100,000 waiting threads")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: dict[str, Any] = {}
    ours = [sys.executable, "-m", "caesura", "serve"]
    with tempfile.TemporaryDirectory() as place:
        for name, words, scale in _servers(ours, options):
            folder = Path(place) / name
            folder.mkdir()
            (folder / "graphs.py").write_text(PROGRAM)
            (folder / "langgraph.json").write_text(json.dumps(CONFIG))
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            with served(words, folder) as (url, process, seconds):
                found[name] = asdict(asyncio.run(measure(url, process.pid, seconds, scale)))
            if name == "caesura" and options.crowd:
                print("with 100,000 waiting threads ...", file=sys.stderr, flush=True)
                found["crowd"] = crowded(words, folder, options.scale)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    show(found)


def _servers(ours: list[str], options: Any) -> Iterator[tuple[str, list[str], int]]:
    yield "caesura", ours, options.scale
    if options.peer:
        yield "peer", [options.peer, "dev", "--no-browser", "--no-reload"], 1


def show(found: dict[str, Any]) -> None:
    """A table for people."""
    peer = found.get("peer", {})
    print(f"{'':20}{'caesura':>12}{'peer':>12}{'ratio':>10}")
    for name, value in found["caesura"].items():
        other = peer.get(name)
        ratio = "" if not other else f"{max(value, other) / min(value, other):.1f}x"
        print(f"{name:20}{value:12.2f}{other or float('nan'):12.2f}{ratio:>10}")
    for name, value in found.get("crowd", {}).items():
        print(f"crowd {name:14}{value:12.2f}")


if __name__ == "__main__":
    main()
