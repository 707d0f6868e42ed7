"""One request on its way through a route: who calls, what was sent, and what it may see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from starlette.requests import Request

from caesura.server.http.problems import invalid

if TYPE_CHECKING:
    from caesura.server.auth import Caller
    from caesura.server.services import Server

B = TypeVar("B")
Q = TypeVar("Q")


class Call(Generic[B, Q]):
    """A request. ``body`` and ``query`` are of the types that the route declared."""

    __slots__ = ("body", "caller", "query", "request", "request_id", "server")

    def __init__(
        self, server: Server, request: Request, caller: Caller, request_id: str, body: B, query: Q
    ) -> None:
        self.server, self.request, self.caller = server, request, caller
        self.request_id, self.body, self.query = request_id, body, query

    def text(self, name: str) -> str:
        """A path parameter as it stands."""
        return str(self.request.path_params[name])

    def id(self, name: str, what: str) -> str:
        """A path parameter that is a UUID, in its usual form. Raises 422 otherwise."""
        return uuid_text(self.text(name), what)

    @property
    def thread_id(self) -> str:
        """The ``thread_id`` of the path."""
        return self.id("thread_id", "thread ID")

    @property
    def run_id(self) -> str:
        """The ``run_id`` of the path."""
        return self.id("run_id", "run ID")

    def header(self, name: str) -> str | None:
        """A header's value."""
        return self.request.headers.get(name)

    async def authorise(
        self, resource: str, action: str, value: dict[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """May the caller do this? Returns the filters on what it may see; handlers may edit ``value``.

        Raises a 403 or whatever an authorisation handler raises.
        """
        given = {} if value is None else value
        return await self.server.authoriser.authorise(self.caller, resource, action, given)


def uuid_text(text: str, what: str) -> str:
    """A UUID in its usual form: lower case, with hyphens. Raises 422 for anything else."""
    try:
        return str(UUID(text)) if len(text) <= 40 else _no_uuid(what)
    except ValueError:
        return _no_uuid(what)


def _no_uuid(what: str) -> str:
    raise invalid(f"Invalid {what}: must be a UUID")
