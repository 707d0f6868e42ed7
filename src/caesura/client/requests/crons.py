"""Requests of ``client.crons``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from caesura.client.requests import Request, call, given, json_body, keyed, nothing, path
from caesura.client.requests.runs import settings_body
from caesura.client.shapes import (
    Cron,
    CronChanges,
    CronOptions,
    CronSettings,
    CronSortBy,
    Headers,
    Json,
    Params,
    SortOrder,
)


def _body(options: Mapping[str, Any], takes: type) -> dict[str, Any]:
    body = settings_body(options, takes)
    zone = body.get("timezone")
    if zone is not None and not isinstance(zone, str):
        if getattr(zone, "key", None) is None:
            raise ValueError(
                f"timezone {zone!r} has no IANA name. Pass the name, or a zoneinfo.ZoneInfo."
            )
        body["timezone"] = zone.key
    return body


def create(assistant_id: str, *, schedule: str, **options: Unpack[CronOptions]) -> Request[Cron]:
    """Start a run on a new thread whenever ``schedule``, a cron expression, says so."""
    body = {**_body(options, CronOptions), "assistant_id": assistant_id, "schedule": schedule}
    headers = keyed(options.get("headers"))
    return call(
        "POST", "/runs/crons", json_body, body, headers=headers, params=options.get("params")
    )


def create_for_thread(
    thread_id: str, assistant_id: str, *, schedule: str, **options: Unpack[CronSettings]
) -> Request[Cron]:
    """As `create`, always on this thread."""
    body = {**_body(options, CronSettings), "assistant_id": assistant_id, "schedule": schedule}
    where, headers = path("/threads/{}/runs/crons", thread_id), keyed(options.get("headers"))
    return call("POST", where, json_body, body, headers=headers, params=options.get("params"))


def update(cron_id: str, **changes: Unpack[CronChanges]) -> Request[Cron]:
    """Change what is given; ``end_time=None`` clears the end."""
    body = _body(changes, CronChanges)
    if "end_time" in changes:
        body["end_time"] = changes["end_time"]
    where, params = path("/runs/crons/{}", cron_id), changes.get("params")
    return call("PATCH", where, json_body, body, headers=changes.get("headers"), params=params)


def delete(cron_id: str, *, headers: Headers = None, params: Params = None) -> Request[None]:
    """Delete it; runs it has started go on."""
    where = path("/runs/crons/{}", cron_id)
    return call("DELETE", where, nothing, headers=headers, params=params)


def search(
    *,
    assistant_id: str | None = None,
    thread_id: str | None = None,
    enabled: bool | None = None,
    metadata: Json = None,
    limit: int = 10,
    offset: int = 0,
    sort_by: CronSortBy | None = None,
    sort_order: SortOrder | None = None,
    select: Sequence[str] | None = None,
    headers: Headers = None,
    params: Params = None,
) -> Request[list[Cron]]:
    """The crons that match."""
    body = given(
        assistant_id=assistant_id, thread_id=thread_id, enabled=enabled, metadata=metadata,
        limit=limit, offset=offset, sort_by=sort_by, sort_order=sort_order, select=select,
    )  # fmt: skip
    return call("POST", "/runs/crons/search", json_body, body, headers=headers, params=params)


def count(
    *,
    assistant_id: str | None = None,
    thread_id: str | None = None,
    metadata: Json = None,
    headers: Headers = None,
    params: Params = None,
) -> Request[int]:
    """How many crons match."""
    body = given(assistant_id=assistant_id, thread_id=thread_id, metadata=metadata)
    return call("POST", "/runs/crons/count", json_body, body, headers=headers, params=params)
