"""Threads: made, found, changed, copied, pruned, deleted."""

from __future__ import annotations

import asyncio
from typing import Any

from caesura.checkpoint.operations import Prune
from caesura.execution.clock import clock
from caesura.records.operations import (
    CountThreads,
    CreateThread,
    DuplicateThread,
    FindThreads,
    GetThread,
    MeasureThread,
    RemoveThread,
    UpdateThread,
)
from caesura.records.shapes import Thread, Ttl
from caesura.server import wire
from caesura.server.http.call import Call, uuid_text
from caesura.server.http.problems import Problem, not_found
from caesura.server.http.replies import Reply, empty, page_headers
from caesura.server.http.routes import Answer, Routes
from caesura.server.ids import uuid7
from caesura.server.threads import extract, update_of
from caesura.server.views import Json, select
from caesura.types import StateUpdate

routes = Routes("Threads", group="threads")
_DEFAULT_LIMIT = 10


@routes.post("/threads", body=wire.ThreadCreate, returns=wire.Thread, errors=(400, 404, 409))
async def create_thread(call: Call[wire.ThreadCreate, None]) -> Any:
    """Create a thread.

    With `supersteps`, states are written to it at once; `metadata.graph_id` names their graph.
    """
    body, server = call.body, call.server
    thread_id = uuid7() if body.thread_id is None else uuid_text(body.thread_id, "thread ID")
    if body.supersteps and not (body.metadata or {}).get("graph_id"):
        raise Problem(400, "supersteps need metadata.graph_id, to know whose states they are")
    value: Json = {
        "thread_id": thread_id,
        "metadata": dict(body.metadata or {}),
        "if_exists": body.if_exists or "raise",
    }
    if body.ttl is not None:
        value["ttl"] = _ttl(body.ttl)
    filters = await call.authorise("threads", "create", value)
    now, ttl = clock().now(), _ttl(body.ttl) or server.threads.default_ttl
    thread = Thread(thread_id, now, now, now, metadata=value["metadata"], ttl=ttl)
    made: Thread = await server.do(CreateThread(thread, body.if_exists or "raise", filters))
    fresh = made.created_at == now
    if body.supersteps and fresh:
        made = await _write_supersteps(call, made, body.supersteps)
    return await server.threads.view(made)


async def _write_supersteps(
    call: Call[Any, Any], thread: Thread, supersteps: list[wire.Superstep]
) -> Thread:
    steps: list[list[StateUpdate]] = [
        [update_of(item.values, item.command, item.as_node) for item in step.updates]
        for step in supersteps
    ]
    try:
        await call.server.threads.write(thread, {}, steps, call.caller.identity)
    except BaseException:
        await call.server.do(RemoveThread(thread.thread_id))
        raise
    made: Thread = await call.server.do(GetThread(thread.thread_id))
    return made


@routes.get("/threads/{thread_id}", query=wire.ThreadQuery, returns=wire.Thread, errors=(404,))
async def get_thread(call: Call[None, wire.ThreadQuery]) -> Any:
    """Get a thread with its values and what it waits for."""
    thread_id = call.thread_id
    filters = await call.authorise("threads", "read", {"thread_id": thread_id})
    server = call.server
    return await server.threads.view(await server.threads.find(thread_id, filters))


@routes.patch(
    "/threads/{thread_id}",
    body=wire.ThreadPatch,
    answers={
        200: Answer("The thread.", wire.Thread),
        204: Answer("Done; with the header `Prefer: return=minimal`."),
    },
    errors=(404,),
)
async def patch_thread(call: Call[wire.ThreadPatch, None]) -> Any:
    """Merge metadata into a thread, or set when it expires."""
    thread_id, body = call.thread_id, call.body
    value: Json = {"thread_id": thread_id, "metadata": dict(body.metadata or {})}
    filters = await call.authorise("threads", "update", value)
    thread: Thread | None = await call.server.do(
        UpdateThread(thread_id, clock().now(), value["metadata"], _ttl(body.ttl), filters)
    )
    if thread is None:
        raise not_found()
    if "return=minimal" in (call.header("prefer") or ""):
        return empty()
    return await call.server.threads.view(thread)


@routes.delete(
    "/threads/{thread_id}", answers={204: Answer("The thread is deleted.")}, errors=(404,)
)
async def delete_thread(call: Call[None, None]) -> Any:
    """Delete a thread with all it holds; its runs are stopped."""
    thread_id = call.thread_id
    filters = await call.authorise("threads", "delete", {"thread_id": thread_id})
    if not await call.server.threads.remove(thread_id, filters):
        raise not_found(f"Thread with ID {thread_id} not found")
    return empty()


@routes.post("/threads/search", body=wire.ThreadSearch, returns=list[wire.Thread])
async def search_threads(call: Call[wire.ThreadSearch, None]) -> Any:
    """Search threads, the last changed first.

    `extract` gives values at paths such as `values.messages[-1].content`, by name, in `extracted`.
    """
    body = call.body
    value: Json = {
        "metadata": dict(body.metadata or {}), "values": dict(body.values or {}),
        "status": body.status, "limit": body.limit or _DEFAULT_LIMIT, "offset": body.offset or 0,
    }  # fmt: skip
    filters = await call.authorise("threads", "search", value)
    ids = None if body.ids is None else [uuid_text(id, "thread ID") for id in body.ids]
    find = FindThreads(
        ids, value["metadata"], body.status, body.limit or _DEFAULT_LIMIT, body.offset or 0,
        body.sort_by or "updated_at", body.sort_order or "desc", filters,
    )  # fmt: skip
    rows, more = await _found(call, find, body.values)
    shown = []
    for thread in rows:
        shown.append(await _search_view(call, thread, body))
        await asyncio.sleep(0)  # reading many values must not keep the others from their turn
    return Reply(shown, headers=page_headers(find.offset, len(shown), more))


async def _found(
    call: Call[Any, Any], find: FindThreads, values: Json | None
) -> tuple[list[Thread], bool]:
    if not values:
        page = await call.server.do(find)
        return list(page.rows), page.more
    rows: list[Thread] = []
    skip, limit = find.offset, find.limit
    async for thread in call.server.threads.with_values(find, values):
        if skip:
            skip -= 1
        elif len(rows) < limit:
            rows.append(thread)
        else:
            return rows, True
    return rows, False


async def _search_view(call: Call[Any, Any], thread: Thread, body: wire.ThreadSearch) -> Json:
    wanted = body.select
    paths = body.extract or {}
    needs_values = wanted is None or "values" in wanted or bool(paths)
    view = await call.server.threads.view(
        thread,
        values=needs_values,
        interrupts=wanted is None or "interrupts" in wanted or bool(paths),
    )
    shown = select(view, wanted)
    if paths:
        shown["extracted"] = extract(view, paths)
    return shown


@routes.post("/threads/count", body=wire.ThreadCount, returns=int)
async def count_threads(call: Call[wire.ThreadCount, None]) -> Any:
    """Count threads."""
    body = call.body
    value: Json = {"metadata": dict(body.metadata or {}), "status": body.status}
    filters = await call.authorise("threads", "search", value)
    if not body.values:
        return await call.server.do(CountThreads(value["metadata"], body.status, filters))
    find = FindThreads(None, value["metadata"], body.status, filters=filters)
    found = [t async for t in call.server.threads.with_values(find, body.values)]
    return len(found)


@routes.post("/threads/prune", body=wire.ThreadPrune, returns=wire.Pruned)
async def prune_threads(call: Call[wire.ThreadPrune, None]) -> Any:
    """Delete threads, or all but their newest state; what waits for a person goes on waiting."""
    keep = call.body.strategy == "keep_latest"
    ids = [uuid_text(id, "thread ID") for id in call.body.thread_ids]
    pruned = 0
    for thread_id in dict.fromkeys(ids):
        filters = await call.authorise("threads", "delete", {"thread_id": thread_id})
        if keep:
            found = await call.server.do(GetThread(thread_id, filters))
            if found is not None:
                await call.server.do(Prune(thread_id))
                pruned += 1
        elif await call.server.threads.remove(thread_id, filters):
            pruned += 1
    return {"pruned_count": pruned}


@routes.post("/threads/{thread_id}/copy", returns=wire.Thread, errors=(404, 409))
async def copy_thread(call: Call[None, None]) -> Any:
    """Copy a thread with its history and what it waits for."""
    source = call.thread_id
    target = uuid7()
    filters = await call.authorise("threads", "read", {"thread_id": source})
    value: Json = {"thread_id": target, "metadata": {}}
    await call.authorise("threads", "create", value)
    made: Thread | None = await call.server.do(
        DuplicateThread(source, target, clock().now(), value["metadata"], filters)
    )
    if made is None:
        raise Problem(409, f"Thread with ID {source} not found", code="not_found")
    return await call.server.threads.view(made)


@routes.get("/threads/{thread_id}/storage", returns=wire.Storage, errors=(404,))
async def measure_thread(call: Call[None, None]) -> Any:
    """How much a thread stores."""
    thread_id = call.thread_id
    filters = await call.authorise("threads", "read", {"thread_id": thread_id})
    await call.server.threads.find(thread_id, filters)
    measured = await call.server.do(MeasureThread(thread_id))
    return {"thread_id": thread_id, **measured}


def _ttl(given: wire.TtlConfig | None) -> Ttl | None:
    return None if given is None else Ttl(given.ttl, given.strategy or "delete")
