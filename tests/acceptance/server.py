"""A server to test against: `caesura dev` on a copy of a project, as a process of its own.

The copy and the SQLite file are in a temporary directory, so every server starts from nothing and
leaves nothing. `restart` kills the process without warning and starts it again on the same file.
With CAESURA_TEST_SERVER_URL the tests talk to the server at that address instead, which must serve
the same project; what needs a restart is skipped then. With CAESURA_TEST_SERVER_DATABASE=postgres every
server has a schema of its own in the Postgres of the tests instead of a file.
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
from pathlib import Path

import httpx
import pytest
from tests.databases import SCHEMAS

HERE = Path(__file__).parent
PROJECT = HERE / "project"
GIVEN = os.environ.get("CAESURA_TEST_SERVER_URL", "").rstrip("/")
ON_POSTGRES = os.environ.get("CAESURA_TEST_SERVER_DATABASE") == "postgres"
PATIENCE = 20.0  # seconds


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """One served project: its address, its log, and the power to kill it."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.port = port
        self.url = GIVEN or f"http://127.0.0.1:{port}"
        self.log_file = directory.parent / f"{directory.name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = dict(os.environ)
        if ON_POSTGRES:
            self.environment["DATABASE_URI"] = SCHEMAS.new_url()

    @property
    def log(self) -> str:
        """Everything that the server has written so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def start(self) -> None:
        """Starts the process and waits until it answers."""
        if GIVEN:
            return
        command = [sys.executable, "-m", "caesura", "dev", "--no-browser", "--no-reload"]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port)],
                cwd=self.directory,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._wait_until_it_answers(self.process)

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/ok", timeout=1).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.02)
        pytest.fail(f"the server does not answer at {self.url}/ok; it wrote:\n{self.log[-4000:]}")

    def stop(self) -> None:
        """Kills the process and all that it started, as a power cut would."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def restart(self) -> None:
        """Kills the server (SIGKILL) and starts it again on the same file."""
        if GIVEN:
            pytest.skip("the server at CAESURA_TEST_SERVER_URL cannot be restarted from here")
        self.stop()
        self.start()


def copy_of_project(target: Path, page_port: int) -> Path:
    """The test project at `target`; pages from that port of the loopback interface are let in."""
    shutil.copytree(PROJECT, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    config_file = target / "langgraph.json"
    config = json.loads(config_file.read_text())
    config["http"]["cors"]["allow_origins"] = [f"http://127.0.0.1:{page_port}"]
    config_file.write_text(json.dumps(config, indent=2))
    return target
