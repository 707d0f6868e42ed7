"""One attempt at a webhook: a POST to the address that was checked, or to this server's own routes.

The name is resolved here, what it resolves to is checked, and the connection is made to that very
address, so that a name cannot point elsewhere by then. Redirects are not followed and proxies of the
environment are not used, for both would get around the check. A path of this server is handed to its
routes without a connection, as the caller who started the run: it can do there what that caller could.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

import orjson

from caesura.execution.clock import clock
from caesura.records.shapes import Delivery
from caesura.server.auth import Caller
from caesura.server.encoding import JSON_TYPE, encode
from caesura.server.http.problems import Problem, invalid
from caesura.server.logs import log
from caesura.server.project.sections import Webhooks as WebhookSettings
from caesura.server.running.webhooks import Target, headers_of, refusal_of, target_of
from caesura.version import __version__

if TYPE_CHECKING:
    import httpx
    from starlette.types import ASGIApp, Receive, Scope, Send

TIMEOUT_SECONDS: Final = 20.0
"""How long one attempt may take."""
_STEP_SECONDS: Final = 10.0


class Poster:
    """Sends webhooks.

    ``app``: what webhooks to paths of this server are handed to (None: there are none). Raises
    `ConfigError` if a header names a variable that is not set, or that may not be used.
    """

    def __init__(self, settings: WebhookSettings, app: ASGIApp | None = None) -> None:
        self.app, self._settings = app, settings
        self._headers = headers_of(settings, os.environ)

    async def post(self, delivery: Delivery) -> tuple[str | None, bool]:
        """One attempt → (why it failed or None, whether to try again)."""
        import httpx

        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                status = await self._send(delivery)
        except Problem as problem:
            return problem.detail, False
        except (httpx.HTTPError, OSError) as error:
            return str(error) or type(error).__name__, True
        except Exception as error:
            log.error("a webhook failed", run_id=delivery.run_id, exc_info=error)
            return str(error) or type(error).__name__, True
        if 200 <= status < 300:
            return None, False
        return f"answered with {status}", status >= 500 or status in (408, 429)

    async def _send(self, delivery: Delivery) -> int:
        import httpx

        target, url = target_of(delivery.url, self._settings), httpx.URL(delivery.url)
        headers = {
            "Content-Type": JSON_TYPE,
            "User-Agent": f"caesura/{__version__}",
            **self._headers,
            "Webhook-Id": delivery.run_id,
        }
        extensions: dict[str, Any] = {}
        if target.host:
            address = await self._resolve(target)
            headers["Host"] = url.netloc.decode("ascii").rpartition("@")[2]
            if target.scheme == "https":
                extensions["sni_hostname"] = url.raw_host.decode("ascii")
            url = url.copy_with(host=address)
        async with self._client(target, delivery) as client:
            request = client.build_request(
                "POST", url, headers=headers, content=_dated(delivery.body), extensions=extensions
            )
            response = await client.send(request, stream=True)
            await response.aclose()
        return response.status_code

    def _client(self, target: Target, delivery: Delivery) -> httpx.AsyncClient:
        import httpx

        transport, base = None, ""
        if not target.host:
            if self.app is None:
                raise invalid("Webhooks to paths of this server are not served here")
            inside = _Inside(self.app, delivery.owner)
            transport = httpx.ASGITransport(inside, raise_app_exceptions=False)
            base = "http://localhost"
        return httpx.AsyncClient(
            transport=transport,
            base_url=base,
            timeout=_STEP_SECONDS,
            follow_redirects=False,
            trust_env=False,
        )

    async def _resolve(self, target: Target) -> str:
        """An address of the host that webhooks may go to. Raises 422 if it has only others."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        refusal: str | None = None
        for *_, place in found:
            address = str(place[0])
            reason = refusal_of(
                ip_address(address.partition("%")[0]), self._settings.url.disable_loopback
            )
            if reason is None:
                return address
            refusal = refusal or reason
        raise invalid(refusal or f"Invalid webhook hostname {target.host!r}")


class _Inside:
    """The server's application, for a request of its own, as the caller who started the run."""

    def __init__(self, app: ASGIApp, owner: Mapping[str, Any] | None) -> None:
        self._app = app
        self._caller = None if owner is None else Caller.from_stored(owner)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["caesura.inside"] = True
        if self._caller is not None:
            scope.update({"caesura.caller": self._caller, "user": self._caller.user})
        await self._app(scope, receive, send)


def _dated(body: bytes) -> bytes:
    """The body, with the time of this attempt."""
    return encode({**orjson.loads(body), "webhook_sent_at": clock().now()})
