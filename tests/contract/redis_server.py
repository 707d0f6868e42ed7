"""A Redis for the tests: the one on the usual port, or one that is started for them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis


@contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """The URL of a Redis that answers; fails the test if there is none and none can be started."""
    usual = "redis://127.0.0.1:6379/0"
    if _answers(usual):
        yield usual
        return
    program = shutil.which("redis-server")
    if program is None:
        pytest.fail("No Redis on 127.0.0.1:6379. Install one: apt-get install redis-server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        url = f"redis://127.0.0.1:{port}/0"
        while not _answers(url):
            if process.poll() is not None:
                pytest.fail(f"redis-server ended at once with {process.returncode}")
            time.sleep(0.01)
        try:
            yield url
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
