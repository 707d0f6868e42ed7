"""Webhooks: where they may go, what they say, and how often it is tried."""

from __future__ import annotations

import json
from ipaddress import ip_address

import pytest

from caesura.records.shapes import Run
from caesura.server.http.problems import Problem
from caesura.server.project.errors import ConfigError
from caesura.server.project.sections import Webhooks as Settings
from caesura.server.project.sections import WebhookUrls
from caesura.server.running.streams import Result
from caesura.server.running.webhooks import (
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
