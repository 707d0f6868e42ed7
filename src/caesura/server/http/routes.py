"""The table of routes: each is declared once, with what it takes, what it answers, and its texts.

A declaration is all there is: requests are checked against it, `caesura.server.http.openapi` describes
it, and the tests walk over it. Bodies and queries are `msgspec.Struct` classes (``caesura.server.wire``):
unknown fields are ignored, null counts as absent wherever a field allows None.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

Handler = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Answer:
    """One way a route answers: a text for people, the type of its body (None: no body)."""

    text: str
    body: Any = None
    media_type: str = "application/json"
    headers: Sequence[str] = ()
    others: Sequence[tuple[str, Any]] = ()
    """Other forms that the request may ask for: (media type, type of the body)."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route, as declared."""

    method: str
    path: str
    handler: Handler
    summary: str
    description: str
    tag: str
    group: str | None
    body: type[msgspec.Struct] | Any | None
    query: type[msgspec.Struct] | None
    answers: dict[int, Answer]
    errors: tuple[int, ...]
    public: bool
    body_required: bool

    @property
    def streams(self) -> bool:
        """True if it answers with events that may never end."""
        return any(answer.media_type == "text/event-stream" for answer in self.answers.values())

    @property
    def operation_id(self) -> str:
        """A name that is stable and unique."""
        return self.handler.__name__


class Routes:
    """The routes of one resource.

    Args:
        tag: heading in the documentation.
        group: the name by which ``http.disable_<group>`` switches them off.
    """

    def __init__(self, tag: str, *, group: str | None = None) -> None:
        self.tag, self.group = tag, group
        self.endpoints: list[Endpoint] = []

    def route(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: type[msgspec.Struct] | None = None,
        answers: dict[int, Answer] | None = None,
        returns: Any = None,
        errors: Sequence[int] = (),
        public: bool = False,
        body_required: bool = True,
    ) -> Callable[[Handler], Handler]:
        """Declare a route. ``returns``: short for one answer 200 of that type; ``public``: never
        authenticated; ``errors``: statuses with an error body that it may answer, beyond those that
        follow from its form (401, 403, 413, 422, 429)."""

        def declare(handler: Handler) -> Handler:
            summary, _, rest = (handler.__doc__ or "").strip().partition("\n")
            given = answers if answers is not None else {200: Answer("Done.", returns)}
            made = Endpoint(
                method=method,
                path=path,
                handler=handler,
                summary=summary,
                description=rest.strip(),
                tag=self.tag,
                group=self.group,
                body=body,
                query=query,
                answers=given,
                errors=tuple(errors),
                public=public,
                body_required=body_required,
            )
            self.endpoints.append(made)
            return handler

        return declare

    def get(self, path: str, **how: Any) -> Callable[[Handler], Handler]:
        """Declare a GET."""
        return self.route("GET", path, **how)

    def post(self, path: str, **how: Any) -> Callable[[Handler], Handler]:
        """Declare a POST."""
        return self.route("POST", path, **how)

    def put(self, path: str, **how: Any) -> Callable[[Handler], Handler]:
        """Declare a PUT."""
        return self.route("PUT", path, **how)

    def patch(self, path: str, **how: Any) -> Callable[[Handler], Handler]:
        """Declare a PATCH."""
        return self.route("PATCH", path, **how)

    def delete(self, path: str, **how: Any) -> Callable[[Handler], Handler]:
        """Declare a DELETE."""
        return self.route("DELETE", path, **how)
