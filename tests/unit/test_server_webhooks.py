"""Webhooks: where they may go, what they say, and how often it is tried."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.unit.serving import served

from caesura.records.shapes import Run
from caesura.server.http.problems import Problem
from caesura.server.metrics import Metrics
from caesura.server.project.errors import ConfigError
from caesura.server.project.sections import Webhooks as Settings
from caesura.server.project.sections import WebhookUrls
from caesura.server.running.streams import Result
from caesura.server.running.webhooks import (
    ATTEMPTS,
    Webhooks,
    body_of,
    check_webhook,
    headers_of,
    refusal_of,
)
from caesura.server.views import run_view

OPEN = Settings(url=WebhookUrls(disable_loopback=False))
DONE = Result("success", b'{"log":["one"]}')


def run_to(url: str | None) -> Run:
    return Run(
        "01a1fbd9-d7e2-7343-a755-daa49ee3683a",
        "01a1fbd9-d7d7-72d7-834f-a0d58b96405a",
        "fe096781-5601-53d2-b2f6-0d3403f7e9ca",
        "agent",
        "2026-11-21T02:05:20+00:00",
        "2026-11-21T02:05:21+00:00",
        status="success",
        kwargs={"webhook": url},
        started_at="2026-11-21T02:05:20.5+00:00",
        ended_at="2026-11-21T02:05:21+00:00",
    )


# --- where they may go -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://127.0.0.1:2199/hook?x=1", "Webhook host blocked: loopback IP range"),
        ("http://127.1/", "Webhook host blocked: loopback IP range"),
        ("http://2130706433/", "Webhook host blocked: loopback IP range"),
        ("http://0x7f.0.0.1/", "Webhook host blocked: loopback IP range"),
        ("http://0.0.0.0/", "Webhook host blocked: loopback IP range"),
        ("http://[::1]/", "Webhook host blocked: loopback IP range"),
        ("http://[::ffff:127.0.0.1]/", "Webhook host blocked: loopback IP range"),
        ("http://[64:ff9b::7f00:1]/", "Webhook host blocked: loopback IP range"),
        ("http://user@127.0.0.1/", "Webhook host blocked: loopback IP range"),
        ("http://localhost/x", "Webhook host blocked: localhost address"),
        ("http://LOCALHOST./x", "Webhook host blocked: localhost address"),
        ("http://a.localhost/x", "Webhook host blocked: localhost address"),
        ("http://169.254.169.254/x", "Webhook host blocked: blocked IP range"),
        ("http://[fe80::1]/x", "Webhook host blocked: blocked IP range"),
        ("http://224.0.0.1/", "Webhook host blocked: blocked IP range"),
        ("ftp://a/x", "Webhook host blocked: scheme 'ftp' not allowed"),
        ("zzz", "Invalid webhook hostname ''"),
        ("http://", "Invalid webhook hostname ''"),
        ("/ok", "Loopback webhooks (relative URLs and localhost) are disabled by default."),
        ("http://a\r\nb/", "Invalid webhook URL"),
        ("http://a:99999999/", "Invalid webhook URL"),
        ("https://example.com/" + "x" * 70_000, "Webhook URL is longer than 65536 characters"),
    ],
    ids=lambda value: str(value)[:40].encode("unicode_escape").decode(),
)
def test_what_leads_inside_is_refused(url: str, text: str) -> None:
    with pytest.raises(Problem) as refused:
        check_webhook(url, Settings())
    assert refused.value.status == 422
    assert refused.value.detail.startswith(text)


@pytest.mark.parametrize(
    "url", ["https://example.com/hook", "http://10.0.0.1/x", "http://backend:8080/x"]
)
def test_other_addresses_are_taken(url: str) -> None:
    check_webhook(url, Settings())


def test_loopback_can_be_opened_but_not_what_is_link_local() -> None:
    for url in ("http://127.0.0.1:1/", "http://localhost/", "http://[::1]/", "/ok"):
        check_webhook(url, OPEN)
    with pytest.raises(Problem, match="blocked IP range"):
        check_webhook("http://169.254.169.254/", OPEN)


def test_domains_ports_and_https_can_be_required() -> None:
    rules = WebhookUrls(
        allowed_domains=("*.example.com", "hooks.example.org"),
        allowed_ports=(443,),
        require_https=True,
    )
    settings = Settings(url=rules)
    check_webhook("https://a.example.com/x", settings)
    check_webhook("https://hooks.example.org/x", settings)
    for url, text in (
        ("https://example.com.evil.org/x", "domain"),
        ("https://evilexample.com/x", "domain"),
        ("https://sub.hooks.example.org/x", "domain"),
        ("https://a.example.com:8443/x", "port"),
        ("http://a.example.com/x", "https"),
    ):
        with pytest.raises(Problem, match=text):
            check_webhook(url, settings)


def test_secrets_of_clouds_are_out_of_reach() -> None:
    for address in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200"):
        assert refusal_of(ip_address(address), False) is not None


# --- headers -----------------------------------------------------------------------------------


def test_headers_are_filled_in_from_the_environment() -> None:
    settings = Settings(headers={"Authorization": "Bearer {{ env.LG_WEBHOOK_TOKEN }}"})
    made = headers_of(settings, {"LG_WEBHOOK_TOKEN": "t", "SECRET": "s"})
    assert made == {"Authorization": "Bearer t"}


@pytest.mark.parametrize(
    ("value", "text"),
    [("{{ env.SECRET }}", "begin with 'LG_WEBHOOK_'"), ("{{ env.LG_WEBHOOK_X }}", "is not set"),
     ("a\r\nb: c", "no valid header")],
    ids=["other prefix", "not set", "line break"],
)  # fmt: skip
def test_headers_that_cannot_be_made_are_refused_at_the_start(value: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as refused:
        headers_of(Settings(headers={"X-Own": value}), {"SECRET": "hidden"})
    assert "hidden" not in str(refused.value)


# --- what they say -----------------------------------------------------------------------------


def test_the_body_is_the_run_with_its_times_and_values() -> None:
    run = run_to("https://example.com")
    body = body_of(run_view(run), Result("success", b'{"a":1,"__interrupt__":[]}'), run)
    assert body["values"] == {"a": 1}
    assert body["run_started_at"] == run.started_at
    assert body["run_ended_at"] == run.ended_at
    assert "error" not in body
    assert list(body)[-4:] == ["run_started_at", "run_ended_at", "webhook_sent_at", "values"]


def test_the_body_of_a_failed_run_has_its_error() -> None:
    run, told = run_to("https://example.com"), {"error": "ValueError", "message": "boom"}
    failed = Result("error", json.dumps({"__error__": told}).encode(), told)
    body = body_of(run_view(run), failed, run)
    assert (body["error"], body["values"]) == (told, None)


# --- sending -----------------------------------------------------------------------------------


class Receiver:
    """A web server that notes what it is sent, and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], Any]] = []
        self.answers: list[str] = []
        self.port = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
        headers["path"] = head[0].split()[1]
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.got.append((headers, json.loads(body)))
        answer = self.answers.pop(0) if self.answers else "200 OK"
        if answer != "drop":
            reply = f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            writer.write(reply.encode())
            await writer.drain()
        writer.close()


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver


async def deliver(url: str, settings: Settings = OPEN, **how: Any) -> Metrics:
    """Deliver one run and wait for the outcome."""
    metrics = Metrics()
    hooks = Webhooks(settings, metrics=metrics, first_wait=0.0, **how)
    run = run_to(url)
    hooks.deliver(run_view(run), DONE, run)
    await hooks.close(grace=30)
    return metrics


def outcomes(metrics: Metrics) -> dict[str, float]:
    samples = [s for m in metrics.registry.collect() for s in m.samples]
    return {s.labels["outcome"]: s.value for s in samples if s.name == "caesura_webhooks_total"}


async def test_a_run_is_posted_once(receiver: Receiver) -> None:
    metrics = await deliver(f"http://127.0.0.1:{receiver.port}/hook?x=1")
    ((headers, body),) = receiver.got
    assert headers["path"] == "/hook?x=1"
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == body["run_id"]
    assert body["values"] == {"log": ["one"]}
    assert body["webhook_sent_at"]
    assert outcomes(metrics) == {"delivered": 1}


async def test_failures_are_tried_again_under_the_same_id(receiver: Receiver) -> None:
    receiver.answers = ["500 Oops", "drop", "503 Later", "429 Slow"]
    metrics = await deliver(f"http://127.0.0.1:{receiver.port}/")
    assert len(receiver.got) == 5
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert outcomes(metrics) == {"delivered": 1}


async def test_it_is_given_up_after_some_attempts(receiver: Receiver) -> None:
    receiver.answers = ["500 Oops"] * 99
    metrics = await deliver(f"http://127.0.0.1:{receiver.port}/")
    assert len(receiver.got) == ATTEMPTS
    assert outcomes(metrics) == {"failed": 1}


async def test_a_refusal_is_final_and_redirects_are_not_followed(receiver: Receiver) -> None:
    url = f"http://127.0.0.1:{receiver.port}/"
    receiver.answers = ["404 No", f"302 Found\r\nLocation: {url}elsewhere"]
    assert outcomes(await deliver(url)) == {"failed": 1}
    assert outcomes(await deliver(url)) == {"failed": 1}
    assert len(receiver.got) == 2


async def test_configured_headers_go_along_but_the_id_stays(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LG_WEBHOOK_TOKEN", "t")
    headers = {"X-Token": "{{ env.LG_WEBHOOK_TOKEN }}", "Webhook-Id": "mine"}
    await deliver(f"http://127.0.0.1:{receiver.port}/", replace(OPEN, headers=headers))
    ((got, body),) = receiver.got
    assert got["x-token"] == "t"
    assert got["webhook-id"] == body["run_id"]


def names(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Every name resolves to these addresses."""

    async def resolve(self: Any, host: str, port: int, **how: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)


async def test_a_name_that_leads_inside_by_then_is_not_followed(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://rebound.example:{receiver.port}/"
    check_webhook(url, Settings())
    names(monkeypatch, "127.0.0.1")
    assert outcomes(await deliver(url, Settings())) == {"failed": 1}
    assert not receiver.got


async def test_the_connection_is_made_to_the_address_that_was_checked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    resolve = asyncio.BaseEventLoop.getaddrinfo

    async def once(self: Any, host: Any, port: Any, **how: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        asked.append(name)
        if name != "hooks.example":
            return await resolve(self, host, port, **how)
        if asked.count(name) > 1:
            raise socket.gaierror("asked twice")
        places = [(a, port) for a in ("169.254.169.254", "127.0.0.1")]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", once)
    await deliver(f"http://hooks.example:{receiver.port}/")
    ((headers, _),) = receiver.got
    assert headers["host"] == f"hooks.example:{receiver.port}"


async def test_proxies_of_the_environment_are_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert outcomes(await deliver(f"http://127.0.0.1:{receiver.port}/")) == {"delivered": 1}


async def test_closing_waits_a_while_and_gives_the_rest_up() -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, asyncio.timeout(20):
        metrics = Metrics()
        hooks = Webhooks(OPEN, metrics=metrics)
        run = run_to(f"http://127.0.0.1:{port}/")
        hooks.deliver(run_view(run), DONE, run)
        await hooks.close(grace=0.01)
    assert outcomes(metrics) == {"failed": 1}


async def test_a_path_of_this_server_is_handed_to_it() -> None:
    got: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        got.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    assert outcomes(await deliver("/own/hook", app=app)) == {"delivered": 1}
    assert got == ["/own/hook"]


async def test_a_run_without_a_webhook_tells_nobody() -> None:
    hooks = Webhooks(OPEN)
    hooks.deliver({}, DONE, run_to(None))
    await hooks.close(grace=0)


async def test_a_run_over_http_ends_at_its_webhook(receiver: Receiver, tmp_path: Path) -> None:
    config = {"webhooks": {"url": {"disable_loopback": False}}}
    async with served(tmp_path, config) as api:
        run = {"assistant_id": "asking", "input": {"topic": "x"}}
        run["webhook"] = f"http://127.0.0.1:{receiver.port}/hook"
        thread = await api.json("POST", "/threads", {})
        await api.json("POST", f"/threads/{thread['thread_id']}/runs/wait", run)
        await api.server.webhooks.close(grace=20)
    ((_, body),) = receiver.got
    assert body["status"] == "success"
    assert body["run_started_at"] <= body["run_ended_at"] <= body["webhook_sent_at"]
    assert body["values"] == {"topic": "x"}


async def test_a_run_with_a_webhook_that_leads_inside_is_not_started(tmp_path: Path) -> None:
    async with served(tmp_path) as api:
        run = {"assistant_id": "agent", "input": {}, "webhook": "http://127.0.0.1:1/"}
        refused = await api.json("POST", "/runs/wait", run, status=422)
        assert refused["detail"] == "Webhook host blocked: loopback IP range"
