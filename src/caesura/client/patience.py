"""When to try again, and how: the rules that both transports follow. Nothing here waits or sends.

A request that never reached the server, or whose connection broke before the reply began, is repeated
only if that cannot do a thing twice: if it reads, or if it carries an ``Idempotency-Key`` and the
server says (``GET /info``) that it heeds them. Once the server has begun to answer, nothing is sent
twice: what is left of the reply is fetched from its ``Location``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from caesura.client.errors import ApiConnectionError, InvalidReplyError
from caesura.client.requests import (
    KEY,
    NO_BODY,
    Reply,
    Request,
    StreamRequest,
    call,
    json_body,
    path,
)
from caesura.client.requests.runs import run_of
from caesura.client.shapes import RunCreateMetadata, StreamPart
from caesura.client.sse import Parser

REPEATS: Final = 2
"""Times a request is sent again."""
PAUSES: Final = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Seconds before each attempt to take a reply up again; an attempt that brings something resets them."""


def server_heeds_keys() -> Request[bool]:
    """Asks whether a repeated POST with the same ``Idempotency-Key`` is done once only."""

    def read(reply: Reply) -> bool:
        info = json_body(reply)
        flags = info.get("flags") if isinstance(info, dict) else None
        return bool(isinstance(flags, dict) and flags.get("idempotency_key"))

    return call("GET", "/info", read)


class Patience:
    """One call's attempts, until all of its reply is there. ``repeats``: how often it may be sent again."""

    def __init__(self, request: Request[Any], base: str, repeats: int = REPEATS) -> None:
        self.request = request
        self._base = base
        self._left = repeats
        self._pauses: Iterator[float] = iter(PAUSES)
        self._location: str | None = None

    def answered(self, headers: Mapping[str, str]) -> None:
        """The reply has begun."""
        self._location = location_of(headers, self._base)
        report_run(self.request, headers)
        self.request = replace(self.request, on_run_created=None)

    @property
    def depends(self) -> bool:
        """Whether it may be repeated depends on what `server_heeds_keys` says."""
        return self.request.method != "GET" and self.request.key is not None and self._left > 0

    def unanswered(self, error: Exception, *, safe: bool) -> float:
        """No reply has begun: seconds to wait before it is sent again.

        ``safe``: it never reached the server, or the server does it once only. Raises
        `ApiConnectionError` if it is not repeated.
        """
        safe = safe or self.request.method == "GET"
        if not safe or self._left <= 0:
            what = (
                ""
                if safe
                else "The server may have done what was asked: look before you repeat it."
            )
            raise broken(error, what) from error
        self._left -= 1
        return PAUSES[REPEATS - self._left - 1]

    def cut_off(self, error: Exception) -> float:
        """The reply broke off: seconds to wait before `request`, which now fetches the rest, is sent."""
        pause = next(self._pauses, None)
        if self._location is None or pause is None:
            raise broken(error, "The server has done what was asked.") from error
        self.request = fetching(self.request, self._location)
        self._left = REPEATS
        return pause


class Following:
    """One stream, over as many connections as it takes."""

    def __init__(self, stream: StreamRequest[Any], base: str) -> None:
        self.request: Request[None] = stream.request
        self._base = base
        self.endless = stream.endless
        self._pauses: Iterator[float] = iter(PAUSES)
        self._parser = Parser()
        self._last_id: str | None = stream.request.headers.get("Last-Event-ID")
        self._location = stream.request.path if stream.request.method == "GET" else None
        self._run: RunCreateMetadata | None = None
        self._ended = False
        self.begun = False
        """A connection stood; from now on its loss is for `lost` to decide."""

    def opened(self, headers: Mapping[str, str]) -> None:
        """A connection stands. Raises `InvalidReplyError` if what comes is no event stream."""
        kind = headers.get("content-type", "")
        if "text/event-stream" not in kind:
            raise InvalidReplyError(
                f"Expected an event stream, got content type {kind!r}. Is the URL that of a LangGraph API?"
            )
        self.begun = True
        self._location = location_of(headers, self._base) or self._location
        self._run = run_of(headers) or self._run
        self.request = replace(self.request, on_run_created=None)
        self._parser = Parser()

    def feed(self, chunk: bytes) -> Iterator[StreamPart]:
        """The events that ``chunk`` completes."""
        for part in self._parser.feed(chunk):
            if part.id is not None:
                self._last_id, self._pauses = part.id, iter(PAUSES)
            if part.event in ("end", "error") and not self.endless:
                self._ended = True
            yield part

    def open_question(self) -> Request[bool] | None:
        """The server closed the stream. How to ask if the run has ended, where that is not certain."""
        resumable = self._last_id is not None and self._location is not None
        if self._ended or not resumable or self._run is None or self._run["thread_id"] is None:
            return None
        where = path("/threads/{}/runs/{}", self._run["thread_id"], self._run["run_id"])
        return call("GET", where, _has_ended)

    def closed(self, run_has_ended: bool) -> float:
        """The server closed the stream: seconds to wait before `request` fetches the rest."""
        self._ended = run_has_ended
        return self.lost(ConnectionError("the server closed the stream"))

    def lost(self, error: Exception) -> float:
        """A connection broke: seconds to wait before `request`, which now fetches the rest, is sent.

        Raises `ApiConnectionError` if the rest cannot be had.
        """
        if self._location is None or (self._last_id is None and not self.endless):
            raise broken(error, "The run goes on; join it, or look at the thread.") from error
        pause = next(self._pauses, None)
        if pause is None:
            last = f", after event {self._last_id}" if self._last_id else ""
            raise broken(error, f"The rest is at {self._location}{last}.") from error
        self.request = fetching(self.request, self._location)
        if self._last_id is not None:
            resumed = {**self.request.headers, "Last-Event-ID": self._last_id}
            self.request = replace(self.request, headers=resumed)
        return pause


def _has_ended(reply: Reply) -> bool:
    run = json_body(reply)
    return not (isinstance(run, dict) and run.get("status") in ("pending", "running"))


def fetching(request: Request[Any], location: str) -> Request[Any]:
    """The request for the rest of a reply. What was asked is not sent again."""
    same = request.method == "GET" and request.path == location
    headers = {k: v for k, v in request.headers.items() if k != KEY}
    return replace(
        request,
        method="GET",
        path=location,
        body=NO_BODY,
        params=request.params if same else None,
        headers=headers,
    )


def location_of(headers: Mapping[str, str], base: str) -> str | None:
    """Where the rest of a reply is, as a path below ``base``. Raises `InvalidReplyError` if elsewhere."""
    location = headers.get("location")
    if not location:
        return None
    here, there = urlsplit(base), urlsplit(urljoin(base, location))
    if (here.scheme, here.netloc) != (there.scheme, there.netloc):
        raise InvalidReplyError(
            f"The server refers to {location!r}, which is not on {here.netloc}; it is not followed."
        )
    prefix = here.path.rstrip("/")
    below = there.path.removeprefix(prefix) if there.path.startswith(f"{prefix}/") else there.path
    return f"{below}?{there.query}" if there.query else below


def report_run(request: Request[Any], headers: Mapping[str, str]) -> None:
    """Tell the caller which run the server has started."""
    run = run_of(headers) if request.on_run_created is not None else None
    if run is not None and request.on_run_created is not None:
        request.on_run_created(run)


def broken(error: Exception, what: str) -> ApiConnectionError:
    """The error of a connection that could not be made or kept."""
    text = str(error) or "the connection broke"
    return ApiConnectionError(f"{type(error).__name__}: {text}. {what}".rstrip())
