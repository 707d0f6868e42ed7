"""Leases outlast a database that is away and clocks that are wrong by hours.

A server in this process; the other host is this test, with a name and a clock of its own. Time passes
when the test says so: a second at a time, in which the server looks around, and all who live extend what
they hold as often as they do.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from psycopg.conninfo import conninfo_to_dict
from tests.databases import fresh_schema, new_database, postgres_url
from tests.unit.serving import HeldClock, Served, held, served

from caesura.records.operations import ClaimRun, ExtendLeases, FinishRun, GetRun
from caesura.records.shapes import Run
from caesura.server.running.watch import Watch
from caesura.server.running.workers import LEASE_SECONDS

from .test_connections import Proxy

HOURS = 5
LONG = 60  # seconds: several leases
EXTENDS_EVERY = 2
PATIENCE = 20.0

PROJECT = """
import asyncio
from pathlib import Path
from typing import TypedDict
from caesura.graph import StateGraph

HERE = Path(__file__).parent

class State(TypedDict, total=False):
    log: list[str]

async def works(state: State) -> State:
    with (HERE / "effects").open("a") as file:
        file.write("begun\\n")
    while not (HERE / "go").exists():
        await asyncio.sleep(0.005)
    return {"log": ["done"]}

builder = StateGraph(State)
builder.add_node("works", works)
builder.add_edge("__start__", "works")
agent = asking = outer = builder.compile()
"""


class SetClock(HeldClock):
    """Time passes for both; what the clock on the wall says can be set."""

    passed = 1000.0

    def ticks(self) -> float:
        return self.passed

    def second(self) -> None:
        self.passed += 1
        self.move(seconds=1)


@pytest.fixture
def clock() -> Iterator[SetClock]:
    with held("2026-11-21T12:00:00+00:00", SetClock) as clock:
        assert isinstance(clock, SetClock)
        yield clock


class Host:
    """Another host: it claims a run, and extends its lease by its own clock."""

    name = "elsewhere|1|x"

    def __init__(self, database: Any, clock: SetClock, ahead: float) -> None:
        self._database, self._clock, self._ahead = database, clock, ahead
        self._started = clock.epoch() - clock.ticks()
        self.run: Run | None = None

    @property
    def _until(self) -> float:
        return self._started + self._clock.ticks() + self._ahead + LEASE_SECONDS

    def claim(self, thread_id: str, due: float) -> None:
        claim = ClaimRun(self.name, due, self._clock.now(), self._until, thread_id)
        self.run = self._database.execute(claim)
        assert self.run is not None

    def extend(self) -> None:
        assert self.run is not None
        ours = [self.run.run_id]
        found = self._database.execute(ExtendLeases(self.name, self._until, ours))
        assert [run_id for run_id, _ in found] == ours, "its run was taken from it"

    def finish(self) -> None:
        assert self.run is not None
        ended = FinishRun(self.run, self._clock.now(), "success", "idle")
        assert self._database.execute(ended) is not None, "its run was taken from it"


async def pass_time(
    api: Served, clock: SetClock, seconds: int, *others: Callable[[], None]
) -> None:
    """Let the server and others live for so long; `others` are called as often as leases are extended."""
    workers: Any = api.server.dispatcher
    for second in range(seconds):
        clock.second()
        if second % EXTENDS_EVERY == 0:
            if workers.busy[0]:
                await asyncio.to_thread(workers.extend)
            for other in others:
                await asyncio.to_thread(other)
        await workers._go_round()


async def begun(folder: Path, times: int = 1) -> None:
    """Until the node has begun so often."""
    file = folder / "effects"
    async with asyncio.timeout(PATIENCE):
        while not file.exists() or len(file.read_text().splitlines()) < times:
            await asyncio.sleep(0.005)


async def going_on(api: Served, folder: Path) -> tuple[str, str]:
    """A thread, and a run of it that this server has begun."""
    thread_id = (await api.json("POST", "/threads", {}))["thread_id"]
    body = {"assistant_id": "agent", "input": {"log": []}}
    run = await api.json("POST", f"/threads/{thread_id}/runs", body)
    await begun(folder)
    return thread_id, run["run_id"]


async def check_done_once(api: Served, folder: Path, thread_id: str, run_id: str) -> None:
    """It ends, in its first attempt, without having been begun twice."""
    (folder / "go").touch()
    joined = await api.json("GET", f"/threads/{thread_id}/runs/{run_id}/join")
    assert joined == {"log": ["done"]}
    run = await api.server.do(GetRun(run_id))
    assert (run.status, run.attempt) == ("success", 1)
    assert (folder / "effects").read_text().splitlines() == ["begun"]


# --- the database is away ------------------------------------------------------------------------


class Away:
    """A database that can be out of reach: a file that somebody has locked, a server behind a proxy."""

    def __init__(self, name: str, away: Callable[[], None], back: Callable[[], None]) -> None:
        self.name, self.away, self.back = name, away, back


@contextmanager
def sqlite_away(folder: Path) -> Iterator[Away]:
    name = str(folder / "data.sqlite")
    with closing(sqlite3.connect(name, isolation_level=None, check_same_thread=False)) as other:
        yield Away(
            name, lambda: other.execute("BEGIN IMMEDIATE"), lambda: other.execute("ROLLBACK")
        )


@contextmanager
def postgres_away(folder: Path) -> Iterator[Away]:
    with closing(Proxy(postgres_url())) as proxy, fresh_schema() as schema:
        proxy._answered = threading.Event()
        parts = conninfo_to_dict(proxy.url)
        user, port, name = parts.get("user", ""), parts["port"], parts.get("dbname", "")

        def refuse() -> None:
            proxy.refuses = True
            proxy.cut()

        def let_in() -> None:
            proxy.refuses = False

        url = f"postgresql://{user}@127.0.0.1:{port}/{name}?schema={schema}"
        yield Away(url, refuse, let_in)


@pytest.mark.parametrize("place", [sqlite_away, postgres_away], ids=["sqlite", "postgres"])
async def test_a_worker_keeps_its_runs_though_it_could_not_extend_them_for_longer_than_a_lease(
    place: Any, clock: SetClock, tmp_path: Path
) -> None:
    with place(tmp_path) as database:
        async with served(tmp_path, project=PROJECT, database=database.name) as api:
            thread_id, run_id = await going_on(api, tmp_path)
            database.away()
            for _ in range(LONG):
                clock.second()
            database.back()
            await pass_time(api, clock, LONG)
            await check_done_once(api, tmp_path, thread_id, run_id)


# --- clocks --------------------------------------------------------------------------------------


@pytest_asyncio.fixture(params=["sqlite", "postgres"])
async def api(
    request: pytest.FixtureRequest, tmp_path: Path, clock: SetClock
) -> AsyncIterator[Served]:
    with new_database(request.param, tmp_path) as name:
        async with served(tmp_path, project=PROJECT, database=name) as found:
            yield found


@pytest.mark.parametrize("hours", [HOURS, -HOURS])
async def test_a_server_whose_clock_is_set_by_hours_keeps_its_runs_and_does_them_once(
    hours: int, api: Served, clock: SetClock, tmp_path: Path
) -> None:
    thread_id, run_id = await going_on(api, tmp_path)
    clock.move(hours=hours)
    await pass_time(api, clock, LONG)
    await check_done_once(api, tmp_path, thread_id, run_id)


async def held_elsewhere(api: Served, host: Host, clock: SetClock) -> str:
    """A thread with a run that the other host has claimed."""
    thread_id: str = (await api.json("POST", "/threads", {}))["thread_id"]
    later = {"assistant_id": "agent", "input": {"log": []}, "after_seconds": 3600 * 24}
    await api.json("POST", f"/threads/{thread_id}/runs", later)
    host.claim(thread_id, clock.epoch() + 3600 * 48)
    return thread_id


@pytest.mark.parametrize("set_by", [0, HOURS, -HOURS])
@pytest.mark.parametrize("ahead", [0, HOURS, -HOURS])
async def test_a_run_of_another_host_is_its_own_while_it_lives_whatever_the_clocks_say(
    ahead: int, set_by: int, api: Served, clock: SetClock, database: Any, tmp_path: Path
) -> None:
    host = Host(database, clock, ahead * 3600)
    await held_elsewhere(api, host, clock)
    clock.move(hours=set_by)
    await pass_time(api, clock, LONG, host.extend)
    host.finish()
    assert not (tmp_path / "effects").exists()


@pytest.mark.parametrize("ahead", [0, HOURS, -HOURS])
async def test_a_run_of_a_host_that_died_is_taken_over_whatever_its_clock_said(
    ahead: int, api: Served, clock: SetClock, database: Any, tmp_path: Path
) -> None:
    host = Host(database, clock, ahead * 3600)
    await held_elsewhere(api, host, clock)
    await pass_time(api, clock, LONG, host.extend)
    assert host.run is not None
    await pass_time(api, clock, int(LEASE_SECONDS) + 1)
    assert (await api.server.do(GetRun(host.run.run_id))).worker != host.name


@pytest.fixture
def database(api: Served) -> Any:
    """What the other host stores its leases in: the server's own."""
    return api.server.database


# --- the rule ------------------------------------------------------------------------------------


def test_a_lease_ends_when_it_stood_still_for_its_length_while_somebody_looked() -> None:
    watch, lease = Watch(15, 5), ("w", 100.0)
    assert [watch.ended([lease], now) for now in (0, 5, 10)] == [[], [], []]
    assert watch.ended([lease, ("v", 1.0)], 15) == [lease]
    assert watch.ended([("w", 90.0), ("v", 1.0)], 20) == []


def test_time_in_which_nobody_could_look_counts_as_one_look() -> None:
    watch, lease = Watch(15, 5), ("w", 100.0)
    assert [watch.ended([lease], now) for now in (0, 3600, 3605)] == [[], [], []]
    assert watch.ended([lease], 3610) == [lease]
