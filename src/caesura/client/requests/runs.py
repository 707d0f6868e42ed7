"""Requests of ``client.runs``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Unpack

from caesura.client.errors import RunError
from caesura.client.requests import (
    Reply,
    Request,
    StreamRequest,
    call,
    given,
    json_body,
    keyed,
    nothing,
    path,
)
from caesura.client.shapes import (
    BulkCancelRunsStatus,
    CancelAction,
    CreateOptions,
    Headers,
    Params,
    Run,
    RunCreate,
    RunCreateMetadata,
    RunStatus,
    StreamMode,
    StreamOptions,
    StreamPart,
    StreamPartV2,
    WaitOptions,
)

_RENAMED: Final = {"langsmith_tracing": "langsmith_tracer"}
_HERE: Final = frozenset({"headers", "params", "on_run_created", "raise_error"})
_PLACE = re.compile(r"(?:/threads/(?P<thread_id>[^/?]+))?/runs/(?P<run_id>[^/?]+)")


def run_of(headers: Mapping[str, str]) -> RunCreateMetadata | None:
    """The run that a reply says it is about."""
    found = _PLACE.search(headers.get("content-location") or "")
    if found is None:
        return None
    return {"run_id": found["run_id"], "thread_id": found["thread_id"]}


def settings_body(options: Mapping[str, Any], takes: type) -> dict[str, Any]:
    """What is sent of ``options``. Raises TypeError for those that ``takes``, a TypedDict, has not."""
    known: frozenset[str] = takes.__required_keys__ | takes.__optional_keys__  # type: ignore[attr-defined]
    for name in options:
        if name not in known:
            raise TypeError(f"got an unexpected keyword argument {name!r}")
    sent = {_RENAMED.get(name, name): value for name, value in options.items() if name not in _HERE}
    return {name: value for name, value in sent.items() if value is not None}


def _starting(
    thread_id: str | None, end: str, assistant_id: str, options: Mapping[str, Any], takes: type
) -> Request[Any]:
    where = path("/threads/{}/runs", thread_id) if thread_id is not None else "/runs"
    body = {**settings_body(options, takes), "assistant_id": assistant_id}
    request = call(
        "POST", where + end, json_body, body,
        headers=keyed(options.get("headers")), params=options.get("params"),
    )  # fmt: skip
    return replace(request, on_run_created=options.get("on_run_created"))


def create(
    thread_id: str | None, assistant_id: str, **options: Unpack[CreateOptions]
) -> Request[Run]:
    """Start a run and return at once. ``thread_id`` None: on a thread of its own, deleted afterwards.

    ``options``: `CreateOptions`. Raises `ConflictError` if the thread is busy and
    ``multitask_strategy="reject"``; for a resume that does not fit, what a local one raises.
    """
    return _starting(thread_id, "", assistant_id, options, CreateOptions)


def wait(thread_id: str | None, assistant_id: str, **options: Unpack[WaitOptions]) -> Request[Any]:
    """Start a run and return its output when it ends or pauses (``__interrupt__`` lists the questions).

    ``options``: `WaitOptions`. Raises as `create`, and `RunError` if the run fails.
    """
    request = _starting(thread_id, "/wait", assistant_id, options, WaitOptions)
    return request if options.get("raise_error") is False else replace(request, read=output)


def output(reply: Reply) -> Any:
    """The output of a run. Raises `RunError` if it says that the run failed."""
    values = json_body(reply)
    if isinstance(values, dict) and isinstance(error := values.get("__error__"), dict):
        raise RunError(str(error.get("error")), str(error.get("message")))
    return values


def stream(
    thread_id: str | None, assistant_id: str, **options: Unpack[StreamOptions]
) -> StreamRequest[StreamPart]:
    """Start a run and yield its events as they come.

    ``options``: `StreamOptions`. With ``stream_resumable=True`` a broken connection is taken up again
    where it broke; otherwise it raises `ApiConnectionError`, and the run goes on. Raises as `create`.
    """
    full: Mapping[str, Any] = {"stream_mode": "values", **options}
    request = _starting(thread_id, "/stream", assistant_id, full, StreamOptions)
    return StreamRequest(replace(request, read=nothing), lambda part: part)


def stream_v2(
    thread_id: str | None, assistant_id: str, **options: Unpack[StreamOptions]
) -> StreamRequest[StreamPartV2]:
    """As `stream`, each part as `as_v2` shows it."""
    return StreamRequest(stream(thread_id, assistant_id, **options).request, as_v2)


def as_v2(part: StreamPart) -> StreamPartV2 | None:
    """A part under ``version="v2"``: the mode apart from the namespace, interrupts apart from values."""
    if part.event == "end":
        return None
    kind, *ns = part.event.split("|")
    made: StreamPartV2 = {"type": kind, "ns": ns, "data": part.data}
    if kind == "values":
        made["interrupts"] = []
        if isinstance(part.data, dict) and "__interrupt__" in part.data:
            made["interrupts"] = part.data["__interrupt__"]
            made["data"] = {k: v for k, v in part.data.items() if k != "__interrupt__"}
    return made


def create_batch(
    payloads: Sequence[RunCreate], *, headers: Headers = None, params: Params = None
) -> Request[list[Run]]:
    """Start several runs, each on a thread of its own."""
    body = [{k: v for k, v in payload.items() if v is not None} for payload in payloads]
    return call("POST", "/runs/batch", json_body, body, headers=keyed(headers), params=params)


def list_runs(
    thread_id: str,
    *,
    limit: int = 10,
    offset: int = 0,
    status: RunStatus | None = None,
    select: Sequence[str] | None = None,
    headers: Headers = None,
    params: Params = None,
) -> Request[list[Run]]:
    """The runs of the thread, newest first."""
    return call(
        "GET", path("/threads/{}/runs", thread_id), json_body,
        headers=headers, params=params, limit=limit, offset=offset, status=status, select=select,
    )  # fmt: skip


def get(
    thread_id: str, run_id: str, *, headers: Headers = None, params: Params = None
) -> Request[Run]:
    """One run. Raises `NotFoundError`."""
    where = path("/threads/{}/runs/{}", thread_id, run_id)
    return call("GET", where, json_body, headers=headers, params=params)


def cancel(
    thread_id: str,
    run_id: str,
    *,
    wait: bool = False,
    action: CancelAction = "interrupt",
    headers: Headers = None,
    params: Params = None,
) -> Request[None]:
    """Stop a run; with ``wait``, return when it has stopped. ``action="rollback"`` undoes it, too."""
    where = path("/threads/{}/runs/{}/cancel", thread_id, run_id)
    waiting = 1 if wait else 0
    return call("POST", where, nothing, headers=headers, params=params, wait=waiting, action=action)


def cancel_many(
    *,
    thread_id: str | None = None,
    run_ids: Sequence[str] | None = None,
    status: BulkCancelRunsStatus | None = None,
    action: CancelAction = "interrupt",
    headers: Headers = None,
    params: Params = None,
) -> Request[None]:
    """Stop runs: those of ``run_ids`` on the thread, or all of a status."""
    body = given(thread_id=thread_id, run_ids=run_ids, status=status)
    return call(
        "POST", "/runs/cancel", nothing, body, headers=headers, params=params, action=action
    )


def join(
    thread_id: str, run_id: str, *, headers: Headers = None, params: Params = None
) -> Request[Any]:
    """The output of a run, when it ends or pauses. A failed run returns ``{"__error__": …}``."""
    where = path("/threads/{}/runs/{}/join", thread_id, run_id)
    return call("GET", where, json_body, headers=headers, params=params)


def join_stream(
    thread_id: str | None,
    run_id: str,
    *,
    cancel_on_disconnect: bool = False,
    stream_mode: StreamMode | Sequence[StreamMode] | None = None,
    last_event_id: str | None = None,
    headers: Headers = None,
    params: Params = None,
) -> StreamRequest[StreamPart]:
    """The events of a run from now on; of a resumable one, those after ``last_event_id``."""
    if thread_id is None:
        where = path("/runs/{}/stream", run_id)
    else:
        where = path("/threads/{}/runs/{}/stream", thread_id, run_id)
    resumed = given(**{"Last-Event-ID": last_event_id})
    request = call(
        "GET", where, nothing, headers={**resumed, **(headers or {})}, params=params,
        cancel_on_disconnect=cancel_on_disconnect, stream_mode=stream_mode,
    )  # fmt: skip
    return StreamRequest(request, lambda part: part)


def delete(
    thread_id: str, run_id: str, *, headers: Headers = None, params: Params = None
) -> Request[None]:
    """Delete a run."""
    where = path("/threads/{}/runs/{}", thread_id, run_id)
    return call("DELETE", where, nothing, headers=headers, params=params)
