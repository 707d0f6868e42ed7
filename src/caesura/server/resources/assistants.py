"""Assistants: graphs with a configuration, in versions; and what can be seen of their graphs."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from caesura.execution.clock import clock
from caesura.records.errors import AlreadyExistsError
from caesura.records.operations import (
    CountAssistants,
    DeleteAssistant,
    FindAssistants,
    FindThreads,
    FindVersions,
    GetAssistant,
    Page,
    PutAssistant,
    SetLatestVersion,
    UpdateAssistant,
)
from caesura.records.shapes import Assistant
from caesura.server import wire
from caesura.server.assistants import check_graph, mirrored, static_graph, system_id
from caesura.server.http.call import Call, uuid_text
from caesura.server.http.problems import Problem, invalid, not_found
from caesura.server.http.replies import Reply, empty, page_headers
from caesura.server.http.routes import Answer, Routes
from caesura.server.project.schemas import drawing_of, schemas_of, subgraph_schemas
from caesura.server.views import Json, assistant_view, select

routes = Routes("Assistants", group="assistants")
_DEFAULT_LIMIT = 10
_PAGE_HEADERS = ("X-Pagination-Total", "X-Pagination-Next")
_DEEPEST_XRAY = 100


@routes.post(
    "/assistants", body=wire.AssistantCreate, returns=wire.Assistant, errors=(400, 404, 409)
)
async def create_assistant(call: Call[wire.AssistantCreate, None]) -> Any:
    """Create an assistant.

    `config.configurable` and `context` are one thing under two names: give one of them.
    """
    body, server = call.body, call.server
    check_graph(server.graphs, body.graph_id)
    given = body.assistant_id
    assistant_id = str(uuid4()) if given is None else uuid_text(given, "assistant ID")
    config, context = mirrored(body.config, body.context)
    value: Json = {
        "assistant_id": assistant_id,
        "graph_id": body.graph_id,
        "config": config,
        "context": context,
        "metadata": dict(body.metadata or {}),
        "if_exists": body.if_exists or "raise",
        "name": "Untitled" if body.name is None else body.name,
        "description": body.description,
    }
    filters = await call.authorise("assistants", "create", value)
    now = clock().now()
    assistant = Assistant(
        assistant_id=assistant_id,
        graph_id=body.graph_id,
        name=value["name"],
        created_at=now,
        updated_at=now,
        config=value["config"],
        context=value["context"],
        metadata=value["metadata"],
        description=value["description"],
    )
    try:
        stored = await server.do(PutAssistant(assistant, body.if_exists or "raise", filters))
    except AlreadyExistsError as error:
        text = f"Assistant {assistant_id} already exists"
        raise Problem(409, text, code=error.code) from None
    return assistant_view(stored)


@routes.post(
    "/assistants/search",
    body=wire.AssistantSearch,
    answers={200: Answer("The assistants.", list[wire.Assistant], headers=_PAGE_HEADERS)},
    errors=(404,),
)
async def search_assistants(call: Call[wire.AssistantSearch, None]) -> Any:
    """Search assistants, the newest first."""
    body = call.body
    value: Json = {
        "graph_id": body.graph_id,
        "metadata": dict(body.metadata or {}),
        "limit": body.limit or _DEFAULT_LIMIT,
        "offset": body.offset or 0,
    }
    filters = await call.authorise("assistants", "search", value)
    if body.graph_id is not None:
        check_graph(call.server.graphs, body.graph_id)
    find = FindAssistants(
        metadata=value["metadata"],
        graph_id=body.graph_id,
        name=body.name,
        limit=body.limit or _DEFAULT_LIMIT,
        offset=body.offset or 0,
        sort_by=body.sort_by or "created_at",
        order=body.sort_order or "desc",
        filters=filters,
    )
    page: Page = await call.server.do(find)
    shown = [select(assistant_view(row), body.select) for row in page.rows]
    return Reply(shown, headers=page_headers(find.offset, len(shown), page.more))


@routes.post("/assistants/count", body=wire.AssistantCount, returns=int, errors=(404,))
async def count_assistants(call: Call[wire.AssistantCount, None]) -> Any:
    """Count assistants."""
    body = call.body
    value: Json = {"graph_id": body.graph_id, "metadata": dict(body.metadata or {})}
    filters = await call.authorise("assistants", "search", value)
    if body.graph_id is not None:
        check_graph(call.server.graphs, body.graph_id)
    count = CountAssistants(value["metadata"], body.graph_id, body.name, filters)
    return await call.server.do(count)


@routes.get("/assistants/{assistant_id}", returns=wire.Assistant, errors=(404,))
async def get_assistant(call: Call[None, None]) -> Any:
    """Get an assistant."""
    return assistant_view(await _visible(call, _id(call)))


@routes.patch(
    "/assistants/{assistant_id}",
    body=wire.AssistantPatch,
    returns=wire.Assistant,
    errors=(400, 404),
)
async def patch_assistant(call: Call[wire.AssistantPatch, None]) -> Any:
    """Change an assistant: a new version.

    Metadata is merged into what is there; `config` and `context` replace it.
    """
    assistant_id, body, server = _id(call), call.body, call.server
    missing = not_found(f"Assistant {assistant_id} not found")
    if body.graph_id is not None:
        check_graph(server.graphs, body.graph_id)
    value: Json = {
        "assistant_id": assistant_id,
        "graph_id": body.graph_id,
        "config": body.config,
        "context": body.context,
        "metadata": dict(body.metadata or {}),
        "name": body.name,
        "description": body.description,
    }
    filters = await call.authorise("assistants", "update", value)
    config, context = value["config"], value["context"]
    if config is not None or context is not None:
        before: Assistant | None = await server.do(GetAssistant(assistant_id, filters))
        if before is None:
            raise missing
        config, context = mirrored(config, context, before)
    changed = await server.do(
        UpdateAssistant(
            assistant_id,
            clock().now(),
            graph_id=body.graph_id,
            config=config,
            context=context,
            metadata=value["metadata"] or None,
            name=value["name"],
            description=value["description"],
            filters=filters,
        )
    )
    server.assistants.forget(assistant_id)
    if changed is None:
        raise missing
    return assistant_view(changed)


@routes.delete(
    "/assistants/{assistant_id}",
    query=wire.DeleteAssistantQuery,
    answers={204: Answer("The assistant is deleted, with its versions and crons.")},
    errors=(404,),
)
async def delete_assistant(call: Call[None, wire.DeleteAssistantQuery]) -> Any:
    """Delete an assistant, with its versions and crons.

    With `delete_threads` also the threads it ran on. A graph's own assistant comes back when the server
    is started again.
    """
    assistant_id, server = _id(call), call.server
    filters = await call.authorise("assistants", "delete", {"assistant_id": assistant_id})
    missing = not_found(f"Assistant with ID {assistant_id} not found")
    if call.query.delete_threads:
        if await server.do(GetAssistant(assistant_id, filters)) is None:
            raise missing
        await _delete_threads(call, assistant_id)
    deleted = await server.do(DeleteAssistant(assistant_id, filters))
    server.assistants.forget(assistant_id)
    if not deleted:
        raise missing
    return empty()


async def _delete_threads(call: Call[Any, Any], assistant_id: str) -> None:
    filters = await call.authorise("threads", "delete", {"thread_id": None})
    find = FindThreads(metadata={"assistant_id": assistant_id}, limit=1000, filters=filters)
    more = True
    while more:
        page: Page = await call.server.do(find)
        removed = [await call.server.threads.remove(row.thread_id, filters) for row in page.rows]
        more = page.more and any(removed)


# --- versions ----------------------------------------------------------------------------------


@routes.post(
    "/assistants/{assistant_id}/versions",
    body=wire.VersionsSearch,
    answers={200: Answer("The versions.", list[wire.AssistantVersion], headers=_PAGE_HEADERS)},
    errors=(404,),
)
async def list_versions(call: Call[wire.VersionsSearch, None]) -> Any:
    """List the versions of an assistant, the newest first."""
    assistant_id, body, server = _id(call), call.body, call.server
    value: Json = {"assistant_id": assistant_id, "metadata": dict(body.metadata or {})}
    filters = await call.authorise("assistants", "read", value)
    if await server.do(GetAssistant(assistant_id, filters)) is None:
        raise not_found(f"Assistant {assistant_id} not found")
    limit, offset = body.limit or _DEFAULT_LIMIT, body.offset or 0
    find = FindVersions(assistant_id, value["metadata"], limit, offset, filters)
    page: Page = await server.do(find)
    shown = [_version_view(row) for row in page.rows]
    return Reply(shown, headers=page_headers(offset, len(shown), page.more))


@routes.post(
    "/assistants/{assistant_id}/latest",
    body=wire.VersionChoice,
    returns=wire.Assistant,
    errors=(404,),
)
async def set_latest_version(call: Call[wire.VersionChoice, None]) -> Any:
    """Make an older version of an assistant the current one, with all it held."""
    assistant_id, version, server = _id(call), call.body.version, call.server
    value: Json = {"assistant_id": assistant_id, "version": version}
    filters = await call.authorise("assistants", "update", value)
    if await server.do(GetAssistant(assistant_id, filters)) is None:
        raise not_found(f"Assistant {assistant_id} not found")
    operation = SetLatestVersion(assistant_id, version, clock().now(), filters)
    changed = await server.do(operation) if abs(version) < 2**63 else None
    server.assistants.forget(assistant_id)
    if changed is None:
        raise not_found(f"Version {version} not found for assistant {assistant_id}")
    return assistant_view(changed)


def _version_view(assistant: Assistant) -> Json:
    view = assistant_view(assistant)
    del view["updated_at"]
    return view


# --- graphs ------------------------------------------------------------------------------------


@routes.get(
    "/assistants/{assistant}/graph", query=wire.GraphQuery, returns=wire.Drawing, errors=(404,)
)
async def get_assistant_graph(call: Call[None, wire.GraphQuery]) -> Any:
    """Get the picture of an assistant's graph: its nodes and edges.

    `assistant` is an id or the name of a graph. With `xray` nested graphs are drawn in full: `true`, or
    a number for how deep.
    """
    depth = _depth(call.query.xray)
    name = call.text("assistant")
    assistant_id = system_id(name) if name in call.server.graphs.ids else uuid_text(name, _WHAT)
    assistant = await _visible(call, assistant_id)
    graph = await static_graph(call.server.graphs, assistant.graph_id)
    return drawing_of(graph, xray=depth)


@routes.get("/assistants/{assistant_id}/schemas", returns=wire.GraphSchemas, errors=(404,))
async def get_assistant_schemas(call: Call[None, None]) -> Any:
    """Get the JSON Schemas of an assistant's graph."""
    assistant = await _visible(call, _id(call))
    graph = await static_graph(call.server.graphs, assistant.graph_id)
    return schemas_of(graph, assistant.graph_id)


@routes.get(
    "/assistants/{assistant_id}/subgraphs",
    query=wire.SubgraphsQuery,
    returns=wire.Object,
    errors=(404,),
)
async def get_assistant_subgraphs(call: Call[None, wire.SubgraphsQuery]) -> Any:
    """Get the JSON Schemas of the graphs nested in an assistant's graph, by name."""
    return await _subgraphs(call, None)


@routes.get(
    "/assistants/{assistant_id}/subgraphs/{namespace}",
    query=wire.SubgraphsQuery,
    returns=wire.Object,
    errors=(404,),
)
async def get_assistant_subgraph(call: Call[None, wire.SubgraphsQuery]) -> Any:
    """Get the JSON Schemas of one nested graph; empty if there is none of that name."""
    return await _subgraphs(call, call.text("namespace"))


async def _subgraphs(call: Call[None, wire.SubgraphsQuery], namespace: str | None) -> Any:
    assistant = await _visible(call, _id(call))
    graph = await static_graph(call.server.graphs, assistant.graph_id)
    return subgraph_schemas(graph, namespace=namespace, recurse=call.query.recurse)


def _depth(text: str | None) -> bool | int:
    """``xray`` as a query says it. Raises 422."""
    words = {None: False, "true": True, "false": False}
    lowered = None if text is None else text.lower()
    if lowered in words:
        return words[lowered]
    if text is not None and text.isascii() and text.isdigit() and int(text[:4]) <= _DEEPEST_XRAY:
        return int(text)
    raise invalid(f"Invalid xray value: true, false, or a number from 0 to {_DEEPEST_XRAY}")


# --- what they share ---------------------------------------------------------------------------

_WHAT = "assistant ID"


def _id(call: Call[Any, Any]) -> str:
    return call.id("assistant_id", _WHAT)


async def _visible(call: Call[Any, Any], assistant_id: str) -> Assistant:
    filters = await call.authorise("assistants", "read", {"assistant_id": assistant_id})
    found: Assistant | None = await call.server.do(GetAssistant(assistant_id, filters))
    if found is None:
        raise not_found()
    return found
