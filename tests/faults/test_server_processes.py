"""Two server processes on one Postgres are one server: who asks the one is told what the other does."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.databases import open_saver

from caesura.execution.clock import clock
from caesura.records.operations import ClaimRun

from .server_process import Served, make_project, place
from .test_server_outbox import listening
from .test_server_races import answers_of, paused, post, resume, settled, unexpected
from .test_server_recovery import ended, frames_of, happened, new_thread, start, until

LONG = 600


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Served]]:
    settings = {"webhooks": {"url": {"disable_loopback": False}}}
    folder = make_project(tmp_path_factory.mktemp("processes") / "project", **settings)
    where = place("postgres")
    first, second = Served(folder, **where), Served(folder, **where)
    try:
        first.start()
        second.start()
        yield first, second
    finally:
        first.kill()
        second.kill()


class Pair:
    """A client of each; in the end their logs hold no errors, unless some are expected."""

    def __init__(self, both: tuple[Served, Served], *, fails: bool = False) -> None:
        self.first, self.second = both
        self._fails = fails
        self.a, self.b = (one.aclient() for one in both)

    async def __aenter__(self) -> Pair:
        self._before = [len(self.first.log), len(self.second.log)]
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.a.aclose()
        await self.b.aclose()
        if exc[0] is None and not self._fails:
            for one, before in zip((self.first, self.second), self._before, strict=True):
                assert unexpected(one.log[before:]) == []


async def going_on(pair: Pair, job: str, seconds: float = LONG, **more: Any) -> tuple[str, str]:
    """A thread, and a run on it that goes on in the first process."""
    thread_id = await new_thread(pair.b)
    given = {"job": job, "seconds": seconds}
    run_id = await start(pair.a, thread_id, assistant_id="staying", input=given, **more)
    await happened(pair.first, "enter", run_id)
    return thread_id, run_id


async def streamed(response: httpx.Response) -> list[tuple[str, Any]]:
    return [(f["event"], json.loads(f["data"])) for f in await frames_of(response) if "event" in f]


@pytest.mark.parametrize("resumable", [True, False], ids=["stored", "not stored"])
async def test_a_stream_joined_in_one_process_shows_what_is_stored_of_a_run_in_the_other(
    both: tuple[Served, Served], resumable: bool
) -> None:
    async with Pair(both) as pair:
        thread_id = await new_thread(pair.a)
        run_id = await start(
            pair.a,
            thread_id,
            assistant_id="stepping",
            input={"log": [], "steps": 3, "seconds": 0.2},
            stream_mode=["custom", "values"],
            stream_resumable=resumable,
        )
        path = f"/threads/{thread_id}/runs/{run_id}/stream"
        async with pair.b.stream("GET", path) as response:
            events = await streamed(response)
    log = [f"step {n}" for n in range(3)]
    assert events[-1] == ("values", {"log": log, "steps": 3, "seconds": 0.2})
    told = [data["step"] for name, data in events if name == "custom"]
    assert told == ([0, 1, 2] if resumable else [])


async def test_the_error_of_a_run_in_one_process_is_told_in_the_stream_of_the_other(
    both: tuple[Served, Served],
) -> None:
    async with Pair(both, fails=True) as pair:
        thread_id, _ = await going_on(pair, "first", 1.0)
        body = {"assistant_id": "failing", "input": {"note": "no"}}
        run_id = await start(pair.a, thread_id, **body)
        path = f"/threads/{thread_id}/runs/{run_id}/stream"
        async with pair.b.stream("GET", path) as response:
            events = await streamed(response)
        assert events[-1] == ("error", {"error": "ValueError", "message": "no"})


@pytest.mark.parametrize("action", ["interrupt", "rollback"])
async def test_a_run_is_cancelled_from_another_process(
    both: tuple[Served, Served], action: str
) -> None:
    async with Pair(both) as pair:
        thread_id, run_id = await going_on(pair, action)
        path = f"/threads/{thread_id}/runs/{run_id}"
        waiting = asyncio.create_task(pair.b.get(f"{path}/join"))
        reply = await pair.b.post(f"{path}/cancel?action={action}&wait=true")
        assert reply.status_code in (200, 202, 204), reply.text
        await waiting
        assert len(of(pair, "leave", run_id)) == 1
        now = await pair.a.get(path)
        assert now.status_code == (404 if action == "rollback" else 200)
        assert (await pair.a.get(f"/threads/{thread_id}")).json()["status"] != "busy"


def of(pair: Pair, what: str, run_id: str) -> list[Any]:
    return [e for e in pair.first.effects if e[0] == what and e[2] == run_id]


@pytest.mark.parametrize("strategy", ["reject", "enqueue", "interrupt", "rollback"])
async def test_a_run_that_meets_one_of_another_process_does_as_its_strategy_says(
    both: tuple[Served, Served], strategy: str
) -> None:
    async with Pair(both) as pair:
        seconds = 0.5 if strategy in ("reject", "enqueue") else LONG
        thread_id, run_id = await going_on(pair, "old", seconds)
        body = {"assistant_id": "staying", "input": {"job": "new", "seconds": 0.0}}
        body["multitask_strategy"] = strategy
        reply = await pair.b.post(f"/threads/{thread_id}/runs/wait", json=body)
        after = await settled(pair.a, thread_id)
        old = await pair.b.get(f"/threads/{thread_id}/runs/{run_id}")
        status = old.json().get("status") if old.status_code == 200 else None
        told = (reply.status_code, status, after["values"]["log"])
    assert (
        told
        == {
            "reject": (409, "success", ["stay old"]),
            "enqueue": (200, "success", ["stay old", "stay new"]),
            "interrupt": (200, "interrupted", ["stay new"]),
            "rollback": (200, None, ["stay new"]),
        }[strategy]
    )


async def test_of_two_who_answer_in_two_processes_one_wins(both: tuple[Served, Served]) -> None:
    async def one(pair: Pair, number: int) -> str:
        thread_id, interrupt_id = await paused(pair.a if number % 2 else pair.b)
        by_run = f"/threads/{thread_id}/runs/wait"
        replies = await asyncio.gather(
            post(pair.a, f"/interrupts/{interrupt_id}/answer", {"answer": "Ann"}),
            post(pair.b, by_run, resume({interrupt_id: "Bob"})),
        )
        assert sorted(r.status_code for r in replies) == [200, 409], [r.text for r in replies]
        winner = "Ann" if replies[0].status_code == 200 else "Bob"
        refused = next(r for r in replies if r.status_code == 409).json()
        assert refused["recorded"]["answer"] == winner
        await settled(pair.b, thread_id)
        assert answers_of(pair.first, thread_id) == [winner]
        return winner

    async with Pair(both) as pair:
        await asyncio.gather(*(one(pair, number) for number in range(10)))


async def test_a_cron_fires_and_a_webhook_is_delivered_once_with_two_processes(
    both: tuple[Served, Served],
) -> None:
    async with listening() as hooks, Pair(both) as pair:
        date = datetime.now(UTC) + timedelta(seconds=2)
        schedule = f"{date.minute} {date.hour} {date.day} {date.month} * {date.second}"
        thread_id = await new_thread(pair.b)
        body = {"assistant_id": "trivial", "schedule": schedule, "input": {"log": []}}
        body["webhook"] = f"http://127.0.0.1:{hooks.port}/"
        made = await pair.a.post(f"/threads/{thread_id}/runs/crons", json=body)
        assert made.status_code == 200, made.text
        path = f"/threads/{thread_id}/runs"
        for number in range(10):
            more = {"assistant_id": "trivial", "input": {"log": []}, "webhook": body["webhook"]}
            await (pair.a, pair.b)[number % 2].post(path, json=more)

        async def over() -> Any:
            runs = (await pair.b.get(f"{path}?limit=100")).json()
            ended = len(runs) >= 11 and all(run["status"] == "success" for run in runs)
            return runs if ended and len(hooks.got) >= len(runs) else None

        runs = await until(over)
        await until(lambda: nothing_waits(pair))
    assert len(runs) == 11, "the cron fired twice"
    assert Counter(run_id for run_id, _ in hooks.got) == {run["run_id"]: 1 for run in runs}


async def nothing_waits(pair: Pair) -> bool:
    return "\ncaesura_webhooks_waiting 0.0\n" in (await pair.a.get("/metrics")).text


async def test_a_thread_deleted_in_one_process_ends_its_run_in_the_other(
    both: tuple[Served, Served],
) -> None:
    async with Pair(both) as pair:
        thread_id, run_id = await going_on(pair, "deleted")
        joining = asyncio.create_task(pair.a.get(f"/threads/{thread_id}/runs/{run_id}/join"))
        assert (await pair.b.delete(f"/threads/{thread_id}")).status_code == 204
        await happened(pair.first, "leave", run_id)
        assert (await joining).status_code == 200
        assert (await pair.a.get(f"/threads/{thread_id}")).status_code == 404


async def test_runs_of_a_process_that_was_killed_are_taken_over_by_the_other(
    both: tuple[Served, Served],
) -> None:
    async with Pair(both) as pair:
        thread_id = await new_thread(pair.b)
        given = {"log": [], "steps": 4, "seconds": 0.3}
        run_id = await start(pair.a, thread_id, assistant_id="stepping", input=given)
        joining = asyncio.create_task(pair.b.get(f"/threads/{thread_id}/runs/{run_id}/join"))
        await happened(pair.first, "step", run_id, 2)
        pair.first.kill()
        assert (await joining).json()["log"] == [f"step {n}" for n in range(4)]
        await asyncio.to_thread(pair.first.start)
    steps = Counter(e[4] for e in pair.first.effects if e[0] == "step" and e[2] == run_id)
    assert (set(steps), sum(steps.values()) <= 5) == ({0, 1, 2, 3}, True), steps


async def test_a_worker_on_another_host_loses_its_run_when_its_lease_ends(
    both: tuple[Served, Served],
) -> None:
    """The other worker is this test: it claims a run, and is not heard of again."""
    async with Pair(both) as pair:
        thread_id = await new_thread(pair.a)
        later = {"assistant_id": "trivial", "input": {"log": []}, "after_seconds": 1}
        run_id = await start(pair.a, thread_id, **later)
        with closing(open_saver(pair.first.database)) as database:
            now = clock()
            due, leased = now.epoch() + 2, now.epoch() + 3
            claim = ClaimRun("elsewhere|1|x", due, now.now(), leased, thread_id)
            assert database.execute(claim).run_id == run_id
        joined = await pair.b.get(f"/threads/{thread_id}/runs/{run_id}/join")
        assert joined.json() == {"log": ["said"]}
        run = await ended(pair.a, thread_id, run_id)
        assert run["status"] == "success"
