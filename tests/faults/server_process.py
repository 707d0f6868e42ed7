"""A served copy of `tests.faults.server_graphs`, as a process that can be killed.

Its database is a file, or with ``database="postgres"`` a schema of its own in the Postgres of the tests;
with CAESURA_TEST_SERVER_DATABASE=postgres every server has that.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from tests.databases import SCHEMAS

SOAK = bool(os.environ.get("CAESURA_SOAK"))
GRAPHS = ("asking", "pair", "staying", "stepping", "blocking", "flood", "trivial", "failing")
PATIENCE = 30.0  # seconds
DATABASE = os.environ.get("CAESURA_TEST_SERVER_DATABASE", "sqlite")


def place(database: str = DATABASE) -> dict[str, str]:
    """The environment of servers that share an empty database of this kind."""
    return {"DATABASE_URI": SCHEMAS.new_url()} if database == "postgres" else {}


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def make_project(folder: Path, **settings: Any) -> Path:
    """Write the project; ``settings`` are further keys of its configuration."""
    folder.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("server_graphs.py"), folder / "graphs.py")
    graphs = {name: f"./graphs.py:{name}" for name in GRAPHS}
    config = {"dependencies": ["."], "graphs": graphs, **settings}
    (folder / "langgraph.json").write_text(json.dumps(config))
    return folder


class Served:
    """One project, served by one process at a time; `kill` and `start` as often as you like."""

    def __init__(self, folder: Path, port: int | None = None, **environment: str) -> None:
        self.folder, self.port = folder, port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_file = folder / f"server-{self.port}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._environment = {
            **os.environ, "N_JOBS_PER_WORKER": "64", "LOG_JSON": "true", **environment,
        }  # fmt: skip

    @property
    def database(self) -> str:
        """The name of a database in Postgres that it uses."""
        return self._environment["DATABASE_URI"]

    def start(self, *, wait: bool = True) -> None:
        """Start the process and, unless told otherwise, wait until it answers."""
        command = [sys.executable, "-m", "caesura", "dev", "--no-browser", "--no-reload"]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port)],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if wait:
            self.wait()

    def wait(self) -> None:
        """Until it answers."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, f"the server ended:\n{self.log[-4000:]}"
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/ok", timeout=2).status_code == 200:
                    return
            time.sleep(0.02)
        raise AssertionError(f"the server does not answer:\n{self.log[-4000:]}")

    def kill(self) -> None:
        """As a power cut would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        """Kill, and start on the same file."""
        self.kill()
        self.start()

    @property
    def log(self) -> str:
        """What it has written, over all its lives."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def effects(self) -> list[list[Any]]:
        """What the programs did: [what, thread, run, task, …], in order."""
        file = self.folder / "effects"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def resident(self) -> int:
        """The memory of the process, in bytes."""
        assert self.process is not None
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def client(self, **options: Any) -> httpx.Client:
        """A client of its own."""
        return httpx.Client(base_url=self.url, timeout=60, verify=False, **options)

    def aclient(self, **options: Any) -> httpx.AsyncClient:
        """An asynchronous one, with as many connections as it wants."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=200)
        return httpx.AsyncClient(
            base_url=self.url, timeout=60, limits=limits, verify=False, **options
        )


@contextlib.contextmanager
def served(
    folder: Path,
    *,
    database: str = DATABASE,
    environment: dict[str, str] | None = None,
    **settings: Any,
) -> Iterator[Served]:
    """A server for the length of a block."""
    settled = {**place(database), **(environment or {})}
    server = Served(make_project(folder, **settings), **settled)
    server.start()
    try:
        yield server
    finally:
        server.kill()
