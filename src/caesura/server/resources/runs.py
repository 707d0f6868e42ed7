"""Runs: started, waited for, streamed, joined, cancelled, listed, deleted."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

from caesura.records.operations import FindRuns, GetRun, GetThread
from caesura.records.shapes import Run, RunStatus
from caesura.server import wire
from caesura.server.drafting import Origin
from caesura.server.http.call import Call, uuid_text
from caesura.server.http.problems import Problem, invalid, not_found
from caesura.server.http.replies import Reply, empty
from caesura.server.http.routes import Answer, Routes
from caesura.server.http.sse import EventStream, WaitedFor
from caesura.server.running.streams import HEARTBEAT, Frame, Reader, RunStream, stored_frames
from caesura.server.runs import Started
from caesura.server.views import Json, run_view, select

routes = Routes("Runs", group="runs")
STREAM = Answer("Server-sent events.", str, "text/event-stream")
RESULT = Answer("The values at the end, or `__error__`.", Any)
START_ERRORS = (400, 404, 409)


def origin_of(call: Call[Any, Any]) -> Origin:
    """Where the request comes from."""
    headers = call.request.headers
    return Origin(call.caller, call.request_id, headers.get("idempotency-key"), headers)


# --- on a thread -------------------------------------------------------------------------------


@routes.post(
    "/threads/{thread_id}/runs", body=wire.RunCreate, returns=wire.Run, errors=START_ERRORS
)
async def create_run(call: Call[wire.RunCreate, None]) -> Any:
    """Start a run in the background."""
    started = await call.server.runs.start(origin_of(call), call.thread_id, call.body)
    return Reply(_pending(started.run), headers=started.headers)


@routes.post(
    "/threads/{thread_id}/runs/wait",
    body=wire.RunCreate,
    answers={200: RESULT},
    errors=START_ERRORS,
)
async def wait_run(call: Call[wire.RunCreate, None]) -> Any:
    """Start a run and wait for its end, or until it waits for a person."""
    return await _wait(call, call.thread_id)


@routes.post(
    "/threads/{thread_id}/runs/stream",
    body=wire.RunCreate,
    answers={200: STREAM},
    errors=START_ERRORS,
)
async def stream_run(call: Call[wire.RunCreate, None]) -> Any:
    """Start a run and follow its events."""
    return await _stream(call, call.thread_id)


@routes.get(
    "/threads/{thread_id}/runs",
    query=wire.RunListQuery,
    returns=list[wire.Run],
    errors=(404,),
)
async def list_runs(call: Call[None, wire.RunListQuery]) -> Any:
    """List the runs of a thread, the newest first."""
    thread_id, query = call.thread_id, call.query
    filters = await call.authorise("threads", "read", {"thread_id": thread_id})
    await call.server.threads.find(thread_id, filters)
    statuses = () if query.status is None else (query.status,)
    runs = await call.server.do(FindRuns(thread_id, statuses, None, query.limit, query.offset))
    return [select(run_view(run), query.select) for run in runs]


@routes.get("/threads/{thread_id}/runs/{run_id}", returns=wire.Run, errors=(404,))
async def get_run(call: Call[None, None]) -> Any:
    """Get a run."""
    return run_view(await _run(call, call.thread_id, "read"))


@routes.delete(
    "/threads/{thread_id}/runs/{run_id}",
    answers={204: Answer("The run is deleted; if it went on, it is stopped.")},
    errors=(404,),
)
async def delete_run(call: Call[None, None]) -> Any:
    """Delete a run. What it has stored in the thread stays."""
    run = await _run(call, call.thread_id, "delete", missing="Run not found")
    if not await call.server.runs.remove(run.thread_id, run.run_id):
        raise not_found("Run not found")
    return empty()


@routes.get(
    "/threads/{thread_id}/runs/{run_id}/join",
    query=wire.JoinQuery,
    answers={200: RESULT},
    errors=(404,),
)
async def join_run(call: Call[None, wire.JoinQuery]) -> Any:
    """Wait for the end of a run."""
    run = await _run(call, call.thread_id, "read", missing="Run not found")
    return await _join(call, run, call.query.cancel_on_disconnect)


@routes.get(
    "/threads/{thread_id}/runs/{run_id}/stream",
    query=wire.JoinStreamQuery,
    answers={200: STREAM},
    errors=(404,),
)
async def join_stream(call: Call[None, wire.JoinStreamQuery]) -> Any:
    """Follow the events of a run from now on, or behind `Last-Event-ID`."""
    run = await _run(call, call.thread_id, "read", missing="Run not found")
    return await _join_stream(call, run)


@routes.post(
    "/threads/{thread_id}/runs/{run_id}/cancel",
    query=wire.CancelQuery,
    answers={
        200: Answer("The run has ended; with `wait=1`.", wire.Object),
        202: Answer("The run is asked to stop."),
    },
    errors=(404,),
)
async def cancel_run(call: Call[None, wire.CancelQuery]) -> Any:
    """Cancel a run; `rollback` also deletes what it has stored."""
    thread_id, run_id, query = call.thread_id, call.run_id, call.query
    value = {"thread_id": thread_id, "run_id": run_id, "action": query.action}
    filters = await call.authorise("threads", "update", value)
    await _visible(call, thread_id, filters, "No runs found to cancel.")
    runs = await call.server.runs.cancel(action=query.action, thread_id=thread_id, run_ids=[run_id])
    if not runs:
        raise await _nothing_to_cancel(call, thread_id, run_id)
    path = f"/threads/{thread_id}/runs/{run_id}"
    headers = {"Location": f"{path}/join", "Content-Location": path}
    if not query.wait:
        return empty(202)
    stream = call.server.streams.find(run_id)

    async def ended() -> bytes:
        if stream is not None:
            await stream.finished()
        return b"{}"

    return WaitedFor(ended(), headers)


async def _nothing_to_cancel(call: Call[Any, Any], thread_id: str, run_id: str) -> Problem:
    if await call.server.do(GetRun(run_id, thread_id)) is None:
        return not_found("No runs found to cancel.")
    return not_found(
        "No matching runs to cancel. Please verify the thread ID and run IDs are correct, and the "
        "runs haven't been deleted or reached a terminal state."
    )


@routes.post(
    "/runs/cancel",
    body=wire.CancelMany,
    query=wire.CancelManyQuery,
    answers={204: Answer("The runs are asked to stop.")},
    errors=(404,),
)
async def cancel_runs(call: Call[wire.CancelMany, wire.CancelManyQuery]) -> Any:
    """Cancel runs: these of a thread, or all of a status."""
    body = call.body
    named = body.thread_id is not None or body.run_ids is not None
    if named == (body.status is not None):
        raise invalid("Give either status, or thread_id and run_ids")
    if named and (body.thread_id is None or not body.run_ids):
        raise invalid("thread_id and run_ids go together")
    thread_id = None if body.thread_id is None else uuid_text(body.thread_id, "thread ID")
    run_ids = None if body.run_ids is None else [uuid_text(r, "run ID") for r in body.run_ids]
    value = {"thread_id": thread_id, "run_ids": run_ids, "action": call.query.action}
    filters = await call.authorise("threads", "update", value)
    stopped: list[Run] = []
    for place, ids in await _cancellable(call, thread_id, run_ids, body.status, filters):
        stopped += await call.server.runs.cancel(
            action=call.query.action, thread_id=place, run_ids=ids, status=body.status or "all"
        )
    if not stopped:
        raise not_found("No runs found to cancel.")
    return empty()


async def _cancellable(
    call: Call[Any, Any], thread_id: str | None, run_ids: Any, status: Any, filters: Any
) -> Sequence[tuple[str | None, Any]]:
    """(thread, runs) that the caller may stop; without filters, everything at once."""
    if thread_id is not None:
        await _visible(call, thread_id, filters, "No runs found to cancel.")
        return [(thread_id, run_ids)]
    if not filters:
        return [(None, None)]
    statuses: tuple[RunStatus, ...] = ("pending", "running") if status == "all" else (status,)
    runs: list[Run] = await call.server.do(FindRuns(None, statuses, limit=None))
    found: list[tuple[str | None, Any]] = []
    for run in runs:
        if await call.server.do(GetThread(run.thread_id, filters)) is not None:
            found.append((run.thread_id, [run.run_id]))
    return found


# --- without a thread --------------------------------------------------------------------------


@routes.post("/runs", body=wire.RunCreateStateless, returns=wire.Run, errors=START_ERRORS)
async def create_stateless_run(call: Call[wire.RunCreateStateless, None]) -> Any:
    """Start a run in the background, on a thread made for it."""
    started = await call.server.runs.start(origin_of(call), None, call.body)
    headers = {**started.headers, "Content-Location": f"/runs/{started.run.run_id}"}
    return Reply(_pending(started.run), headers=headers)


@routes.post("/runs/wait", body=wire.RunCreateStateless, answers={200: RESULT}, errors=START_ERRORS)
async def wait_stateless_run(call: Call[wire.RunCreateStateless, None]) -> Any:
    """Start a run on a thread made for it, and wait for its end."""
    return await _wait(call, None)


@routes.post(
    "/runs/stream", body=wire.RunCreateStateless, answers={200: STREAM}, errors=START_ERRORS
)
async def stream_stateless_run(call: Call[wire.RunCreateStateless, None]) -> Any:
    """Start a run on a thread made for it, and follow its events."""
    return await _stream(call, None)


@routes.post(
    "/runs/batch",
    body=list[wire.RunCreateStateless],
    returns=list[wire.Run],
    errors=START_ERRORS,
)
async def create_batch(call: Call[list[wire.RunCreateStateless], None]) -> Any:
    """Start several runs in the background, each on a thread made for it."""
    if not call.body:
        raise invalid("Give at least one run")
    origin = origin_of(call)
    key = origin.idempotency_key
    runs = []
    for number, body in enumerate(call.body):
        own = None if key is None else f"{key}/{number}"
        one = Origin(origin.caller, origin.request_id, own, origin.headers)
        runs.append(_pending((await call.server.runs.start(one, None, body)).run))
    return runs


@routes.get("/runs/{run_id}", returns=wire.Run, errors=(404,))
async def get_stateless_run(call: Call[None, None]) -> Any:
    """Get a run by its id alone."""
    return run_view(await _run(call, None, "read"))


@routes.get("/runs/{run_id}/join", query=wire.JoinQuery, answers={200: RESULT}, errors=(404,))
async def join_stateless_run(call: Call[None, wire.JoinQuery]) -> Any:
    """Wait for the end of a run, by its id alone."""
    run = await _run(call, None, "read", missing="Run not found")
    return await _join(call, run, call.query.cancel_on_disconnect)


@routes.get(
    "/runs/{run_id}/stream",
    query=wire.JoinStreamQuery,
    answers={200: STREAM},
    errors=(404,),
)
async def join_stateless_stream(call: Call[None, wire.JoinStreamQuery]) -> Any:
    """Follow the events of a run, by its id alone."""
    return await _join_stream(call, await _run(call, None, "read", missing="Run not found"))


# --- what they share ---------------------------------------------------------------------------


def _pending(run: Run) -> Json:
    """A run that was just accepted, which a worker may have begun already."""
    return {**run_view(run), "status": "pending"} if run.status == "running" else run_view(run)


async def _run(
    call: Call[Any, Any], thread_id: str | None, action: str, *, missing: str = "Not Found"
) -> Run:
    """The run of the path, if the caller may see its thread. Raises 404."""
    run_id = call.run_id
    filters = await call.authorise("threads", action, {"thread_id": thread_id, "run_id": run_id})
    run: Run | None = await call.server.do(GetRun(run_id, thread_id))
    if run is None:
        raise not_found(missing)
    await _visible(call, run.thread_id, filters, missing)
    return run


async def _visible(call: Call[Any, Any], thread_id: str, filters: Any, missing: str) -> None:
    if filters and await call.server.do(GetThread(thread_id, filters)) is None:
        raise not_found(missing)


def _on_gone(call: Call[Any, Any], run: Run, cancels: bool) -> Callable[[], Awaitable[None]] | None:
    """What a client's going away means for the run."""
    if not cancels:
        return None

    async def cancel() -> None:
        await call.server.runs.cancel(
            action="interrupt", thread_id=run.thread_id, run_ids=[run.run_id]
        )

    return cancel


async def _wait(call: Call[Any, Any], thread_id: str | None) -> Any:
    started = await call.server.runs.start(origin_of(call), thread_id, call.body)
    run = started.run
    headers = {
        **started.headers,
        "Location": f"/threads/{run.thread_id}/runs/{run.run_id}/join",
    }
    gone = _on_gone(call, run, call.body.on_disconnect == "cancel")
    return WaitedFor(_result(call, run, started.stream), headers, gone)


async def _result(call: Call[Any, Any], run: Run, stream: RunStream | None) -> bytes:
    if stream is not None:
        return (await stream.finished()).body
    return (await call.server.runs.result_of(run)).body


async def _join(call: Call[Any, Any], run: Run, cancels: bool) -> Any:
    stream = await call.server.runs.attach(run.thread_id, run.run_id)
    path = f"/threads/{run.thread_id}/runs/{run.run_id}"
    headers = {"Content-Location": path, "Location": f"{path}/join"}
    if stream is None:
        run = await call.server.do(GetRun(run.run_id, run.thread_id)) or run
    return WaitedFor(_result(call, run, stream), headers, _on_gone(call, run, cancels))


async def _stream(call: Call[Any, Any], thread_id: str | None) -> Any:
    started: Started = await call.server.runs.start(origin_of(call), thread_id, call.body)
    run = started.run
    path = f"/threads/{run.thread_id}/runs/{run.run_id}"
    headers = {**started.headers, "Location": f"{path}/stream"}
    if thread_id is None:
        headers |= {
            "Content-Location": f"/runs/{run.run_id}",
            "Location": f"/runs/{run.run_id}/stream",
        }
    gone = _on_gone(call, run, call.body.on_disconnect == "cancel")
    if started.stream is None:
        return EventStream(_stored(call, run, "0-0", None), headers)
    reader = Reader(started.stream, position=0)
    return EventStream(_chunks(call, reader, None), headers, gone)


async def _join_stream(call: Call[Any, Any], run: Run) -> Any:
    path = f"/threads/{run.thread_id}/runs/{run.run_id}"
    headers = {"Content-Location": path, "Location": f"{path}/stream"}
    modes = None if call.query.stream_mode is None else frozenset(call.query.stream_mode)
    after = last_event_id(call.header("last-event-id"))
    stream = await call.server.runs.attach(run.thread_id, run.run_id)
    if stream is None:
        return EventStream(_stored(call, run, after, modes), headers)
    start = 0 if run.status == "pending" or after is not None else stream.total
    reader = Reader(stream, position=start, after=after if stream.resumable else None)
    gone = _on_gone(call, run, call.query.cancel_on_disconnect)
    return EventStream(_chunks(call, reader, modes), headers, gone)


def last_event_id(given: str | None) -> str | None:
    """Where a client wants to go on, by its header: behind this id; ``-1`` and ``0`` mean from the start.

    Raises a 422 for what is no id.
    """
    if not given:
        return None
    if given in ("-1", "0"):
        return "0-0"
    millis, _, number = given.partition("-")
    known = len(given) <= 40 and given.isascii()  # other scripts have digits that are no numbers
    if not known or not millis.isdigit() or not (number or "0").isdigit():
        raise invalid("Last-Event-ID must be an id of this stream, or -1. Nothing was sent.")
    return given


async def _chunks(
    call: Call[Any, Any], reader: Reader, modes: frozenset[str] | None
) -> AsyncGenerator[bytes]:
    with_id = reader.stream.resumable
    with reader:
        async with contextlib.aclosing(reader.frames()) as frames:
            async for frame in frames:
                if frame is None:
                    yield HEARTBEAT
                elif _is_wanted(frame, modes):
                    yield frame.sse(with_id=with_id)


async def _stored(
    call: Call[Any, Any], run: Run, after: str | None, modes: frozenset[str] | None
) -> AsyncGenerator[bytes]:
    """The frames of a run that has ended, if it is resumable and the client asks for them."""
    if after is None or not run.resumable:
        return
    async for frame in stored_frames(call.server.database, run.thread_id, run.run_id, after):
        if _is_wanted(frame, modes):
            yield frame.sse(with_id=True)


def _is_wanted(frame: Frame, modes: frozenset[str] | None) -> bool:
    if modes is None or frame.name == "error":
        return True
    name = frame.name.split("|")[0].split("/")[0]
    return name in modes or (name == "messages" and "messages-tuple" in modes)
