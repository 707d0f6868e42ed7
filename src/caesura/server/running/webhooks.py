"""Webhooks: where they may go, and what they say. Pure.

An address is checked when a run is submitted, and again when its webhook is sent
(`caesura.server.running.posting`).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Any, Final

import orjson

from caesura.constants import INTERRUPT
from caesura.records.shapes import Run
from caesura.server.http.problems import Problem, invalid
from caesura.server.project.errors import ConfigError, ProjectProblem
from caesura.server.project.sections import Webhooks as WebhookSettings
from caesura.server.running.streams import Result

_PORTS: Final = {"http": 80, "https": 443}
_RELATIVE: Final = (
    "Loopback webhooks (relative URLs and localhost) are disabled by default. A relative one is handed to "
    "the routes of this server, in the name of whoever started the run; one to localhost reaches whatever "
    "listens on this machine. Set webhooks.url.disable_loopback to false to opt in, if nothing there can "
    "do harm."
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


# --- what they say -----------------------------------------------------------------------------


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
