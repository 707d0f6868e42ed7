"""`HandlerAuth`: authentication by the program's own handler, its parameters given by name."""

from __future__ import annotations

import hashlib
import inspect
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from caesura.server.auth.callers import Caller
from caesura.server.auth.exceptions import AuthRefusal, refusal_of
from caesura.server.auth.handlers import call_handler, handlers_of
from caesura.server.auth.recall import Recall
from caesura.server.auth.requests import RequestFacts
from caesura.server.logs import log


async def _body(facts: RequestFacts) -> Any:
    """The body as JSON; None if it is empty or no JSON (the route says so to callers it knows)."""
    try:
        return json.loads(await facts.body())
    except (ValueError, RecursionError):
        return None


async def _authorization(facts: RequestFacts) -> str | None:
    return facts.header(b"authorization")


async def _headers(facts: RequestFacts) -> dict[bytes, bytes]:
    return dict(facts.headers)


def _fact(name: str) -> Callable[[RequestFacts], Awaitable[Any]]:
    async def read(facts: RequestFacts) -> Any:
        return getattr(facts, name)

    return read


PARAMETERS: Final[Mapping[str, Callable[[RequestFacts], Awaitable[Any]]]] = {
    "request": _fact("request"),
    "body": _body,
    "path": _fact("path"),
    "method": _fact("method"),
    "path_params": _fact("path_params"),
    "query_params": _fact("query_params"),
    "headers": _headers,
    "authorization": _authorization,
}
"""What a handler may ask for, by the name of the parameter."""


class HandlerAuth:
    """Callers as the ``authenticate`` handler of an ``Auth`` object knows them.

    ``cache`` is ``{"cache_keys": [header …], "ttl_seconds": …}``: whom the handler let in is let in again
    for that long, if these headers are the same. Requests without any of them are never remembered, nor
    are refusals. Raises ValueError for what is no such mapping.
    """

    def __init__(
        self,
        auth: Any,
        *,
        cache: Mapping[str, Any] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        handler = handlers_of(auth).authenticate
        if handler is None:
            raise ValueError(
                "The Auth object has no authentication handler: nobody could be told apart. "
                "Decorate one function with @auth.authenticate."
            )
        self._handler, self._wanted = handler, _wanted_by(handler)
        self._cached_by, seconds = _read_cache(cache or {})
        self._known: Recall[Caller] = Recall(seconds, now=now)

    def takes(self, facts: RequestFacts) -> bool:
        """Always: only the handler knows what it looks at."""
        return True

    async def authenticate(self, facts: RequestFacts) -> Caller:
        """Whom the handler returned. Raises the handler's refusal, or a 500 if the handler failed."""
        place = self._place(facts)
        known = self._known.get(place) if place is not None else None
        if known is not None:
            return known
        caller = await self._ask(facts)
        if place is not None:
            self._known.put(place, caller)
        return caller

    async def _ask(self, facts: RequestFacts) -> Caller:
        arguments = {name: await PARAMETERS[name](facts) for name in self._wanted}
        try:
            return Caller.from_handler(await call_handler(self._handler, arguments))
        except Exception as error:
            refusal = refusal_of(error)
            if refusal is not None:
                raise refusal from None
            log.error("the authentication handler failed", path=facts.path, exc_info=error)
            raise AuthRefusal(500, "Authentication handler failed") from None

    def _place(self, facts: RequestFacts) -> str | None:
        found = [(k, v) for k, v in facts.headers if k in self._cached_by]
        return hashlib.sha256(repr(sorted(found)).encode()).hexdigest() if found else None


def _read_cache(cache: Mapping[str, Any]) -> tuple[tuple[bytes, ...], float]:
    names, seconds = cache.get("cache_keys", ()), cache.get("ttl_seconds", 0)
    listed = isinstance(names, Sequence) and not isinstance(names, str)
    if not (listed and all(isinstance(name, str) for name in names)):
        raise ValueError("auth.cache.cache_keys is not a list of header names.")
    if not isinstance(seconds, int | float):
        raise ValueError("auth.cache.ttl_seconds is not a number.")
    return tuple(name.lower().encode() for name in names), float(seconds)


def _wanted_by(handler: Callable[..., Any]) -> tuple[str, ...]:
    parameters = inspect.signature(handler).parameters.values()
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    for p in named:
        by_position = p.kind is p.POSITIONAL_ONLY
        if by_position or (p.name not in PARAMETERS and p.default is p.empty):
            raise ValueError(
                f"The authentication handler asks for {p.name!r}, which is not known. It may have "
                f"the parameters {', '.join(PARAMETERS)}, by name."
            )
    return tuple(p.name for p in named if p.name in PARAMETERS)
