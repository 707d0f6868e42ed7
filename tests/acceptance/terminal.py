"""The command line as people and scripts use it: in a process of its own, at a terminal or not."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
COMMAND = [sys.executable, "-m", "caesura"]
PATIENCE = 60
"""Seconds after which a process that says nothing fails the test."""


@dataclass
class Said:
    """What a finished command said."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON objects on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Shell:
    """A folder to run commands in."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def _environment(self) -> dict[str, str]:
        plain = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", "PYTHONPATH": str(ROOT / "src")}
        return {**os.environ, **plain, **self.environment}

    def run(self, *arguments: str) -> Said:
        """Run a command without a terminal."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def type(self, arguments: Sequence[str], *texts: str) -> Said:
        """Run a command at a terminal and type ``texts``, each at its prompt; then leave."""
        with self.terminal(*arguments) as terminal:
            for text in texts:
                terminal.answer(text)
            return terminal.rest()

    @contextmanager
    def terminal(self, *arguments: str) -> Iterator[Terminal]:
        """A command whose stdin is a terminal."""
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=self._environment,
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_listen_to_ctrl_c,
        )
        os.close(slave)
        try:
            yield Terminal(process, master)
        finally:
            process.kill()
            process.wait(PATIENCE)
            for stream in (process.stdout, process.stderr):
                assert stream is not None
                stream.close()
            os.close(master)


def _listen_to_ctrl_c() -> None:
    """A process in the background of a shell ignores it, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A running command. Questions and prompts come on stderr."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process, self.master = process, master
        self.shown = b""

    def wait_for(self, text: str) -> str:
        """Read until ``text`` is shown → everything shown so far."""
        assert self.process.stderr is not None
        while text.encode() not in self.shown:
            piece = os.read(self.process.stderr.fileno(), 65536)
            assert piece, f"{text!r} was not shown, but: {self.shown.decode()}"
            self.shown += piece
        return self.shown.decode()

    def answer(self, text: str) -> None:
        """Wait for a prompt and type a line."""
        self.wait_for(": ")
        while not self.shown.endswith(b": "):
            assert self.process.stderr is not None
            piece = os.read(self.process.stderr.fileno(), 65536)
            assert piece, f"no prompt was shown, but: {self.shown.decode()}"
            self.shown += piece
        self.shown += b"\n"  # the echo, so that this prompt is not taken for the next one
        os.write(self.master, text.encode() + b"\n")

    def kill(self) -> None:
        """``kill -9``."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def rest(self) -> Said:
        """Wait for the end."""
        out, err = self.process.communicate(timeout=PATIENCE)
        return Said(self.process.returncode, out.decode(), self.shown.decode() + err.decode())
