"""Requests of ``client.threads``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from caesura.client.requests import (
    Request,
    StreamRequest,
    call,
    given,
    json_body,
    nothing,
    path,
)
from caesura.client.shapes import (
    Checkpoint,
    Headers,
    Json,
    OnConflictBehavior,
    Params,
    PruneStrategy,
    SortOrder,
    StreamPart,
    Thread,
    ThreadSortBy,
    ThreadState,
    ThreadStatus,
    ThreadStreamMode,
    ThreadUpdateStateResponse,
)


def get(
    thread_id: str,
    *,
    include: Sequence[str] | None = None,
    headers: Headers = None,
    params: Params = None,
) -> Request[Thread]:
    """One thread; ``include=["ttl"]`` adds when it expires. Raises `NotFoundError`."""
    listed = ",".join(include) if include else None
    where = path("/threads/{}", thread_id)
    return call("GET", where, json_body, headers=headers, params=params, include=listed)


def create(
    *,
    metadata: Json = None,
    thread_id: str | None = None,
    if_exists: OnConflictBehavior | None = None,
    supersteps: Sequence[Mapping[str, Sequence[Mapping[str, Any]]]] | None = None,
    graph_id: str | None = None,
    ttl: float | Mapping[str, Any] | None = None,
    headers: Headers = None,
    params: Params = None,
) -> Request[Thread]:
    """A new thread. ``supersteps``: updates to begin with, each ``{"updates": [{"values", "as_node"}]}``.

    ``ttl``: minutes until it is deleted, or ``{"ttl", "strategy"}``. Raises `ConflictError` if the id is
    taken, unless ``if_exists="do_nothing"``.
    """
    if graph_id is not None:
        metadata = {**(metadata or {}), "graph_id": graph_id}
    steps = None if supersteps is None else [_superstep(step) for step in supersteps]
    body = given(
        metadata=metadata, thread_id=thread_id, if_exists=if_exists, supersteps=steps,
        ttl=_ttl(ttl),
    )  # fmt: skip
    return call("POST", "/threads", json_body, body, headers=headers, params=params)


def _superstep(step: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    updates = ({"values": u.get("values"), **u} for u in step["updates"])
    return {"updates": list(updates)}


def _ttl(ttl: float | Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if isinstance(ttl, (int, float)):
        return {"ttl": ttl, "strategy": "delete"}
    return ttl


def update(
    thread_id: str,
    *,
    metadata: Mapping[str, Any],
    ttl: float | Mapping[str, Any] | None = None,
    return_minimal: bool = False,
    headers: Headers = None,
    params: Params = None,
) -> Request[Thread | None]:
    """Merge ``metadata`` into the thread's. With ``return_minimal`` nothing is returned."""
    prefer = {"Prefer": "return=minimal"} if return_minimal else {}
    body = given(metadata=metadata, ttl=_ttl(ttl))
    where = path("/threads/{}", thread_id)
    sent = {**prefer, **(headers or {})}
    return call("PATCH", where, json_body, body, headers=sent, params=params)


def delete(thread_id: str, *, headers: Headers = None, params: Params = None) -> Request[None]:
    """Delete the thread and all that is stored of it."""
    where = path("/threads/{}", thread_id)
    return call("DELETE", where, nothing, headers=headers, params=params)


def search(
    *,
    metadata: Json = None,
    values: Json = None,
    ids: Sequence[str] | None = None,
    status: ThreadStatus | None = None,
    limit: int = 10,
    offset: int = 0,
    sort_by: ThreadSortBy | None = None,
    sort_order: SortOrder | None = None,
    select: Sequence[str] | None = None,
    extract: Mapping[str, str] | None = None,
    headers: Headers = None,
    params: Params = None,
) -> Request[list[Thread]]:
    """The threads that match. ``extract``: alias → path of a value to return in ``extracted``."""
    body = given(
        metadata=metadata, values=values, ids=ids, status=status, limit=limit, offset=offset,
        sort_by=sort_by, sort_order=sort_order, select=select, extract=extract,
    )  # fmt: skip
    return call("POST", "/threads/search", json_body, body, headers=headers, params=params)


def count(
    *,
    metadata: Json = None,
    values: Json = None,
    status: ThreadStatus | None = None,
    headers: Headers = None,
    params: Params = None,
) -> Request[int]:
    """How many threads match."""
    body = given(metadata=metadata, values=values, status=status)
    return call("POST", "/threads/count", json_body, body, headers=headers, params=params)


def copy(thread_id: str, *, headers: Headers = None, params: Params = None) -> Request[Thread]:
    """A new thread with the same history."""
    where = path("/threads/{}/copy", thread_id)
    return call("POST", where, json_body, headers=headers, params=params)


def prune(
    thread_ids: Sequence[str],
    *,
    strategy: PruneStrategy = "delete",
    headers: Headers = None,
    params: Params = None,
) -> Request[dict[str, Any]]:
    """Delete the threads, or all but their latest state; returns ``{"pruned_count"}``."""
    body = {"thread_ids": list(thread_ids), "strategy": strategy}
    return call("POST", "/threads/prune", json_body, body, headers=headers, params=params)


def get_state(
    thread_id: str,
    checkpoint: Checkpoint | None = None,
    checkpoint_id: str | None = None,
    *,
    subgraphs: bool = False,
    select: Sequence[str] | None = None,
    headers: Headers = None,
    params: Params = None,
) -> Request[ThreadState]:
    """The thread's state now, or at a checkpoint; with ``subgraphs`` also that of nested graphs."""
    if checkpoint is not None:
        body = given(checkpoint=checkpoint, subgraphs=subgraphs, select=select)
        where = path("/threads/{}/state/checkpoint", thread_id)
        return call("POST", where, json_body, body, headers=headers, params=params)
    where = path("/threads/{}/state", thread_id)
    if checkpoint_id is not None:
        where += path("/{}", checkpoint_id)
    return call(
        "GET", where, json_body,
        headers=headers, params=params, subgraphs=subgraphs, select=select,
    )  # fmt: skip


def update_state(
    thread_id: str,
    values: Any,
    *,
    as_node: str | None = None,
    checkpoint: Checkpoint | None = None,
    checkpoint_id: str | None = None,
    headers: Headers = None,
    params: Params = None,
) -> Request[ThreadUpdateStateResponse]:
    """Write ``values`` as if ``as_node`` had returned them. Raises `ConflictError` while a run is active."""
    at = given(as_node=as_node, checkpoint=checkpoint, checkpoint_id=checkpoint_id)
    where = path("/threads/{}/state", thread_id)
    body = {"values": values, **at}
    return call("POST", where, json_body, body, headers=headers, params=params)


def get_history(
    thread_id: str,
    *,
    limit: int = 10,
    before: str | Checkpoint | Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    checkpoint: Checkpoint | None = None,
    select: Sequence[str] | None = None,
    headers: Headers = None,
    params: Params = None,
) -> Request[list[ThreadState]]:
    """The thread's states, newest first; those older than ``before``, if given."""
    body = given(
        limit=limit, before=before, metadata=metadata, checkpoint=checkpoint, select=select
    )
    where = path("/threads/{}/history", thread_id)
    return call("POST", where, json_body, body, headers=headers, params=params)


def join_stream(
    thread_id: str,
    *,
    last_event_id: str | None = None,
    stream_mode: ThreadStreamMode | Sequence[ThreadStreamMode] = "run_modes",
    headers: Headers = None,
    params: Params = None,
) -> StreamRequest[StreamPart]:
    """The events of all runs of the thread as they come; after ``last_event_id``, if given.

    It does not end by itself. Broken connections are taken up again where they broke.
    """
    modes = [stream_mode] if isinstance(stream_mode, str) else list(stream_mode)
    resumed = given(**{"Last-Event-ID": last_event_id})
    request = call(
        "GET", path("/threads/{}/stream", thread_id), nothing,
        headers={**resumed, **(headers or {})}, params=params,
        stream_mode=modes, stream_modes=modes,
    )  # fmt: skip
    return StreamRequest(request, lambda part: part, endless=True)
