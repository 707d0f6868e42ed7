"""Crons: their dates, which are pure, and their routes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.unit.serving import HeldClock, Served, held, served

from caesura.server.assistants import system_id
from caesura.server.crons import check_schedule, check_timezone, moment, next_date
from caesura.server.http.problems import Problem

NEW_YORK = "America/New_York"
NOWHERE = "0b3e500c-d36b-4c8c-b248-33dbcba62848"


# --- dates -------------------------------------------------------------------------------------


def dates(schedule: str, timezone: str | None, after: str, count: int) -> list[str | None]:
    found: list[str | None] = []
    for _ in range(count):
        after = next_date(schedule, timezone, after) or ""
        found.append(after and after.removesuffix(":00+00:00"))
    return found


def test_a_schedule_is_read_in_its_time_zone() -> None:
    assert dates("0 9 * * *", NEW_YORK, "2026-11-21T02:07:25+00:00", 1) == ["2026-11-21T14:00"]
    assert dates("0 9 * * *", None, "2026-11-21T02:07:25+00:00", 1) == ["2026-11-21T09:00"]


def test_the_sixth_field_is_seconds() -> None:
    after = "2026-11-21T00:00:00.500000+00:00"
    assert next_date("* * * * * */20", None, after) == "2026-11-21T00:00:20+00:00"


def test_a_date_is_always_later_than_the_one_before() -> None:
    date = "2026-11-21T09:00:00+00:00"
    assert next_date("0 9 * * *", None, date) == "2026-11-22T09:00:00+00:00"


def test_a_fixed_hour_fires_once_when_clocks_are_set_back() -> None:
    assert dates("30 1 * * *", NEW_YORK, "2026-10-31T12:00:00+00:00", 2) == [
        "2026-11-01T05:30",
        "2026-11-02T06:30",
    ]


def test_every_half_hour_stays_every_half_hour_when_clocks_are_set_back() -> None:
    assert dates("*/30 * * * *", NEW_YORK, "2026-11-01T05:15:00+00:00", 4) == [
        "2026-11-01T05:30",
        "2026-11-01T06:00",
        "2026-11-01T06:30",
        "2026-11-01T07:00",
    ]


def test_what_falls_into_the_gap_fires_right_after_it() -> None:
    assert dates("30 2 * * *", NEW_YORK, "2026-03-07T12:00:00+00:00", 2) == [
        "2026-03-08T07:00",
        "2026-03-09T06:30",
    ]


def test_there_is_no_date_behind_the_end() -> None:
    after, end = "2026-11-21T00:00:00+00:00", "2026-11-21T09:00:00+00:00"
    assert next_date("0 9 * * *", None, after, end) == end
    assert next_date("1 9 * * *", None, after, end) is None


@pytest.mark.parametrize(
    "schedule",
    ["zzz", "", "* * * *", "60 * * * *", "0 0 30 2 *", "R * * * *", "H H * * *", "@reboot",
     "0 0 1 1 * 0 2030", "\x00 * * * *", "*/0 * * * *"],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(schedule: str) -> None:
    with pytest.raises(Problem, match=r"^Invalid cron schedule: ") as refused:
        check_schedule(schedule)
    assert refused.value.status == 422


@pytest.mark.parametrize("schedule", ["*/5 * * * *", "* * * * * *", "@daily", "0 9 * * MON-FRI"])
def test_schedules_are_taken(schedule: str) -> None:
    check_schedule(schedule)


@pytest.mark.parametrize("name", ["Nope/Zone", "", "../etc/passwd", "a\x00b", "x" * 300])
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(Problem, match=r"^Invalid timezone: "):
        check_timezone(name)


def test_times_are_stored_as_utc() -> None:
    assert moment("2030-01-01T00:00:00Z") == "2030-01-01T00:00:00+00:00"
    assert moment("2030-01-01T02:00:00+02:00") == "2030-01-01T00:00:00+00:00"
    for wrong in ("zzz", "", "0001-01-01T00:00:00+14:00"):
        with pytest.raises(Problem, match=r"^Invalid end_time: "):
            moment(wrong)


# --- routes ------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> Any:
    with held("2026-11-21T02:07:25+00:00") as clock:
        yield clock


@pytest_asyncio.fixture
async def api(tmp_path: Path, clock: HeldClock) -> AsyncIterator[Served]:
    async with served(tmp_path) as found:
        yield found


async def make(api: Served, **body: Any) -> Any:
    given = {"assistant_id": "agent", "schedule": "0 9 * * *", **body}
    return await api.json("POST", "/runs/crons", given)


async def test_a_cron_keeps_what_was_sent_and_knows_its_next_date(api: Served) -> None:
    body = {"input": {"topic": "c"}, "metadata": {"cm": 1}, "timezone": NEW_YORK}
    cron = await make(api, **body)
    assert cron["next_run_date"] == "2026-11-21T14:00:00+00:00"
    assert cron["payload"] == {
        **body,
        "assistant_id": system_id("agent"),
        "schedule": "0 9 * * *",
        "config": {"configurable": {"cron_id": cron["cron_id"]}},
    }
    assert (cron["enabled"], cron["on_run_completed"], cron["thread_id"]) == (True, "delete", None)
    assert (cron["metadata"], cron["end_time"], cron["user_id"]) == ({"cm": 1}, None, "")
    assert await api.json("GET", f"/runs/crons/{cron['cron_id']}") == cron


async def test_a_cron_on_a_thread_needs_the_thread(api: Served) -> None:
    thread = await api.json("POST", "/threads", {})
    body = {"assistant_id": "agent", "schedule": "*/5 * * * *", "multitask_strategy": "enqueue"}
    cron = await api.json("POST", f"/threads/{thread['thread_id']}/runs/crons", body)
    assert cron["thread_id"] == thread["thread_id"]
    assert cron["on_run_completed"] is None
    assert cron["next_run_date"] == "2026-11-21T02:10:00+00:00"
    missing = await api.json("POST", f"/threads/{NOWHERE}/runs/crons", body, status=404)
    assert missing["detail"].startswith(f"Thread with ID '{NOWHERE}' not found.")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"schedule": "zzz"}, 422),
        ({"schedule": None}, 422),
        ({"timezone": "Nope/Zone"}, 422),
        ({"end_time": "soon"}, 422),
        ({"end_time": "2020-01-01T00:00:00Z"}, 422),
        ({"webhook": "http://127.0.0.1/x"}, 422),
        ({"config": {"configurable": 3}}, 422),
        ({"config": {"configurable": {"a": 1}}, "context": {"b": 2}}, 400),
        ({"assistant_id": "nope"}, 404),
        ({"assistant_id": NOWHERE}, 404),
    ],
)
async def test_a_cron_that_could_not_run_is_refused(
    api: Served, change: dict[str, Any], status: int
) -> None:
    body = {"assistant_id": "agent", "schedule": "0 9 * * *", **change}
    await api.json("POST", "/runs/crons", body, status=status)
    assert await api.json("POST", "/runs/crons/count", {}) == 0


async def test_a_change_computes_the_next_date_anew_and_merges_metadata(api: Served) -> None:
    cron = await make(api, metadata={"cm": 1}, timezone=NEW_YORK)
    path = f"/runs/crons/{cron['cron_id']}"
    changes = {"enabled": False, "schedule": "0 10 * * *", "metadata": {"z": 2}}
    changed = await api.json("PATCH", path, changes)
    assert changed["next_run_date"] == "2026-11-21T15:00:00+00:00"
    assert changed["metadata"] == {"cm": 1, "z": 2}
    assert changed["payload"]["metadata"] == {"z": 2}
    assert changed["enabled"] is False
    again = await api.json("PATCH", path, {"enabled": True, "input": {"topic": "new"}})
    assert (again["enabled"], again["payload"]["input"]) == (True, {"topic": "new"})
    assert again["payload"]["config"] == cron["payload"]["config"]


async def test_an_end_that_has_passed_disables_and_null_takes_it_away(api: Served) -> None:
    cron = await make(api, end_time="2026-12-01T00:00:00Z")
    path = f"/runs/crons/{cron['cron_id']}"
    ended = await api.json("PATCH", path, {"end_time": "2026-11-21T01:00:00+00:00"})
    assert (ended["enabled"], ended["next_run_date"]) == (False, None)
    opened = await api.json("PATCH", path, {"end_time": None, "enabled": True})
    assert (opened["enabled"], opened["end_time"]) == (True, None)
    assert opened["next_run_date"] == cron["next_run_date"]


async def test_crons_are_found_and_counted(api: Served) -> None:
    first = await make(api)
    second = await make(api, assistant_id="asking", enabled=False, schedule="0 3 * * *")
    found = await api.json("POST", "/runs/crons/search", {"enabled": False})
    assert [c["cron_id"] for c in found] == [second["cron_id"]]
    body = {"sort_by": "next_run_date", "sort_order": "asc", "select": ["schedule"], "limit": 1}
    page = await api("POST", "/runs/crons/search", body)
    assert page.json() == [{"schedule": "0 3 * * *"}]
    assert page.headers["x-pagination-next"] == "1"
    by_assistant = {"assistant_id": first["assistant_id"]}
    assert await api.json("POST", "/runs/crons/count", by_assistant) == 1
    await api.json("POST", "/runs/crons/search", {"assistant_id": "agent"}, status=422)


async def test_a_deleted_cron_is_gone(api: Served) -> None:
    path = f"/runs/crons/{(await make(api))['cron_id']}"
    await api.json("DELETE", path, status=204)
    await api.json("DELETE", path, status=404)
    await api.json("GET", path, status=404)
    missing = await api.json("PATCH", path, {"enabled": False}, status=404)
    assert missing["detail"] == f"Cron '{path.rpartition('/')[2]}' not found"
