"""The client of a Caesura server, or of any server with the LangGraph API.

`get_client` is async, `get_sync_client` is not; both have the method names of the LangGraph SDK and,
beside them, ``interrupts``. Results are plain dicts (their types are in `caesura.client.shapes`);
everything raised is in `caesura.client.errors`.

    client = get_sync_client(url="http://127.0.0.1:2024")
    thread = client.threads.create()
    output = client.runs.wait(thread["thread_id"], "agent", input={"topic": "cats"})
    [question] = output["__interrupt__"]
    client.interrupts.answer(question["id"], "yes")
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, Self

from caesura.client.errors import (
    ApiConnectionError,
    ApiError,
    ApiTimeoutError,
    AuthenticationError,
    BadRequestError,
    ClientError,
    ConflictError,
    GoneError,
    InvalidReplyError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
    RateLimitError,
    RunError,
    ServerError,
    UnprocessableEntityError,
)
from caesura.client.resources import (
    AsyncAssistants,
    AsyncCrons,
    AsyncInterrupts,
    AsyncRuns,
    AsyncStore,
    AsyncThreads,
    SyncAssistants,
    SyncCrons,
    SyncInterrupts,
    SyncRuns,
    SyncStore,
    SyncThreads,
)
from caesura.client.shapes import StreamPart
from caesura.client.transport import AsyncTransport, SyncTransport, httpx
from caesura.types import UNSET
from caesura.version import __version__

__all__ = (
    "Client", "SyncClient", "StreamPart", "get_client", "get_sync_client",
    "ApiConnectionError", "ApiError", "ApiTimeoutError", "AuthenticationError", "BadRequestError",
    "ClientError", "ConflictError", "GoneError", "InvalidReplyError", "NotFoundError", "PermissionDeniedError",
    "PreconditionFailedError", "RateLimitError", "RunError", "ServerError",
    "UnprocessableEntityError",
)  # fmt: skip

DEFAULT_URL: Final = "http://127.0.0.1:2024"
"""Where ``caesura dev`` listens."""
_KEYS: Final = ("CAESURA_API_KEY", "LANGGRAPH_API_KEY", "LANGSMITH_API_KEY", "LANGCHAIN_API_KEY")


class Client:
    """The async client; see `get_client`. ``http``: an httpx client whose base URL is the server's."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = AsyncTransport(http)
        self.assistants = AsyncAssistants(self.http)
        self.threads = AsyncThreads(self.http)
        self.runs = AsyncRuns(self.http)
        self.crons = AsyncCrons(self.http)
        self.store = AsyncStore(self.http)
        self.interrupts = AsyncInterrupts(self.http)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.http.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()


class SyncClient:
    """The sync client; see `get_sync_client`. ``http``: an httpx client whose base URL is the server's."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = SyncTransport(http)
        self.assistants = SyncAssistants(self.http)
        self.threads = SyncThreads(self.http)
        self.runs = SyncRuns(self.http)
        self.crons = SyncCrons(self.http)
        self.store = SyncStore(self.http)
        self.interrupts = SyncInterrupts(self.http)

    def close(self) -> None:
        """Close the connections."""
        self.http.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def get_client(
    *,
    url: str | None = None,
    api_key: Any = UNSET,
    headers: Mapping[str, str] | None = None,
    timeout: Any = None,
) -> Client:
    """An async client for the server at ``url`` (None: `DEFAULT_URL`).

    ``api_key``: sent as ``x-api-key``; if not given it is read from ``CAESURA_API_KEY``,
    ``LANGGRAPH_API_KEY``, ``LANGSMITH_API_KEY`` or ``LANGCHAIN_API_KEY``, and None sends none.
    ``headers`` go with every request. ``timeout``: seconds, a ``(connect, read, write, pool)`` tuple, or
    an ``httpx.Timeout``; without it 5 s to connect and 300 s between two bytes.
    """
    return Client(httpx.AsyncClient(**_settings(url, api_key, headers, timeout)))


def get_sync_client(
    *,
    url: str | None = None,
    api_key: Any = UNSET,
    headers: Mapping[str, str] | None = None,
    timeout: Any = None,
) -> SyncClient:
    """Sync form of `get_client`."""
    return SyncClient(httpx.Client(**_settings(url, api_key, headers, timeout)))


def _settings(
    url: str | None, api_key: Any, headers: Mapping[str, str] | None, timeout: Any
) -> dict[str, Any]:
    sent = {"User-Agent": f"caesura/{__version__}"}
    for name, value in (headers or {}).items():
        if name.lower() == "x-api-key":
            raise ValueError("The header x-api-key is set with `api_key`; give it there.")
        sent[name] = value
    if api_key is UNSET:
        found = (os.environ.get(name, "").strip(" \"'") for name in _KEYS)
        api_key = next((key for key in found if key), None)
    if api_key:
        sent["x-api-key"] = api_key
    wait = timeout if timeout is not None else httpx.Timeout(300.0, connect=5.0)
    return {"base_url": url or DEFAULT_URL, "headers": sent, "timeout": wait}
