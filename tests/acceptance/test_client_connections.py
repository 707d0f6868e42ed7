"""What the client does when connections break: nothing is lost, and nothing is done twice.

The server here follows a script: for each request in turn, the bytes it answers with before it closes
the connection.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from caesura.client import (
    ApiConnectionError,
    ApiTimeoutError,
    InvalidReplyError,
    get_client,
    get_sync_client,
)

Call = Callable[[Any], Any]


@dataclass
class Received:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Script:
    """Answers each request with the next part of the script, then closes the connection."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.received: list[Received] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                if not (request := self._read(lines)):
                    return
                self.received.append(request)
                connection.sendall(self.parts.pop(0) if self.parts else b"")

    def _read(self, lines: Any) -> Received | None:
        first = lines.readline().decode()
        if not first or first.startswith("STOP"):
            return None
        method, target, _ = first.split(" ", 2)
        headers = {}
        while (line := lines.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Received(method, target, headers, lines.read(int(headers.get("content-length", 0))))

    def close(self) -> None:
        with socket.create_connection(self._listener.getsockname()) as bye:
            bye.sendall(b"STOP\r\n")
        self._thread.join()
        self._listener.close()

    @property
    def asked(self) -> list[tuple[str, str]]:
        return [(r.method, r.target) for r in self.received]


def reply(body: Any, status: str = "200 OK", cut: int = 0, **headers: str) -> bytes:
    """A JSON reply; with ``cut``, so many bytes at its end are never sent."""
    content = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content[: len(content) - cut]


def events(*frames: tuple[str, Any, str | None], whole: bool = False, **headers: str) -> bytes:
    """A stream that breaks off after ``frames``; if ``whole``, one that the server closes properly."""
    text = ""
    for event, data, id in frames:
        text += f"event: {event}\r\ndata: {json.dumps(data)}\r\n" + (f"id: {id}\r\n" if id else "")
        text += "\r\n"
    lines = ["HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    content = f"{len(text):x}\r\n{text}\r\n" if text else ""
    return "\r\n".join([*lines, "", content + ("0\r\n\r\n" if whole else "")]).encode()


@pytest.fixture
def script() -> Iterator[Script]:
    made = Script()
    yield made
    made.close()


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest, script: Script) -> Iterator[Callable[[Call], Any]]:
    """Makes one call of a client, sync or async; of a stream, returns all parts."""
    if request.param == "sync":
        with get_sync_client(url=script.url, api_key=None) as client:
            yield lambda make: _all(make(client))
        return

    async def awaited(make: Call) -> Any:
        async with get_client(url=script.url, api_key=None) as client:
            made = make(client)
            return [p async for p in made] if hasattr(made, "__anext__") else await made

    yield lambda make: asyncio.run(awaited(make))


def _all(made: Any) -> Any:
    return list(made) if hasattr(made, "__next__") else made


PLACE = {
    "Content_Location": "/threads/t/runs/r",
    "Location": "/threads/t/runs/r/stream",
}
HEEDS_KEYS = reply({"flags": {"idempotency_key": True}})


class TestBeforeTheReply:
    def test_a_run_is_started_again_with_the_same_key_if_the_server_heeds_it(
        self, script: Script, call: Any
    ) -> None:
        script.parts = [b"", HEEDS_KEYS, reply({"run_id": "r"})]
        assert call(lambda c: c.runs.create("t", "agent", input={"a": 1})) == {"run_id": "r"}
        first, asked, again = script.received
        assert (asked.method, asked.target) == ("GET", "/info")
        assert first.headers["idempotency-key"] == again.headers["idempotency-key"]
        assert first.body == again.body == b'{"input":{"a":1},"assistant_id":"agent"}'

    def test_a_run_is_not_started_again_where_that_could_start_two(
        self, script: Script, call: Any
    ) -> None:
        script.parts = [b"", reply({"flags": {}})]
        with pytest.raises(ApiConnectionError, match="may have done what was asked"):
            call(lambda c: c.runs.create("t", "agent"))
        assert script.asked == [("POST", "/threads/t/runs"), ("GET", "/info")]

    def test_what_has_no_key_is_not_sent_again(self, script: Script, call: Any) -> None:
        script.parts = [b""]
        with pytest.raises(ApiConnectionError):
            call(lambda c: c.threads.create())
        assert script.asked == [("POST", "/threads")]

    def test_what_only_reads_is_sent_again(self, script: Script, call: Any) -> None:
        script.parts = [b"", reply({"thread_id": "t"})]
        assert call(lambda c: c.threads.get("t")) == {"thread_id": "t"}

    def test_after_two_repeats_it_is_given_up(self, script: Script, call: Any) -> None:
        with pytest.raises(ApiConnectionError):
            call(lambda c: c.threads.get("t"))
        assert script.asked == [("GET", "/threads/t")] * 3

    def test_a_refusal_is_not_repeated(self, script: Script, call: Any) -> None:
        script.parts = [reply({"detail": "busy"}, "503 Service Unavailable")]
        with pytest.raises(Exception, match="503: busy"):
            call(lambda c: c.runs.create("t", "agent"))
        assert len(script.asked) == 1

    def test_nobody_there_is_a_connection_error(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        with (
            get_sync_client(url=f"http://127.0.0.1:{port}", api_key=None) as client,
            pytest.raises(ApiConnectionError) as caught,
        ):
            client.threads.create()
        assert "may have done" not in str(caught.value)

    def test_a_server_that_does_not_answer_in_time_is_a_timeout(self) -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as silent,
            get_sync_client(
                url=f"http://127.0.0.1:{silent.getsockname()[1]}", api_key=None, timeout=0.05
            ) as client,
            pytest.raises(ApiTimeoutError, match="may have done what was asked"),
        ):
            client.runs.create("t", "agent")


class TestAfterTheReplyHasBegun:
    WAITING = {"Location": "/threads/t/runs/r/join", "Content_Location": "/threads/t/runs/r"}

    def test_the_output_of_a_run_is_fetched_from_where_it_is(
        self, script: Script, call: Any
    ) -> None:
        script.parts = [reply({"a": 1}, cut=3, **self.WAITING), reply({"a": 1}, **self.WAITING)]
        seen: list[Any] = []
        assert call(lambda c: c.runs.wait("t", "agent", on_run_created=seen.append)) == {"a": 1}
        assert script.asked == [("POST", "/threads/t/runs/wait"), ("GET", "/threads/t/runs/r/join")]
        assert script.received[1].body == b""
        assert seen == [{"run_id": "r", "thread_id": "t"}]

    def test_a_place_on_another_server_is_not_gone_to(self, script: Script, call: Any) -> None:
        script.parts = [reply({"a": 1}, Location="http://elsewhere.example/join")]
        with pytest.raises(InvalidReplyError, match="not followed"):
            call(lambda c: c.runs.wait("t", "agent"))

    def test_a_redirect_is_not_followed(self, script: Script, call: Any) -> None:
        script.parts = [reply({}, "307 Temporary Redirect", Location="/elsewhere")]
        with pytest.raises(Exception, match="307"):
            call(lambda c: c.runs.wait("t", "agent"))
        assert len(script.asked) == 1


class TestStreams:
    def test_a_resumable_stream_goes_on_where_it_broke(self, script: Script, call: Any) -> None:
        script.parts = [
            events(("values", 1, "1-0"), ("values", 2, "1-1"), **PLACE),
            events(("values", 3, "1-2"), ("end", None, None), whole=True),
        ]
        parts = call(lambda c: c.runs.stream("t", "agent", stream_resumable=True))
        assert [p.data for p in parts] == [1, 2, 3, None]
        assert script.asked == [
            ("POST", "/threads/t/runs/stream"), ("GET", "/threads/t/runs/r/stream"),
        ]  # fmt: skip
        again = script.received[1]
        assert again.headers["last-event-id"] == "1-1"
        assert "idempotency-key" not in again.headers
        assert again.body == b""

    def test_a_stream_that_cannot_be_resumed_is_an_error_and_starts_no_second_run(
        self, script: Script, call: Any
    ) -> None:
        script.parts = [events(("values", 1, None), **PLACE)]
        with pytest.raises(ApiConnectionError, match="The run goes on"):
            call(lambda c: c.runs.stream("t", "agent"))
        assert len(script.asked) == 1

    def test_a_stream_closed_while_the_run_goes_on_is_taken_up_again(
        self, script: Script, call: Any
    ) -> None:
        script.parts = [
            events(("values", 1, "1-0"), whole=True, **PLACE),
            reply({"status": "running"}),
            events(("values", 2, "1-1"), whole=True),
            reply({"status": "success"}),
            events(("values", 3, "1-2"), whole=True),
        ]
        parts = call(lambda c: c.runs.stream("t", "agent", stream_resumable=True))
        assert [p.data for p in parts] == [1, 2, 3]
        assert script.asked[1::2] == [("GET", "/threads/t/runs/r")] * 2

    def test_a_stream_without_ids_ends_when_the_server_closes_it(
        self, script: Script, call: Any
    ) -> None:
        script.parts = [events(("values", 1, None), whole=True, **PLACE)]
        assert len(call(lambda c: c.runs.stream("t", "agent"))) == 1

    def test_a_thread_is_followed_over_many_connections(self, script: Script, call: Any) -> None:
        script.parts = [events(("values", n, f"1-{n}"), whole=True) for n in range(4)]
        script.parts.append(reply({"detail": "gone"}, "404 Not Found"))
        seen = []

        def follow(client: Any) -> Any:
            return _noting(client.threads.join_stream("t"), seen)

        with pytest.raises(Exception, match="404: gone"):
            call(follow)
        assert seen == [0, 1, 2, 3]
        ids = [r.headers.get("last-event-id") for r in script.received]
        assert ids == [None, "1-0", "1-1", "1-2", "1-3"]

    def test_a_stream_that_is_none_is_refused(self, script: Script, call: Any) -> None:
        script.parts = [reply({"run_id": "r"}, Content_Type="application/json")]
        with pytest.raises(InvalidReplyError, match="Expected an event stream"):
            call(lambda c: c.runs.stream("t", "agent"))


def _noting(parts: Any, seen: list[Any]) -> Any:
    """``parts``, each noted as it comes, whatever comes after it."""
    if hasattr(parts, "__anext__"):

        async def noted() -> Any:
            async for part in parts:
                seen.append(part.data)
                yield part

        return noted()

    def each() -> Any:
        for part in parts:
            seen.append(part.data)
            yield part

    return each()
