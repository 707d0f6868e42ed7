"""Webhooks are sent from an outbox: when, how often, to whom, and what survives the process."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.unit.serving import HeldClock, held, served

from caesura.checkpoint.sqlite import SqliteSaver
from caesura.execution.tokens import RunToken
from caesura.records.operations import (
    AcceptRun,
    ClaimDeliveries,
    CountDeliveries,
    FinishRun,
    SweepDeliveries,
)
from caesura.records.shapes import Run, Thread
from caesura.server.metrics import Metrics
from caesura.server.project.sections import Webhooks as Settings
from caesura.server.project.sections import WebhookUrls
from caesura.server.running.outbox import ATTEMPTS, LEASE_SECONDS, Outbox
from caesura.server.running.streams import Result
from caesura.server.running.webhooks import check_webhook
from caesura.storage.sqlite import connect

OPEN = Settings(url=WebhookUrls(disable_loopback=False))
START = "2026-11-21T02:05:21+00:00"
DONE = Result("success", b'{"log":["one"]}')


class Receiver:
    """A web server that notes what it is sent, and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], Any]] = []
        self.answers: list[str] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]

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


@pytest.fixture
def clock() -> Iterator[HeldClock]:
    with held(START) as clock:
        yield clock


class Process:
    """What one server process has of an outbox; several may share a file."""

    def __init__(self, file: Path, settings: Settings = OPEN, **how: Any) -> None:
        self.database = SqliteSaver(connect(str(file)))
        self.metrics = Metrics()
        self.token = RunToken()
        self.outbox = Outbox(
            self.database, settings, worker=self.token.text, metrics=self.metrics, **how
        )

    def end_run(self, url: str | None, run_id: str = "r", owner: Any = None) -> None:
        """Have a run with this webhook end, and its delivery stored."""
        config = {"configurable": {"langgraph_auth_user": owner}}
        kwargs = {"webhook": url, "config": config}
        made = Run(run_id, f"t-{run_id}", "a", "agent", START, START, kwargs=kwargs)
        thread = Thread(made.thread_id, START, START, START)
        accept = AcceptRun(made, START, 0.0, new_thread=thread, claim_for=("w", 1.0))
        begun = self.database.execute(accept).run
        ended = replace(begun, status="success", ended_at=START)
        delivery = self.outbox.delivery(ended, DONE)
        end = FinishRun(begun, START, "success", "idle", delivery=delivery)
        assert self.database.execute(end) is not None

    @property
    def stored(self) -> Any:
        return self.database.execute(CountDeliveries())

    @property
    def outcomes(self) -> dict[str, float]:
        samples = [s for m in self.metrics.registry.collect() for s in m.samples]
        return {s.labels["outcome"]: s.value for s in samples if s.name == "caesura_webhooks_total"}

    def die(self) -> None:
        """As after kill -9: nothing is given back."""
        self.token.end()
        self.database.close()


async def deliver(file: Path, url: str, settings: Settings = OPEN, **how: Any) -> Process:
    """Deliver one run's webhook, to its end."""
    process = Process(file, settings, first_wait=0.0, **how)
    process.end_run(url)
    await process.outbox.deliver_due()
    return process


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data.sqlite"


# --- sending -----------------------------------------------------------------------------------


async def test_a_run_is_posted_once(receiver: Receiver, file: Path) -> None:
    process = await deliver(file, f"{receiver.url}hook?x=1")
    ((headers, body),) = receiver.got
    assert headers["path"] == "/hook?x=1"
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == body["run_id"]
    assert body["values"] == {"log": ["one"]}
    assert body["webhook_sent_at"]
    assert process.outcomes == {"delivered": 1}
    assert process.stored == {"waiting": 0, "dead": 0}


async def test_failures_are_tried_again_under_the_same_id(receiver: Receiver, file: Path) -> None:
    receiver.answers = ["500 Oops", "drop", "503 Later", "429 Slow"]
    process = await deliver(file, receiver.url)
    assert receiver.ids == ["r"] * 5
    assert process.outcomes == {"delivered": 1}


async def test_a_failed_one_waits_longer_before_each_further_attempt(
    receiver: Receiver, file: Path, clock: HeldClock
) -> None:
    receiver.answers = ["500 Oops"] * 3
    process = Process(file, first_wait=10.0)
    process.end_run(receiver.url)
    for attempts, wait in ((1, 10), (2, 40), (3, 160)):
        await process.outbox.deliver_due()
        assert len(receiver.got) == attempts
        clock.move(seconds=wait - 1)
        await process.outbox.deliver_due()
        assert len(receiver.got) == attempts, "it was tried again too early"
        clock.move(seconds=1)
    await process.outbox.deliver_due()
    assert process.outcomes == {"delivered": 1}


async def test_after_the_last_attempt_it_is_dead_and_kept_for_a_while(
    receiver: Receiver, file: Path, clock: HeldClock
) -> None:
    receiver.answers = ["500 Oops"] * 99
    process = await deliver(file, receiver.url)
    assert len(receiver.got) == ATTEMPTS
    assert process.outcomes == {"failed": 1}
    clock.move(days=1)
    await process.outbox.deliver_due()
    assert len(receiver.got) == ATTEMPTS
    assert process.stored == {"waiting": 0, "dead": 1}
    for days, left in ((0, 1), (1, 0)):
        clock.move(days=days)
        process.database.execute(SweepDeliveries(clock.epoch() - 24 * 3600))
        assert process.stored["dead"] == left


async def test_a_refusal_is_final_and_redirects_are_not_followed(
    receiver: Receiver, tmp_path: Path
) -> None:
    receiver.answers = ["404 No", f"302 Found\r\nLocation: {receiver.url}elsewhere"]
    for name in ("refused", "redirected"):
        process = await deliver(tmp_path / name, receiver.url)
        assert process.outcomes == {"failed": 1}
    assert len(receiver.got) == 2


async def test_configured_headers_go_along_but_the_id_stays(
    receiver: Receiver, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LG_WEBHOOK_TOKEN", "t")
    headers = {"X-Token": "{{ env.LG_WEBHOOK_TOKEN }}", "Webhook-Id": "mine"}
    await deliver(file, receiver.url, replace(OPEN, headers=headers))
    ((got, body),) = receiver.got
    assert got["x-token"] == "t"
    assert got["webhook-id"] == body["run_id"]


def names(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Every name resolves to these addresses."""

    async def resolve(self: Any, host: str, port: int, **how: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)


async def test_a_name_that_leads_inside_by_then_is_not_followed(
    receiver: Receiver, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://rebound.example:{receiver.port}/"
    check_webhook(url, Settings())
    names(monkeypatch, "127.0.0.1")
    assert (await deliver(file, url, Settings())).outcomes == {"failed": 1}
    assert not receiver.got


async def test_the_connection_is_made_to_the_address_that_was_checked(
    receiver: Receiver, file: Path, monkeypatch: pytest.MonkeyPatch
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
    await deliver(file, f"http://hooks.example:{receiver.port}/")
    ((headers, _),) = receiver.got
    assert headers["host"] == f"hooks.example:{receiver.port}"


async def test_proxies_of_the_environment_are_not_used(
    receiver: Receiver, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert (await deliver(file, receiver.url)).outcomes == {"delivered": 1}


def test_a_run_without_a_webhook_stores_none(file: Path) -> None:
    process = Process(file)
    process.end_run(None)
    assert process.stored == {"waiting": 0, "dead": 0}


# --- several processes, and those that die -----------------------------------------------------


async def test_what_a_dead_process_stored_is_delivered_by_the_next(
    receiver: Receiver, file: Path
) -> None:
    first = Process(file)
    first.end_run(receiver.url)
    first.die()
    second = Process(file)
    await second.outbox.deliver_due()
    assert receiver.ids == ["r"]
    assert second.stored == {"waiting": 0, "dead": 0}


async def test_of_several_processes_one_delivers(receiver: Receiver, file: Path) -> None:
    processes = [Process(file) for _ in range(3)]
    for number in range(30):
        processes[number % 3].end_run(receiver.url, f"r{number}")
    await asyncio.gather(*(process.outbox.deliver_due() for process in processes))
    assert sorted(receiver.ids) == sorted(f"r{number}" for number in range(30))


async def test_what_a_process_has_claimed_is_nobody_elses_until_its_lease_ends(
    receiver: Receiver, file: Path, clock: HeldClock
) -> None:
    first, second = Process(file), Process(file)
    first.end_run(receiver.url)
    now = clock.epoch()
    claim = ClaimDeliveries(first.token.text, now, now + LEASE_SECONDS, 10)
    assert len(first.database.execute(claim)) == 1
    clock.move(seconds=LEASE_SECONDS - 1)
    await second.outbox.deliver_due()
    assert not receiver.got
    clock.move(seconds=1)
    await second.outbox.deliver_due()
    assert receiver.ids == ["r"]


async def test_what_a_dead_process_had_claimed_is_taken_over_at_once(
    receiver: Receiver, file: Path, clock: HeldClock
) -> None:
    first = Process(file)
    first.end_run(receiver.url)
    claim = ClaimDeliveries(first.token.text, clock.epoch(), clock.epoch() + LEASE_SECONDS, 10)
    first.database.execute(claim)
    first.die()
    second = Process(file)
    working = asyncio.create_task(second.outbox.work())
    async with asyncio.timeout(20):
        while second.stored["waiting"]:
            await asyncio.sleep(0)
    working.cancel()
    assert receiver.ids == ["r"]


async def test_who_comes_late_with_an_outcome_changes_nothing(
    receiver: Receiver, file: Path, clock: HeldClock
) -> None:
    late, other = Process(file), Process(file)
    late.end_run(receiver.url)
    receiver.answers = ["500 Oops"]
    post = late.outbox.poster.post

    async def slow(delivery: Any) -> Any:
        outcome = await post(delivery)
        clock.move(seconds=LEASE_SECONDS)
        now = clock.epoch()
        claim = ClaimDeliveries(other.token.text, now, now + LEASE_SECONDS, 10)
        assert len(other.database.execute(claim)) == 1
        return outcome

    late.outbox.poster.post = slow  # type: ignore[method-assign]
    await late.outbox.deliver_due()
    assert late.outcomes == {}
    assert other.stored == {"waiting": 1, "dead": 0}


async def test_closing_waits_a_while_and_leaves_the_rest_to_the_next_start(
    receiver: Receiver, file: Path
) -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process = Process(file)
    async with server, asyncio.timeout(20):
        process.end_run(f"http://127.0.0.1:{port}/", "stuck")
        await process.outbox.close(grace=0.05)
    assert process.stored == {"waiting": 1, "dead": 0}
    claim = ClaimDeliveries("next", 1e12, 2e12, 10)
    (left,) = Process(file).database.execute(claim)
    assert (left.run_id, left.due_at) == ("stuck", 2e12)


# --- over HTTP ---------------------------------------------------------------------------------

LOOSE = {"webhooks": {"url": {"disable_loopback": False}}}
APP = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

got = []

async def hook(request):
    user = request.scope.get("user")
    got.append((request.url.path, None if user is None else user.identity, await request.json()))
    return PlainTextResponse("ok")

app = Starlette(routes=[Route("/hook", hook, methods=["POST"])])
app.state.got = got
"""
GUARD = """
from caesura.server.auth import Auth

auth = Auth()

@auth.authenticate
async def who(headers):
    key = headers.get(b"x-api-key", b"").decode()
    if not key:
        raise Auth.exceptions.HTTPException(401, "Who are you?")
    return key
"""


async def test_a_run_over_http_ends_at_its_webhook(receiver: Receiver, tmp_path: Path) -> None:
    async with served(tmp_path, LOOSE) as api:
        run = {"assistant_id": "asking", "input": {"topic": "x"}, "webhook": f"{receiver.url}hook"}
        thread = await api.json("POST", "/threads", {})
        await api.json("POST", f"/threads/{thread['thread_id']}/runs/wait", run)
    ((_, body),) = receiver.got
    assert body["status"] == "success"
    assert body["run_started_at"] <= body["run_ended_at"] <= body["webhook_sent_at"]
    assert body["values"] == {"topic": "x"}


async def test_a_run_with_a_webhook_that_leads_inside_is_not_started(tmp_path: Path) -> None:
    async with served(tmp_path) as api:
        run = {"assistant_id": "agent", "input": {}, "webhook": "http://127.0.0.1:1/"}
        refused = await api.json("POST", "/runs/wait", run, status=422)
        assert refused["detail"] == "Webhook host blocked: loopback IP range"


async def test_where_webhooks_are_switched_off_a_run_that_wants_one_is_refused(
    receiver: Receiver, tmp_path: Path
) -> None:
    config = {**LOOSE, "http": {"disable_webhooks": True}}
    async with served(tmp_path, config) as api:
        run = {"assistant_id": "agent", "input": {}, "webhook": receiver.url}
        cron = {"assistant_id": "agent", "schedule": "* * * * *", "webhook": receiver.url}
        for path, body in (("/runs", run), ("/runs/batch", [run]), ("/runs/crons", cron)):
            refused = await api.json("POST", path, body, status=422)
            assert "http.disable_webhooks" in refused["detail"]
        assert (await api.json("POST", "/runs/wait", {"assistant_id": "agent", "input": {}})) == {
            "log": ["one"]
        }
    assert not receiver.got


async def test_a_path_of_this_server_is_handed_to_its_own_routes(tmp_path: Path) -> None:
    (tmp_path / "own_app.py").write_text(APP)
    async with served(tmp_path, {**LOOSE, "http": {"app": "./own_app.py:app"}}) as api:
        run = {"assistant_id": "agent", "input": {}, "webhook": "/hook"}
        await api.json("POST", "/runs/wait", run)
    ((path, user, body),) = api.server.custom_app.state.got
    assert (path, user, body["status"]) == ("/hook", None, "success")


async def test_a_path_of_this_server_is_called_as_whoever_started_the_run(tmp_path: Path) -> None:
    (tmp_path / "own_app.py").write_text(APP)
    (tmp_path / "guard.py").write_text(GUARD)
    http = {"app": "./own_app.py:app", "enable_custom_route_auth": True}
    config = {**LOOSE, "http": http, "auth": {"path": "./guard.py:auth"}}
    async with served(tmp_path, config) as api:
        assert (await api("POST", "/hook", {})).status_code == 401
        api.client.headers["x-api-key"] = "ada"
        run = {"assistant_id": "agent", "input": {}, "webhook": "/hook"}
        await api.json("POST", "/runs/wait", run)
    ((_, user, _),) = api.server.custom_app.state.got
    assert user == "ada"
