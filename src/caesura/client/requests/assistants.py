"""Requests of ``client.assistants``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

from caesura.client.requests import Reply, Request, call, given, json_body, nothing, path
from caesura.client.shapes import (
    Assistant,
    AssistantSortBy,
    AssistantsSearchResponse,
    AssistantVersion,
    Config,
    GraphSchema,
    Headers,
    Json,
    OnConflictBehavior,
    Params,
    SortOrder,
    Subgraphs,
)


def get(assistant_id: str, *, headers: Headers = None, params: Params = None) -> Request[Assistant]:
    """One assistant. Raises `NotFoundError`."""
    where = path("/assistants/{}", assistant_id)
    return call("GET", where, json_body, headers=headers, params=params)


def get_graph(
    assistant_id: str,
    *,
    xray: int | bool = False,
    headers: Headers = None,
    params: Params = None,
) -> Request[dict[str, list[dict[str, Any]]]]:
    """Its graph as ``{"nodes", "edges"}``; ``xray`` shows nested graphs, to that depth."""
    where = path("/assistants/{}/graph", assistant_id)
    return call("GET", where, json_body, headers=headers, params=params, xray=xray)


def get_schemas(
    assistant_id: str, *, headers: Headers = None, params: Params = None
) -> Request[GraphSchema]:
    """The JSON Schemas of its graph."""
    where = path("/assistants/{}/schemas", assistant_id)
    return call("GET", where, json_body, headers=headers, params=params)


def get_subgraphs(
    assistant_id: str,
    namespace: str | None = None,
    recurse: bool = False,
    *,
    headers: Headers = None,
    params: Params = None,
) -> Request[Subgraphs]:
    """Name → schemas of the graphs nested in it (in ``namespace``, if given)."""
    where = path("/assistants/{}/subgraphs", assistant_id)
    if namespace is not None:
        where += path("/{}", namespace)
    return call("GET", where, json_body, headers=headers, params=params, recurse=recurse)


def create(
    graph_id: str | None,
    config: Config | None = None,
    *,
    context: Any = None,
    metadata: Json = None,
    assistant_id: str | None = None,
    if_exists: OnConflictBehavior | None = None,
    name: str | None = None,
    description: str | None = None,
    headers: Headers = None,
    params: Params = None,
) -> Request[Assistant]:
    """A new assistant. Raises `ConflictError` if the id is taken, unless ``if_exists="do_nothing"``."""
    body = given(
        graph_id=graph_id, config=config, context=context, metadata=metadata,
        assistant_id=assistant_id, if_exists=if_exists, name=name, description=description,
    )  # fmt: skip
    return call("POST", "/assistants", json_body, body, headers=headers, params=params)


def update(
    assistant_id: str,
    *,
    graph_id: str | None = None,
    config: Config | None = None,
    context: Any = None,
    metadata: Json = None,
    name: str | None = None,
    description: str | None = None,
    headers: Headers = None,
    params: Params = None,
) -> Request[Assistant]:
    """A new version with what is given changed; metadata is merged."""
    body = given(
        graph_id=graph_id, config=config, context=context, metadata=metadata, name=name,
        description=description,
    )  # fmt: skip
    where = path("/assistants/{}", assistant_id)
    return call("PATCH", where, json_body, body, headers=headers, params=params)


def delete(
    assistant_id: str,
    *,
    delete_threads: bool = False,
    headers: Headers = None,
    params: Params = None,
) -> Request[None]:
    """Delete it; with ``delete_threads`` also the threads it ran on."""
    where = path("/assistants/{}", assistant_id)
    return call(
        "DELETE", where, nothing, headers=headers, params=params, delete_threads=delete_threads
    )


def search(
    *,
    metadata: Json = None,
    graph_id: str | None = None,
    name: str | None = None,
    limit: int = 10,
    offset: int = 0,
    sort_by: AssistantSortBy | None = None,
    sort_order: SortOrder | None = None,
    select: Sequence[str] | None = None,
    response_format: Literal["array", "object"] = "array",
    headers: Headers = None,
    params: Params = None,
) -> Request[Any]:
    """The assistants that match: a list, or with ``response_format="object"`` a page of them
    (`AssistantsSearchResponse`), whose ``next`` is the offset of the next page or None."""
    body = given(
        metadata=metadata, graph_id=graph_id, name=name, limit=limit, offset=offset,
        sort_by=sort_by, sort_order=sort_order, select=select,
    )  # fmt: skip
    read = _page if response_format == "object" else json_body
    return call("POST", "/assistants/search", read, body, headers=headers, params=params)


def _page(reply: Reply) -> AssistantsSearchResponse:
    found = cast("list[Assistant]", json_body(reply))
    return {"assistants": found, "next": reply.headers.get("x-pagination-next")}


def count(
    *,
    metadata: Json = None,
    graph_id: str | None = None,
    name: str | None = None,
    headers: Headers = None,
    params: Params = None,
) -> Request[int]:
    """How many assistants match."""
    body = given(metadata=metadata, graph_id=graph_id, name=name)
    return call("POST", "/assistants/count", json_body, body, headers=headers, params=params)


def get_versions(
    assistant_id: str,
    metadata: Json = None,
    limit: int = 10,
    offset: int = 0,
    *,
    headers: Headers = None,
    params: Params = None,
) -> Request[list[AssistantVersion]]:
    """Its versions, newest first."""
    body = given(metadata=metadata, limit=limit, offset=offset)
    where = path("/assistants/{}/versions", assistant_id)
    return call("POST", where, json_body, body, headers=headers, params=params)


def set_latest(
    assistant_id: str, version: int, *, headers: Headers = None, params: Params = None
) -> Request[Assistant]:
    """Make an earlier version the one that is used."""
    where = path("/assistants/{}/latest", assistant_id)
    return call("POST", where, json_body, {"version": version}, headers=headers, params=params)
