"""Assistants as runs name them: by id, or by the name of a graph, which has an assistant of its own.

The graphs' own assistants are made when the server starts. Every run looks its assistant up, and most
name a graph's own, so these are kept for a second; a change made through this process is seen at once,
one made by another within that second. Assistants that people made are always read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

from caesura.execution.clock import clock
from caesura.records.operations import GetAssistant, PutAssistant
from caesura.records.shapes import Assistant
from caesura.server.auth import Caller, filter_matches
from caesura.server.http.problems import Problem, invalid, not_found
from caesura.server.project.errors import BrokenFileError, UnknownGraphError

if TYPE_CHECKING:
    from caesura.pregel import Pregel
    from caesura.server.project.graphs import Graphs
    from caesura.server.services import Server

_SPACE: Final = UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8")
_FRESH_SECONDS: Final = 1.0
BOTH_GIVEN: Final = (
    "Cannot specify both configurable and context. Prefer setting context alone. Context was introduced "
    "in LangGraph 0.6.0 and is the long term planned replacement for configurable."
)


def system_id(graph_id: str) -> str:
    """The id of a graph's own assistant; the same on every server."""
    return str(uuid5(_SPACE, graph_id))


class KnownAssistants:
    """The graphs' own assistants, as last read; each for a second."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._read: dict[str, tuple[float, Assistant]] = {}

    def get(self, assistant_id: str) -> Assistant | None:
        """The assistant, if it was read within the last second."""
        found = self._read.get(assistant_id)
        if found is None or self._now() - found[0] > _FRESH_SECONDS:
            return None
        return found[1]

    def keep(self, assistant: Assistant) -> None:
        """Keep it for a second, if it is a graph's own."""
        if assistant.assistant_id == system_id(assistant.graph_id):
            self._read[assistant.assistant_id] = (self._now(), assistant)

    def forget(self, assistant_id: str) -> None:
        """It has changed."""
        self._read.pop(assistant_id, None)


async def ensure_system_assistants(server: Server) -> None:
    """Make the own assistants of all graphs that are served. What people changed in them stays."""
    for graph_id in server.graphs.ids:
        now = clock().now()
        assistant = Assistant(
            assistant_id=system_id(graph_id),
            graph_id=graph_id,
            name=graph_id,
            created_at=now,
            updated_at=now,
            metadata={"created_by": "system"},
            description=server.graphs.description(graph_id),
        )
        server.assistants.keep(await server.do(PutAssistant(assistant, if_exists="replace")))


async def find(server: Server, text: str) -> Assistant | None:
    """The assistant with this id or of the graph with this name, or None."""
    graphs = server.graphs
    named = text in graphs.ids or text in graphs.broken
    assistant_id = system_id(text) if named else _uuid(text)
    if assistant_id is None:
        return None
    known = server.assistants.get(assistant_id)
    if known is None:
        known = await server.do(GetAssistant(assistant_id))
        if known is not None:
            server.assistants.keep(known)
    return known


async def resolve(server: Server, text: str) -> Assistant:
    """The assistant that a run names.

    Raises 422 for what is neither a UUID nor a graph, or for a graph that could not be loaded; 404 for
    an id that nobody has.
    """
    found = await find(server, text)
    if found is not None:
        return found
    if text in server.graphs.broken:
        raise broken_graph(server.graphs.broken[text], text)
    if text not in server.graphs.ids and _uuid(text) is None:
        registered = ", ".join(server.graphs.ids)
        raise invalid(
            f"Invalid assistant: {text!r}. Must be either:\n- A valid assistant UUID, or\n"
            f"- One of the registered graphs: {registered}"
        )
    raise not_found("Thread or assistant not found.")


async def may_use(server: Server, caller: Caller, assistant: Assistant) -> bool:
    """A graph's own assistant is everybody's; one that somebody made is for those who may read it."""
    if assistant.assistant_id == system_id(assistant.graph_id):
        return True
    value = {"assistant_id": assistant.assistant_id}
    filters = await server.authoriser.authorise(caller, "assistants", "read", value)
    return filter_matches(assistant.metadata, filters)


def _uuid(text: str) -> str | None:
    try:
        return str(UUID(text)) if len(text) <= 40 else None
    except ValueError:
        return None


# --- graphs ------------------------------------------------------------------------------------


def check_graph(graphs: Graphs, graph_id: str) -> None:
    """Raise 404 unless there is a graph of this name; 422 if it could not be loaded."""
    if graph_id in graphs.broken:
        raise broken_graph(graphs.broken[graph_id], graph_id)
    if graph_id not in graphs.ids:
        raise not_found(f"Graph {graph_id!r} not found. Expected one of: {sorted(graphs.ids)}")


async def static_graph(graphs: Graphs, graph_id: str) -> Pregel:
    """The graph as it looks. Raises as `check_graph`."""
    try:
        return await graphs.static(graph_id)
    except UnknownGraphError as error:
        raise not_found(str(error)) from None
    except BrokenFileError as error:
        raise broken_graph(error, graph_id) from None


def broken_graph(error: BrokenFileError, graph_id: str) -> Problem:
    """422: the project's file is at fault."""
    return Problem(422, f"Graph {graph_id!r} could not be loaded: {error}", code="broken_graph")


# --- config and context ------------------------------------------------------------------------


def mirrored(
    config: Mapping[str, Any] | None,
    context: Mapping[str, Any] | None,
    before: Assistant | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Config and context of an assistant, from what was given; what was not stays as ``before``.

    ``config.configurable`` and the context are one thing under two names. Raises 400 if both are
    given, 422 if ``configurable`` is no object.
    """
    made = dict((before.config if before is not None else {}) if config is None else config)
    given = None if config is None else config.get("configurable")
    if given is not None and not isinstance(given, Mapping):
        raise invalid("Expected `object` - at `$.config.configurable`")
    if given and context:
        raise Problem(400, BOTH_GIVEN)
    settled = context if context is not None and not given else given
    if settled is None:
        settled = before.context if before is not None else {}
    if settled or "configurable" in made:
        made["configurable"] = dict(settled)
    return made, dict(settled)
