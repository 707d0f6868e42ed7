"""Each call as data: what to send, and how to read the reply. Written once, for sync and async.

A function of this package builds a `Request` (or a `StreamRequest`); a transport sends it. The methods
of the public classes have the signature and the docstring of these functions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

from caesura.client.errors import InvalidReplyError
from caesura.client.shapes import Headers, Params, RunCreateMetadata, StreamPart

T = TypeVar("T")
U = TypeVar("U")
T_co = TypeVar("T_co", covariant=True)

KEY: Final = "Idempotency-Key"
OnRunCreated = Callable[[RunCreateMetadata], None] | None


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful reply. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


def json_body(reply: Reply) -> Any:
    """The decoded body; None if it is empty. Raises `InvalidReplyError` if it is no JSON."""
    text = reply.content.strip()
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidReplyError(
            f"The server answered {reply.status} with a body that is no JSON ({error}). "
            "Is the URL that of a LangGraph API?"
        ) from error


def nothing(reply: Reply) -> None:
    """For requests whose success is all there is to know."""


class _NoBody:
    """Marker: the request has no body."""


NO_BODY: Final = _NoBody()


@dataclass(frozen=True, slots=True)
class Request(Generic[T_co]):
    """One call: what to send, and how to read the reply.

    ``body``: what is sent as JSON; `NO_BODY`: nothing. A request that starts or answers something has
    an ``Idempotency-Key`` among its headers; repeats of the same call carry the same one.
    """

    method: str
    path: str
    read: Callable[[Reply], T_co]
    body: Any = NO_BODY
    params: Params = None
    headers: Mapping[str, str] = field(default_factory=dict)
    on_run_created: OnRunCreated = None

    @property
    def key(self) -> str | None:
        """The idempotency key, if it has one."""
        return self.headers.get(KEY)


@dataclass(frozen=True, slots=True)
class StreamRequest(Generic[T]):
    """A call whose reply is a stream. ``shape`` makes items of its parts; None: the part is left out.

    ``endless``: the stream does not end by itself, so its end is a broken connection.
    """

    request: Request[None]
    shape: Callable[[StreamPart], T | None]
    endless: bool = False


def mapped(request: Request[T], function: Callable[[T], U]) -> Request[U]:
    """``request``, whose reply is read further by ``function``."""
    return Request(
        request.method, request.path, lambda reply: function(request.read(reply)), request.body,
        request.params, request.headers, request.on_run_created,
    )  # fmt: skip


def path(template: str, *parts: str) -> str:
    """``template`` with each ``{}`` replaced by a part, quoted so that it stays one segment."""
    return template.format(*(quote(str(part), safe="") for part in parts))


def given(**fields: Any) -> dict[str, Any]:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def keyed(headers: Headers) -> dict[str, str]:
    """``headers`` with an idempotency key: the caller's own, or a new one."""
    if any(name.lower() == KEY.lower() for name in headers or ()):
        return {KEY if n.lower() == KEY.lower() else n: v for n, v in (headers or {}).items()}
    return {**(headers or {}), KEY: str(uuid4())}


def call(
    method: str,
    path: str,
    read: Callable[[Reply], T],
    body: Any = NO_BODY,
    *,
    headers: Headers = None,
    params: Params = None,
    **query: Any,
) -> Request[T]:
    """A request; ``query`` is added to ``params``, None left out."""
    return Request(
        method, path, read, body, {**given(**query), **(params or {})}, dict(headers or {})
    )
