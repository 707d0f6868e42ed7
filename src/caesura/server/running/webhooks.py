"""Webhooks: where they may go, and one POST for each run that has ended.

An address is checked when a run is submitted, and again when the webhook is sent: the name is resolved
here, what it resolves to is checked, and the connection is made to that very address, so that a name
cannot point elsewhere by then. Redirects are not followed and proxies of the environment are not used,
for both would get around the check. A delivery that fails is tried again with growing waits, under the
same ``Webhook-Id``. What has not been delivered when the server stops is given up, and logged.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from caesura.constants import INTERRUPT
from caesura.execution.clock import clock
from caesura.records.shapes import Run
from caesura.server.encoding import JSON_TYPE, encode
from caesura.server.http.problems import Problem, invalid
from caesura.server.logs import log
from caesura.server.metrics import Metrics
from caesura.server.project.errors import ConfigError, ProjectProblem
from caesura.server.project.sections import Webhooks as WebhookSettings
from caesura.server.running.streams import Result
from caesura.version import __version__

if TYPE_CHECKING:
    import httpx
    from starlette.types import ASGIApp

ATTEMPTS: Final = 5
FIRST_WAIT_SECONDS: Final = 1.0
"""Before the second attempt; doubled before each further one."""
GRACE_SECONDS: Final = 5.0
_TIMEOUT_SECONDS: Final = 10.0
_AT_ONCE: Final = 20
_MOST_WAITING: Final = 10_000
_PORTS: Final = {"http": 80, "https": 443}
_RELATIVE: Final = (
    "Loopback webhooks (relative URLs and localhost) are disabled by default. They bypass authentication "
    "via the in-process ASGI transport and can be abused to invoke internal routes as an unauthenticated "
    "caller. Set webhooks.url.disable_loopback to false (in langgraph.json or via LANGGRAPH_WEBHOOKS) to "
    "opt back in — only do so when you control the mounted routes."
)
_VARIABLE: Final = re.compile(r"\{\{\s*env\.(\w+)\s*\}\}")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_METADATA: Final = frozenset({ip_address("fd00:ec2::254"), ip_address("100.100.100.200")})
"""Where clouds tell their machines secrets; the others are link-local."""

Address = IPv4Address | IPv6Address


# --- where they may go -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """An address that passed the check. ``host`` empty: a path of this server."""

    scheme: str
    host: str
    port: int


def check_webhook(url: str, settings: WebhookSettings) -> None:
    """Raise 422 unless webhooks may be sent to ``url``."""
    target_of(url, settings)


def target_of(url: str, settings: WebhookSettings) -> Target:
    """Where a webhook goes. Raises 422 where it may not."""
    import httpx

    rules = settings.url
    if len(url) > rules.max_url_length:
        raise _blocked(f"Webhook URL is longer than {rules.max_url_length} characters")
    try:
        parsed = httpx.URL(url)
        host, port = parsed.host.rstrip(".").lower(), parsed.port
    except (httpx.InvalidURL, ValueError, TypeError):
        raise _blocked("Invalid webhook URL") from None
    if port is not None and not 0 < port < 65536:
        raise _blocked("Invalid webhook URL")
    if url.startswith("/") and not url.startswith("//"):
        if rules.disable_loopback:
            raise _blocked(_RELATIVE)
        return Target("", "", 0)
    if not host:
        raise _blocked(f"Invalid webhook hostname {host!r}")
    if parsed.scheme not in _PORTS:
        raise _blocked(f"Webhook host blocked: scheme {parsed.scheme!r} not allowed")
    target = Target(parsed.scheme, host, port or _PORTS[parsed.scheme])
    reason = _refused_by_rules(target, settings) or _refused_by_name(target, settings)
    if reason is not None:
        raise _blocked(reason)
    return target


def _blocked(text: str) -> Problem:
    return invalid(text)


def _refused_by_rules(target: Target, settings: WebhookSettings) -> str | None:
    rules = settings.url
    if rules.require_https and target.scheme != "https":
        return "Webhook must use https"
    if rules.allowed_ports is not None and target.port not in rules.allowed_ports:
        return f"Webhook port {target.port} not allowed"
    domains = rules.allowed_domains
    if domains is not None and not any(_covers(domain, target.host) for domain in domains):
        return f"Webhook domain {target.host!r} not allowed"
    return None


def _covers(domain: str, host: str) -> bool:
    """``*.example.com`` covers all below ``example.com``; other domains only themselves."""
    domain = domain.lower().rstrip(".")
    return host.endswith(domain[1:]) if domain.startswith("*.") else host == domain


def _refused_by_name(target: Target, settings: WebhookSettings) -> str | None:
    host, closed = target.host, settings.url.disable_loopback
    if closed and (host == "localhost" or host.endswith(".localhost")):
        return "Webhook host blocked: localhost address"
    address = _literal(host)
    return None if address is None else refusal_of(address, closed)


def _literal(host: str) -> Address | None:
    """An address written as one, also in the old forms (``127.1``, ``2130706433``)."""
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def refusal_of(address: Address, loopback_closed: bool) -> str | None:
    """Why nothing is sent to an address, or None."""
    inner = _unwrapped(address)
    if inner.is_loopback or inner.is_unspecified or (inner.version == 4 and int(inner) >> 24 == 0):
        return "Webhook host blocked: loopback IP range" if loopback_closed else None
    if inner.is_link_local or inner.is_multicast or inner.is_reserved or inner in _METADATA:
        return "Webhook host blocked: blocked IP range"
    return None


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, where it does."""
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


# --- sending -----------------------------------------------------------------------------------


class Webhooks:
    """Delivers in the background.

    ``app``: what webhooks to paths of this server are handed to (None: there are none). ``metrics``:
    told of each outcome. Raises `ConfigError` if a header names a variable that is not set, or that
    may not be used.
    """

    def __init__(
        self,
        settings: WebhookSettings,
        *,
        app: ASGIApp | None = None,
        metrics: Metrics | None = None,
        first_wait: float = FIRST_WAIT_SECONDS,
    ) -> None:
        self.app, self._settings, self._metrics = app, settings, metrics
        self._headers = headers_of(settings, os.environ)
        self._first_wait = first_wait
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(_AT_ONCE)

    def deliver(self, view: Mapping[str, Any], result: Result, run: Run) -> None:
        """Send a run that has ended to its webhook, in the background."""
        url = run.kwargs.get("webhook")
        if not url:
            return
        if len(self._tasks) >= _MOST_WAITING:
            self._gave_up(run, "too many webhooks wait already")
            return
        task = asyncio.create_task(self._deliver(str(url), view, result, run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, grace: float = GRACE_SECONDS) -> None:
        """Wait for what is on its way, at most ``grace`` seconds; give the rest up."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _deliver(self, url: str, view: Mapping[str, Any], result: Result, run: Run) -> None:
        reason = "the server stopped"
        try:
            async with self._places:
                reason = await self._try(url, body_of(view, result, run), run) or ""
        except Problem as problem:
            reason = problem.detail
        except Exception as error:
            reason = str(error) or type(error).__name__
            log.error("a webhook failed", run_id=run.run_id, exc_info=error)
        finally:
            if reason:
                self._gave_up(run, reason)
            elif self._metrics is not None:
                self._metrics.webhook("delivered")

    async def _try(self, url: str, body: dict[str, Any], run: Run) -> str | None:
        """Until it is delivered (None), or not to be tried again (why)."""
        reason = None
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(self._first_wait * 2 ** (attempt - 1))
            reason, again = await self._post(url, body, run)
            if not again:
                return reason
        return f"{reason} ({ATTEMPTS} attempts)"

    async def _post(self, url: str, body: dict[str, Any], run: Run) -> tuple[str | None, bool]:
        """One attempt → (why it failed or None, whether to try again)."""
        import httpx

        target = target_of(url, self._settings)
        headers = {
            "Content-Type": JSON_TYPE,
            "User-Agent": f"caesura/{__version__}",
            **self._headers,
            "Webhook-Id": run.run_id,
        }
        data = encode({**body, "webhook_sent_at": clock().now()})
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS * 2):
                status = await self._send(target, httpx.URL(url), headers, data)
        except Problem as problem:
            return problem.detail, False
        except (httpx.HTTPError, OSError) as error:
            return str(error) or type(error).__name__, True
        if 200 <= status < 300:
            return None, False
        return f"answered with {status}", status >= 500 or status in (408, 429)

    async def _send(
        self, target: Target, url: httpx.URL, headers: Mapping[str, str], data: bytes
    ) -> int:
        extensions: dict[str, Any] = {}
        if target.host:
            address = await self._resolve(target)
            headers = {**headers, "Host": url.netloc.decode("ascii").rpartition("@")[2]}
            if target.scheme == "https":
                extensions["sni_hostname"] = url.raw_host.decode("ascii")
            url = url.copy_with(host=address)
        async with self._client(target) as client:
            request = client.build_request(
                "POST", url, headers=headers, content=data, extensions=extensions
            )
            response = await client.send(request, stream=True)
            await response.aclose()
        return response.status_code

    def _client(self, target: Target) -> httpx.AsyncClient:
        import httpx

        transport, base = None, ""
        if not target.host:
            if self.app is None:
                raise invalid("Webhooks to paths of this server are not served here")
            transport, base = httpx.ASGITransport(self.app), "http://caesura.internal"
        return httpx.AsyncClient(
            transport=transport,
            base_url=base,
            timeout=_TIMEOUT_SECONDS,
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

    def _gave_up(self, run: Run, reason: str) -> None:
        if self._metrics is not None:
            self._metrics.webhook("failed")
        log.error("webhook not delivered", run_id=run.run_id, reason=reason)


def body_of(view: Mapping[str, Any], result: Result, run: Run) -> dict[str, Any]:
    """What is sent: the run, its times, the values at its end (null if it failed), and its error."""
    values = orjson.loads(result.body) if result.body else None
    if isinstance(values, dict):
        values = None if "__error__" in values else values
    if isinstance(values, dict):
        values = {k: v for k, v in values.items() if k != INTERRUPT}
    body = {
        **view,
        "run_started_at": run.started_at,
        "run_ended_at": run.ended_at,
        "webhook_sent_at": None,
        "values": values,
    }
    if result.error is not None:
        body["error"] = result.error
    return body


def headers_of(settings: WebhookSettings, environ: Mapping[str, str]) -> dict[str, str]:
    """The configured headers, with ``{{ env.NAME }}`` filled in. Raises `ConfigError`."""
    problems: list[ProjectProblem] = []

    def wrong(name: str, text: str) -> str:
        problems.append(ProjectProblem(Path("configuration"), f"webhooks.headers.{name}", text))
        return ""

    def filled(name: str, value: str) -> str:
        def one(match: re.Match[str]) -> str:
            variable, prefix = match[1], settings.env_prefix
            if not variable.startswith(prefix):
                return wrong(name, f"may only use variables that begin with {prefix!r}")
            if variable not in environ:
                return wrong(name, f"needs the environment variable {variable}, which is not set")
            return environ[variable]

        return _VARIABLE.sub(one, value)

    made = {name: filled(name, value) for name, value in settings.headers.items()}
    for name, value in made.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~\w-]+", name, re.ASCII) or re.search(
            r"[\r\n\0]", value
        ):
            wrong(name, "is no valid header")
    if problems:
        raise ConfigError(problems)
    return made
