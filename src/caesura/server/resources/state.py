"""The state of a thread: read at any checkpoint, written by hand, and its history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from caesura.records.shapes import Thread
from caesura.server import wire
from caesura.server.http.call import Call
from caesura.server.http.problems import Problem, invalid
from caesura.server.http.replies import Reply
from caesura.server.http.routes import Routes
from caesura.server.threads import update_of
from caesura.server.views import Json

routes = Routes("Threads", group="threads")
_NO_LIMIT = 1


@routes.get(
    "/threads/{thread_id}/state", query=wire.StateQuery, returns=wire.ThreadState, errors=(404,)
)
async def get_state(call: Call[None, wire.StateQuery]) -> Any:
    """Get the newest state of a thread."""
    return await _state(call, {}, call.query.subgraphs, call.query.select)


@routes.get(
    "/threads/{thread_id}/state/{checkpoint_id}",
    query=wire.StateQuery,
    returns=wire.ThreadState,
    errors=(404,),
)
async def get_state_at(call: Call[None, wire.StateQuery]) -> Any:
    """Get the state of a thread at a checkpoint."""
    where = {"checkpoint_id": call.text("checkpoint_id")}
    return await _state(call, where, call.query.subgraphs, call.query.select)


@routes.post(
    "/threads/{thread_id}/state/checkpoint",
    body=wire.StateAtCheckpoint,
    returns=wire.ThreadState,
    errors=(404,),
)
async def get_state_at_checkpoint(call: Call[wire.StateAtCheckpoint, None]) -> Any:
    """Get the state at a checkpoint, also of a nested graph."""
    body = call.body
    where = _address(body.checkpoint)
    return await _state(call, where, bool(body.subgraphs), body.select)


@routes.post(
    "/threads/{thread_id}/state",
    body=wire.StateWrite,
    returns=wire.StateWritten,
    errors=(400, 404, 409),
)
async def update_state(call: Call[wire.StateWrite, None]) -> Any:
    """Write to the state as if a node had done so; open interrupts are withdrawn."""
    body = call.body
    thread = await _thread(call, "update", {"values": body.values, "as_node": body.as_node})
    where = _address(body.checkpoint)
    if body.checkpoint_id is not None:
        where["checkpoint_id"] = body.checkpoint_id
    update = update_of(_values(body.values), None, body.as_node)
    address = await _written(call, thread, where, update)
    checkpoint = {
        "thread_id": thread.thread_id,
        "checkpoint_ns": address.get("checkpoint_ns", ""),
        "checkpoint_id": address["checkpoint_id"],
    }
    return {
        "checkpoint": checkpoint,
        "configurable": checkpoint,
        "checkpoint_id": address["checkpoint_id"],
    }


async def _written(call: Call[Any, Any], thread: Thread, where: Json, update: Any) -> Json:
    try:
        return await call.server.threads.write(thread, where, [[update]], call.caller.identity)
    except (ValueError, TypeError, KeyError) as error:
        raise Problem(400, str(error), code="invalid_update") from None


@routes.patch(
    "/threads/{thread_id}/state", body=wire.StateMetadataPatch, returns=wire.Thread, errors=(404,)
)
async def patch_state(call: Call[wire.StateMetadataPatch, None]) -> Any:
    """Merge metadata into a thread; kept for clients that do so here."""
    from caesura.execution.clock import clock
    from caesura.records.operations import UpdateThread

    value: Json = {"thread_id": call.thread_id, "metadata": dict(call.body.metadata or {})}
    filters = await call.authorise("threads", "update", value)
    await call.server.threads.find(call.thread_id, filters)
    thread = await call.server.do(
        UpdateThread(call.thread_id, clock().now(), value["metadata"], None, filters)
    )
    return await call.server.threads.view(thread)


@routes.post(
    "/threads/{thread_id}/history",
    body=wire.HistorySearch,
    returns=list[wire.ThreadState],
    errors=(404,),
)
async def search_history(call: Call[wire.HistorySearch, None]) -> Any:
    """List states of the past, the newest first."""
    body = call.body
    where = {} if body.checkpoint is None else _address(body.checkpoint)
    return await _history(call, where, body.limit or _NO_LIMIT, body.before, body.metadata)


@routes.get(
    "/threads/{thread_id}/history",
    query=wire.HistoryQuery,
    returns=list[wire.ThreadState],
    errors=(404,),
)
async def get_history(call: Call[None, wire.HistoryQuery]) -> Any:
    """List states of the past, the newest first."""
    return await _history(call, {}, call.query.limit, call.query.before, None)


async def _history(
    call: Call[Any, Any], where: Json, limit: int, before: Any, metadata: Json | None
) -> Reply:
    thread = await _thread(call, "read", {})
    found = call.server.threads.history(
        thread, where, limit=limit, before=_checkpoint_id(before), metadata=metadata
    )
    return Reply([state async for state in found])


async def _state(
    call: Call[Any, Any], where: Json, subgraphs: bool, fields: list[str] | None
) -> Json:
    thread = await _thread(call, "read", {})
    state = await call.server.threads.state(thread, where, subgraphs=subgraphs)
    return state if not fields else _selected(state, fields)


def _selected(state: Json, fields: list[str]) -> Json:
    """These fields of a state; ``values.<key>`` chooses among its values."""
    keys = {field.partition(".")[2] for field in fields if field.startswith("values.")}
    shown = {name: state[name] for name in fields if name in state}
    if keys and "values" not in shown and isinstance(state["values"], dict):
        shown["values"] = {k: v for k, v in state["values"].items() if k in keys}
    return shown


async def _thread(call: Call[Any, Any], action: str, value: Json) -> Thread:
    thread_id = call.thread_id
    filters = await call.authorise("threads", action, {"thread_id": thread_id, **value})
    return await call.server.threads.find(thread_id, filters)


def _address(given: wire.CheckpointConfig | None) -> Json:
    if given is None:
        return {}
    return {k: v for k, v in msgspec.structs.asdict(given).items() if v and k != "thread_id"}


def _checkpoint_id(before: Any) -> str | None:
    """The id in any of the forms that clients send: a text, a checkpoint, or a config with one."""
    if isinstance(before, Mapping):
        where = before.get("configurable", before)
        before = where.get("checkpoint_id") if isinstance(where, Mapping) else None
        if before is None:
            return None
    if before is not None and not isinstance(before, str):
        raise invalid("before must be a checkpoint, or its id")
    return before or None


def _values(given: Any) -> Any:
    """Values as handed in; a list of pairs means several writes."""
    if isinstance(given, list) and all(isinstance(p, list) and len(p) == 2 for p in given):
        return [(str(key), value) for key, value in given]
    return given
