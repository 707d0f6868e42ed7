"""Who sits at the browser, where callers must say who they are.

A browser cannot add headers to a link, so a person hands in a key or token once, in a form. It is kept
here, in this process's memory; the browser gets a random number that means nothing elsewhere, in a
cookie that scripts cannot read and that other sites' pages cannot make it send. Every request is then
authenticated with the credential anew, as if the header had been sent: a key that was revoked, or a
token that has expired, ends the session at once. A restart ends all of them.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from starlette.requests import Request

from caesura.server.auth import AuthRefusal, Caller

COOKIE: Final = "caesura_session"
MOST: Final = 10_000
"""Sessions kept; the one unused for longest goes first."""
LONGEST_SECONDS: Final = 12 * 3600.0
LONGEST_CREDENTIAL: Final = 8_192
Header = tuple[bytes, bytes]
Identify = Callable[[Request, Callable[[], Awaitable[bytes]]], Awaitable[Caller]]


@dataclass(slots=True)
class _Session:
    header: Header
    ends: float

    def __repr__(self) -> str:
        return "_Session(…)"


@dataclass(slots=True)
class Sessions:
    """The sessions of a server process, by the hash of what their cookie holds."""

    now: Callable[[], float] = time.time
    _kept: OrderedDict[str, _Session] = field(default_factory=OrderedDict, repr=False)

    async def begin(self, credential: str, request: Request, identify: Identify) -> str | None:
        """A new session's token, if the credential is good as an API key or as a bearer token."""
        for header in _headers(credential):
            try:
                await identify(_with(request, header), _no_body)
            except AuthRefusal:
                continue
            return self._keep(header)
        return None

    def _keep(self, header: Header) -> str:
        token = secrets.token_urlsafe(32)
        self._kept[_digest(token)] = _Session(header, self.now() + LONGEST_SECONDS)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return token

    async def caller(self, request: Request, identify: Identify) -> Caller:
        """Who sends the request: by its session, else by its own headers. Raises an `AuthRefusal`."""
        found = self._find(request.cookies.get(COOKIE))
        if found is None:
            return await identify(request, _no_body)
        return await identify(_with(request, found.header), _no_body)

    def end(self, request: Request) -> None:
        """Forget the session of a request."""
        token = request.cookies.get(COOKIE)
        if token:
            self._kept.pop(_digest(token), None)

    def holds(self, request: Request) -> bool:
        """True if the request belongs to a session."""
        return self._find(request.cookies.get(COOKIE)) is not None

    def _find(self, token: str | None) -> _Session | None:
        if not token:
            return None
        key = _digest(token)
        found = self._kept.get(key)
        if found is None or found.ends < self.now():
            self._kept.pop(key, None)
            return None
        self._kept.move_to_end(key)
        return found


def _headers(credential: str) -> list[Header]:
    """The ways in which the credential may be meant."""
    text = credential.strip()
    if not 1 <= len(text) <= LONGEST_CREDENTIAL or not (text.isascii() and text.isprintable()):
        return []
    bare = text[7:].strip() if text.lower().startswith("bearer ") else text
    value = bare.encode("ascii")
    return [(b"x-api-key", value), (b"authorization", b"Bearer " + value)]


def _with(request: Request, header: Header) -> Request:
    """The request as if it had been sent with this credential, and no other."""
    kept = [
        (k, v) for k, v in request.scope["headers"] if k not in (b"x-api-key", b"authorization")
    ]
    return Request({**request.scope, "headers": [*kept, header]})


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def _no_body() -> bytes:
    return b""
