"""Crons: runs that are started by the clock; made, found, changed, deleted.

What is sent is kept as it was sent (`payload`), and each run is made from it. Dates are computed by
`caesura.server.crons`; `caesura.server.running.duties` fires what is due.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import UNSET

from caesura.execution.clock import clock
from caesura.records.operations import (
    CountCrons,
    DeleteCron,
    FindCrons,
    GetCron,
    GetThread,
    Page,
    PutCron,
)
from caesura.records.shapes import Assistant, Cron
from caesura.server import wire
from caesura.server.assistants import BOTH_GIVEN, find, may_use
from caesura.server.crons import check_schedule, check_timezone, moment, next_date
from caesura.server.http.call import Call, uuid_text
from caesura.server.http.problems import Problem, invalid, not_found
from caesura.server.http.replies import Reply, empty, page_headers
from caesura.server.http.routes import Answer, Routes
from caesura.server.ids import uuid7
from caesura.server.running.duties import fire
from caesura.server.views import Json, cron_view, select

routes = Routes("Crons", group="runs")
_DEFAULT_LIMIT = 10
_MOST_TRIES = 10
_PAGE_HEADERS = ("X-Pagination-Total", "X-Pagination-Next")
_SCHEDULE_TEXT = """
    `schedule` has five fields (minute, hour, day of month, month, day of week) or six, the seconds last;
    it is read in `timezone` (an IANA name; UTC by default). A date that passed while the server was down
    is made up for once. After `end_time` the cron is disabled.
    """


# --- making ------------------------------------------------------------------------------------


@routes.post("/runs/crons", body=wire.CronBody, returns=wire.Cron, errors=(400, 404))
async def create_cron(call: Call[wire.CronBody, None]) -> Any:
    """Create a cron that runs on a new thread each time.

    `on_run_completed` says what becomes of the thread: `delete` (the default) or `keep`.
    """
    return await _create(call, None)


@routes.post(
    "/threads/{thread_id}/runs/crons", body=wire.CronBody, returns=wire.Cron, errors=(400, 404)
)
async def create_thread_cron(call: Call[wire.CronBody, None]) -> Any:
    """Create a cron that runs on this thread."""
    return await _create(call, call.thread_id)


async def _create(call: Call[wire.CronBody, None], thread_id: str | None) -> Any:
    body, server = call.body, call.server
    _check(call, msgspec.structs.asdict(body))
    if thread_id is not None:
        await _see_thread(call, thread_id)
    cron_id, assistant = uuid7(), await _assistant(call, body.assistant_id)
    value: Json = {
        "cron_id": cron_id,
        "thread_id": thread_id,
        "assistant_id": assistant.assistant_id,
        "schedule": body.schedule,
        "end_time": None if body.end_time is None else moment(body.end_time),
        "user_id": call.caller.identity,
        "metadata": dict(body.metadata or {}),
        "payload": _payload(body, cron_id, assistant),
    }
    await call.authorise("crons", "create", value)
    now = clock().now()
    cron = Cron(
        cron_id=cron_id,
        assistant_id=assistant.assistant_id,
        graph_id=assistant.graph_id,
        thread_id=thread_id,
        schedule=body.schedule,
        payload=value["payload"],
        created_at=now,
        updated_at=now,
        user_id=call.caller.identity,
        timezone=body.timezone,
        end_time=value["end_time"],
        next_run_date=next_date(body.schedule, body.timezone, now, value["end_time"]),
        metadata=value["metadata"],
        on_run_completed=None if thread_id is not None else body.on_run_completed or "delete",
        enabled=body.enabled is not False,
        owner=call.caller.stored,
    )
    if cron.next_run_date is None:
        raise invalid(f"The schedule has no date until {cron.end_time}: the cron would never run.")
    stored = await server.do(PutCron(cron))
    server.crons_changed.set()
    return cron_view(stored)


create_cron.__doc__ = f"{create_cron.__doc__}{_SCHEDULE_TEXT}"


def _check(call: Call[Any, Any], given: Mapping[str, Any]) -> None:
    """Raise 422 for what is no schedule, time zone, time or webhook."""
    if given.get("schedule") is not None:
        check_schedule(given["schedule"])
    check_timezone(given.get("timezone"))
    if given.get("end_time") is not None:
        moment(given["end_time"])
    if given.get("webhook") is not None:
        call.server.check_webhook(given["webhook"])
    configurable = (given.get("config") or {}).get("configurable")
    if configurable is not None and not isinstance(configurable, dict):
        raise invalid("Expected `object` - at `$.config.configurable`")
    if configurable and given.get("context"):
        raise Problem(400, BOTH_GIVEN)


async def _see_thread(call: Call[Any, Any], thread_id: str) -> None:
    filters = await call.authorise("threads", "read", {"thread_id": thread_id})
    if await call.server.do(GetThread(thread_id, filters)) is None:
        raise not_found(
            f"Thread with ID '{thread_id}' not found. Please verify the ID is correct and the thread "
            "hasn't been deleted or expired."
        )


async def _assistant(call: Call[Any, Any], name: str) -> Assistant:
    found = await find(call.server, name)
    if found is None or not await may_use(call.server, call.caller, found):
        raise not_found(f"Assistant '{name}' not found")
    return found


def _payload(body: wire.CronBody, cron_id: str, assistant: Assistant) -> Json:
    """What was sent, as each run is made from it."""
    given = msgspec.structs.asdict(body)
    payload = {name: value for name, value in given.items() if value is not None}
    payload["assistant_id"] = assistant.assistant_id
    return {**payload, "config": _config_of(payload.get("config"), cron_id)}


def _config_of(config: Mapping[str, Any] | None, cron_id: str) -> Json:
    made = dict(config or {})
    return {**made, "configurable": {**(made.get("configurable") or {}), "cron_id": cron_id}}


# --- finding -----------------------------------------------------------------------------------


@routes.post(
    "/runs/crons/search",
    body=wire.CronSearch,
    answers={200: Answer("The crons.", list[wire.Cron], headers=_PAGE_HEADERS)},
)
async def search_crons(call: Call[wire.CronSearch, None]) -> Any:
    """Search crons, the newest first."""
    body = call.body
    value: Json = {
        "assistant_id": _uuid(body.assistant_id, "assistant ID"),
        "thread_id": _uuid(body.thread_id, "thread ID"),
        "metadata": dict(body.metadata or {}),
        "limit": body.limit or _DEFAULT_LIMIT,
        "offset": body.offset or 0,
    }
    filters = await call.authorise("crons", "search", value)
    search = FindCrons(
        assistant_id=value["assistant_id"],
        thread_id=value["thread_id"],
        enabled=body.enabled,
        metadata=value["metadata"],
        limit=body.limit or _DEFAULT_LIMIT,
        offset=body.offset or 0,
        sort_by=body.sort_by or "created_at",
        order=body.sort_order or "desc",
        filters=filters,
    )
    page: Page = await call.server.do(search)
    shown = [select(cron_view(row), body.select) for row in page.rows]
    return Reply(shown, headers=page_headers(search.offset, len(shown), page.more))


@routes.post("/runs/crons/count", body=wire.CronCount, returns=int)
async def count_crons(call: Call[wire.CronCount, None]) -> Any:
    """Count crons."""
    body = call.body
    value: Json = {
        "assistant_id": _uuid(body.assistant_id, "assistant ID"),
        "thread_id": _uuid(body.thread_id, "thread ID"),
        "metadata": dict(body.metadata or {}),
    }
    filters = await call.authorise("crons", "search", value)
    count = CountCrons(value["assistant_id"], value["thread_id"], value["metadata"], filters)
    return await call.server.do(count)


@routes.get("/runs/crons/{cron_id}", returns=wire.Cron, errors=(404,))
async def get_cron(call: Call[None, None]) -> Any:
    """Get a cron."""
    cron_id = _cron_id(call)
    filters = await call.authorise("crons", "read", {"cron_id": cron_id})
    found = await call.server.do(GetCron(cron_id, filters))
    if found is None:
        raise not_found()
    return cron_view(found)


def _cron_id(call: Call[Any, Any]) -> str:
    return call.id("cron_id", "cron ID")


def _uuid(text: str | None, what: str) -> str | None:
    return None if text is None else uuid_text(text, what)


# --- changing ----------------------------------------------------------------------------------


@routes.patch(
    "/runs/crons/{cron_id}", body=wire.CronPatch, returns=wire.Cron, errors=(400, 404, 409)
)
async def patch_cron(call: Call[wire.CronPatch, None]) -> Any:
    """Change a cron.

    Metadata is merged into what is there; `end_time: null` takes the end away. The next date is computed
    anew.
    """
    cron_id, body = _cron_id(call), call.body
    given = {k: v for k, v in msgspec.structs.asdict(body).items() if v is not UNSET}
    _check(call, given)
    value: Json = {
        "cron_id": cron_id,
        "metadata": dict(given.get("metadata") or {}),
        "payload": given,
    }
    filters = await call.authorise("crons", "update", value)
    changes = {k: v for k, v in value["payload"].items() if k != "metadata"}
    if value["metadata"]:
        changes["metadata"] = value["metadata"]
    for _ in range(_MOST_TRIES):
        before: Cron | None = await call.server.do(GetCron(cron_id, filters))
        if before is None:
            raise not_found(f"Cron '{cron_id}' not found")
        after = await _store(call, before, _changed(before, changes))
        if after is not None:
            return cron_view(after)
    raise Problem(409, "The cron was changed at the same time. Nothing was changed. Try again.")


async def _store(call: Call[Any, Any], before: Cron, after: Cron) -> Cron | None:
    """Store the change, unless the cron was fired or changed meanwhile: then None.

    A date that came just now is fired first; a change must not take it away.
    """
    server, due, now = call.server, before.next_run_date, clock().now()
    if due is not None and before.enabled and due <= now:
        await fire(server, before, now)
        return None
    stored: Cron | None = await server.do(PutCron(after, replaces=before))
    if stored is not None:
        server.crons_changed.set()
    return stored


def _changed(before: Cron, given: Mapping[str, Any]) -> Cron:
    schedule = given.get("schedule") or before.schedule
    timezone = given.get("timezone", before.timezone)
    end = given.get("end_time", before.end_time)
    end = None if end is None else moment(end)
    now = clock().now()
    date = next_date(schedule, timezone, now, end)
    enabled = before.enabled if given.get("enabled") is None else bool(given["enabled"])
    completed = given.get("on_run_completed") or before.on_run_completed
    payload = {**before.payload, **given}
    if "config" in given:
        payload["config"] = _config_of(given["config"], before.cron_id)
    return replace(
        before,
        schedule=schedule,
        timezone=timezone,
        end_time=end,
        payload=payload,
        metadata={**before.metadata, **(given.get("metadata") or {})},
        on_run_completed=None if before.thread_id is not None else completed,
        next_run_date=date,
        enabled=enabled and date is not None,
        updated_at=now,
    )


@routes.delete(
    "/runs/crons/{cron_id}", answers={204: Answer("The cron is deleted.")}, errors=(404,)
)
async def delete_cron(call: Call[None, None]) -> Any:
    """Delete a cron. Runs that it has started go on."""
    cron_id = _cron_id(call)
    filters = await call.authorise("crons", "delete", {"cron_id": cron_id})
    if not await call.server.do(DeleteCron(cron_id, filters)):
        raise not_found()
    call.server.crons_changed.set()
    return empty()
