"""The ASGI server under it all: uvicorn with uvloop and httptools, on a socket that is open already.

The socket is opened before the project is loaded, so that the port is known, a port in use is one clear
message, and clients that come early wait instead of being refused.
"""

from __future__ import annotations

import socket
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from caesura.errors import StorageError
from caesura.server.project.settings import Settings


class PortInUseError(StorageError):
    """The address cannot be listened on."""

    code = "port_in_use"


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `PortInUseError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(2048)
    except OSError as error:
        found.close()
        raise PortInUseError(
            f"Cannot listen on {host}:{port} ({error.strerror}). Nothing was started. Is another server "
            "running? Choose another port with --port."
        ) from None
    return found


def run(app: ASGIApp, on: socket.socket, settings: Settings, **tls: Any) -> None:
    """Serve until the process is told to stop."""
    config = uvicorn.Config(
        app,
        loop="auto",
        http="httptools",
        ws="websockets-sansio",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=10,
        h11_max_incomplete_event_size=settings.limits.header_bytes,
        **tls,
    )
    _Hosted(config).run(sockets=[on])


class _Hosted(uvicorn.Server):
    """Tells the application that it is about to stop, so that endless streams end at once."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        leave = getattr(self.config.app, "leave", None)
        if leave is not None:
            leave()
        super().handle_exit(sig, frame)
