"""What the server does by itself: crons are fired, the expired is swept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.unit.serving import HeldClock, Served, held, served

from caesura.checkpoint.operations import Load
from caesura.errors import StorageError
from caesura.records.operations import (
    AcceptRun,
    AdvanceCron,
    AppendEvents,
    FindRuns,
    GetCron,
    GetThread,
    ReadEvents,
    UpdateThread,
)
from caesura.records.shapes import Run, Ttl
from caesura.server.running import duties
from caesura.server.running.duties import (
    Duties,
    fire_due_crons,
    sweep_events,
    sweep_store,
    sweep_threads,
)

START = "2026-11-21T02:07:25+00:00"


class NoDuties(Duties):
    """Duties are done by the tests themselves here."""

    def start(self) -> None:
        """Nothing."""


@pytest.fixture
def clock() -> Any:
    with held(START) as clock:
        yield clock


@pytest_asyncio.fixture
async def api(
    tmp_path: Path, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Served]:
    monkeypatch.setattr("caesura.server.services.Duties", NoDuties)
    async with served(tmp_path) as found:
        yield found


async def make(api: Served, **body: Any) -> Any:
    given = {"assistant_id": "agent", "schedule": "*/5 * * * *", "on_run_completed": "keep"}
    return await api.json("POST", "/runs/crons", {**given, **body})


async def runs(api: Served) -> list[Run]:
    found: list[Run] = await api.server.do(FindRuns(limit=None))
    return found


async def ended(api: Served) -> list[Run]:
    """All runs, once none goes on."""
    while any(run.status in ("pending", "running") for run in await runs(api)):
        await asyncio.sleep(0)
    return await runs(api)


async def cron_of(api: Served, cron: Any) -> Any:
    return await api.json("GET", f"/runs/crons/{cron['cron_id']}")


# --- crons -------------------------------------------------------------------------------------


async def test_a_cron_fires_when_its_date_has_come_and_not_before(
    api: Served, clock: HeldClock
) -> None:
    cron = await make(api, input={"topic": "c"}, metadata={"cm": 1})
    clock.move(minutes=2)
    assert await fire_due_crons(api.server) == 0
    clock.move(minutes=1)
    assert await fire_due_crons(api.server) == 1
    (run,) = await ended(api)
    assert (run.status, run.metadata["cm"], run.kwargs["input"]) == ("success", 1, {"topic": "c"})
    assert run.kwargs["config"]["configurable"]["cron_id"] == cron["cron_id"]
    assert (await cron_of(api, cron))["next_run_date"] == "2026-11-21T02:15:00+00:00"
    assert await fire_due_crons(api.server) == 0


async def test_dates_missed_while_the_server_was_down_are_made_up_for_once(
    api: Served, clock: HeldClock
) -> None:
    cron = await make(api)
    clock.move(hours=7)
    assert await fire_due_crons(api.server) == 1
    assert len(await ended(api)) == 1
    assert (await cron_of(api, cron))["next_run_date"] == "2026-11-21T09:10:00+00:00"


async def test_of_several_who_see_a_date_one_fires(api: Served, clock: HeldClock) -> None:
    await make(api)
    clock.move(minutes=5)
    fired = await asyncio.gather(*(fire_due_crons(api.server) for _ in range(8)))
    assert sum(fired) == 1
    assert len(await ended(api)) == 1


async def test_a_cron_is_over_at_its_end(api: Served, clock: HeldClock) -> None:
    cron = await make(api, end_time="2026-11-21T02:12:00+00:00")
    clock.move(minutes=4)
    assert await fire_due_crons(api.server) == 1
    over = await cron_of(api, cron)
    assert (over["enabled"], over["next_run_date"]) == (False, None)
    clock.move(minutes=10)
    assert await fire_due_crons(api.server) == 0


async def test_a_date_behind_the_end_is_not_fired_late(api: Served, clock: HeldClock) -> None:
    cron = await make(api, end_time="2026-11-21T02:12:00+00:00")
    await api.server.do(
        AdvanceCron(cron["cron_id"], cron["next_run_date"], "2026-11-21T02:15:00+00:00")
    )
    clock.move(minutes=30)
    assert await fire_due_crons(api.server) == 0
    assert (await cron_of(api, cron))["enabled"] is False


async def test_a_disabled_cron_does_not_fire(api: Served, clock: HeldClock) -> None:
    await make(api, enabled=False)
    clock.move(minutes=10)
    assert await fire_due_crons(api.server) == 0


async def test_a_refused_run_does_not_keep_other_crons_from_firing(
    api: Served, clock: HeldClock
) -> None:
    thread = await api.json("POST", "/threads", {})
    body = {"assistant_id": "agent", "schedule": "*/5 * * * *"}
    await api.json("POST", f"/threads/{thread['thread_id']}/runs/crons", body)
    await make(api)
    start, refused = api.server.runs.start_for_cron, []

    async def start_but_one(cron: Any, fires: Any) -> Run:
        if cron.thread_id is not None:
            refused.append(cron.cron_id)
            raise RuntimeError("refused")
        return await start(cron, fires)

    api.server.runs.start_for_cron = start_but_one  # type: ignore[method-assign]
    clock.move(minutes=5)
    assert await fire_due_crons(api.server) == 2
    assert len(refused) == 1
    assert len(await ended(api)) == 1


class Stopped(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("stored", [False, True], ids=["before it is stored", "after"])
@pytest.mark.parametrize("on_thread", [False, True], ids=["stateless", "on a thread"])
async def test_a_stop_while_a_cron_fires_neither_loses_nor_doubles_the_date(
    api: Served, clock: HeldClock, monkeypatch: pytest.MonkeyPatch, stored: bool, on_thread: bool
) -> None:
    if on_thread:
        thread = await api.json("POST", "/threads", {})
        body = {"assistant_id": "agent", "schedule": "*/5 * * * *"}
        path = f"/threads/{thread['thread_id']}/runs/crons"
        cron = await api.json("POST", path, body)
    else:
        cron = await make(api)
    clock.move(minutes=5)
    perform = api.server.database.aexecute

    async def stopping(operation: Any) -> Any:
        if isinstance(operation, AcceptRun):
            if stored:
                await perform(operation)
            raise Stopped
        return await perform(operation)

    with monkeypatch.context() as patch:
        patch.setattr(api.server.database, "aexecute", stopping)
        with pytest.raises(Stopped):
            await fire_due_crons(api.server)
    assert len(await runs(api)) == stored
    assert await fire_due_crons(api.server) == (not stored)
    assert len(await runs(api)) == 1
    assert (await cron_of(api, cron))["next_run_date"] == "2026-11-21T02:15:00+00:00"


async def test_a_cron_whose_run_could_not_be_stored_is_due_still(
    api: Served, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(api)
    clock.move(minutes=5)
    perform = api.server.database.aexecute

    async def full(operation: Any) -> Any:
        if isinstance(operation, AcceptRun):
            raise StorageError("no space left")
        return await perform(operation)

    with monkeypatch.context() as patch:
        patch.setattr(api.server.database, "aexecute", full)
        assert await fire_due_crons(api.server) == 0
    assert await fire_due_crons(api.server) == 1


async def test_a_cron_that_is_disabled_as_it_is_about_to_fire_does_not(
    api: Served, clock: HeldClock
) -> None:
    cron = await make(api)
    stored = await api.server.do(GetCron(cron["cron_id"]))
    await api.json("PATCH", f"/runs/crons/{cron['cron_id']}", {"enabled": False})
    clock.move(minutes=5)
    assert not await duties.fire(api.server, stored, clock.now())
    assert not await runs(api)


async def test_a_change_at_the_very_moment_a_cron_is_due_neither_loses_nor_doubles_the_date(
    api: Served, clock: HeldClock
) -> None:
    cron = await make(api)
    clock.move(minutes=5)
    path = f"/runs/crons/{cron['cron_id']}"
    await asyncio.gather(
        fire_due_crons(api.server),
        api.json("PATCH", path, {"metadata": {"a": 1}}),
        api.json("PATCH", path, {"metadata": {"b": 1}}),
        fire_due_crons(api.server),
    )
    assert len(await ended(api)) == 1
    assert (await cron_of(api, cron))["metadata"] == {"a": 1, "b": 1}


async def test_a_cron_that_fires_while_it_is_being_changed_fires_once(
    api: Served, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cron = await make(api)
    clock.move(minutes=5)
    perform, fired = api.server.database.aexecute, []

    async def interposed(operation: Any) -> Any:
        result = await perform(operation)
        if isinstance(operation, GetCron) and not fired:
            fired.append(operation)
            assert await fire_due_crons(api.server) == 1
        return result

    monkeypatch.setattr(api.server.database, "aexecute", interposed)
    path = f"/runs/crons/{cron['cron_id']}"
    changed = await api.json("PATCH", path, {"metadata": {"a": 1}})
    assert fired
    assert changed["metadata"] == {"a": 1}
    assert len(await ended(api)) == 1


async def test_a_cron_keeps_its_context_and_its_id(api: Served, clock: HeldClock) -> None:
    cron = await make(api, context={"user": "u"})
    clock.move(minutes=5)
    await fire_due_crons(api.server)
    (run,) = await ended(api)
    assert run.kwargs["context"]["user"] == "u"
    assert run.kwargs["config"]["configurable"]["cron_id"] == cron["cron_id"]


async def test_whoever_waits_for_the_next_date_looks_once_for_each_change(
    api: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    async def count(server: Any) -> int:
        looks.append(1)
        return 0

    async def later(server: Any) -> float:
        return 3600.0

    monkeypatch.setattr(duties, "fire_due_crons", count)
    monkeypatch.setattr(duties, "_until_next", later)
    working = Duties(api.server)
    working.start()
    for _ in range(3):
        api.server.crons_changed.set()
        for _ in range(50):
            await asyncio.sleep(0)
    await working.stop()
    assert len(looks) == 3


async def test_a_new_cron_wakes_whoever_waits_for_the_next_date(
    api: Served, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    async def look(server: Any) -> int:
        looks.append(1)
        return await fire_due_crons(server)

    monkeypatch.setattr(duties, "fire_due_crons", look)
    monkeypatch.setattr(duties, "LOOK_SECONDS", 3600.0)
    working = Duties(api.server)
    working.start()
    async with asyncio.timeout(20):
        await until(lambda: len(looks) == 1)
        await make(api)
        await until(lambda: len(looks) == 2)
        clock.move(minutes=5)
        assert not await runs(api)
        await make(api, schedule="0 0 1 1 *")
        while not await runs(api):
            await asyncio.sleep(0)
    await working.stop()


async def until(condition: Callable[[], bool]) -> None:
    """Let the others go on until it holds."""
    while not condition():
        await asyncio.sleep(0)


# --- sweeping ----------------------------------------------------------------------------------


async def thread_with_run(api: Served, graph: str = "agent", **ttl: Any) -> str:
    body = {"ttl": {"ttl": 10, **ttl}}
    thread_id: str = (await api.json("POST", "/threads", body))["thread_id"]
    run = {"assistant_id": graph, "input": {"topic": "x"}}
    await api.json("POST", f"/threads/{thread_id}/runs/wait", run)
    return thread_id


async def test_an_expired_thread_is_deleted(api: Served, clock: HeldClock) -> None:
    expired, lasting = await thread_with_run(api), await thread_with_run(api, ttl=60)
    clock.move(minutes=9)
    assert await sweep_threads(api.server) == 0
    clock.move(minutes=2)
    assert await sweep_threads(api.server) == 1
    await api.json("GET", f"/threads/{expired}", status=404)
    await api.json("GET", f"/threads/{lasting}")


async def test_an_expired_thread_that_waits_for_a_person_stays(
    api: Served, clock: HeldClock
) -> None:
    waiting = await thread_with_run(api, "asking")
    clock.move(days=30)
    assert await sweep_threads(api.server) == 0
    assert (await api.json("GET", f"/threads/{waiting}"))["status"] == "interrupted"


async def test_a_thread_that_is_used_as_it_is_swept_stays(
    api: Served, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep is slow: it has found the thread expired when a run is accepted, whose question waits."""
    thread_id = await thread_with_run(api)
    remove = api.server.threads.remove

    async def slow(thread_id: str, *args: Any, **more: Any) -> bool:
        run = {"assistant_id": "asking", "input": {"topic": "x"}}
        await api.json("POST", f"/threads/{thread_id}/runs/wait", run)
        return await remove(thread_id, *args, **more)

    monkeypatch.setattr(api.server.threads, "remove", slow)
    clock.move(minutes=11)
    assert await sweep_threads(api.server) == 0
    assert (await api.json("GET", f"/threads/{thread_id}"))["status"] == "interrupted"


async def test_keep_latest_keeps_the_newest_state_and_is_due_again_later(
    api: Served, clock: HeldClock
) -> None:
    thread_id = await thread_with_run(api, strategy="keep_latest")
    history = f"/threads/{thread_id}/history?limit=10"
    assert len(await api.json("GET", history)) > 1
    clock.move(minutes=11)
    assert await sweep_threads(api.server) == 1
    assert len(await api.json("GET", history)) == 1
    assert (await api.json("GET", f"/threads/{thread_id}"))["values"]["log"] == ["one"]
    assert await sweep_threads(api.server) == 0


async def test_one_thread_that_cannot_be_swept_does_not_keep_the_others(
    api: Served, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = await thread_with_run(api), await thread_with_run(api)
    remove = api.server.threads.remove

    async def broken(thread_id: str, filters: Any, **more: Any) -> bool:
        if thread_id == bad:
            raise OSError("disk")
        return await remove(thread_id, filters, **more)

    monkeypatch.setattr(api.server.threads, "remove", broken)
    clock.move(minutes=11)
    assert await sweep_threads(api.server) == 1
    assert await api.server.do(GetThread(good)) is None
    assert await api.server.do(GetThread(bad)) is not None
    assert await api.server.do(Load(bad, "")) is not None


async def test_events_are_swept_when_they_can_no_longer_be_replayed(
    api: Served, clock: HeldClock
) -> None:
    thread_id = await thread_with_run(api)
    (run,) = await ended(api)
    told = [("run", "1-0", "values", b"{}")]
    await api.server.do(AppendEvents(thread_id, run.run_id, told, clock.epoch()))
    clock.move(seconds=api.server.environment.stream_ttl_seconds - 1)
    assert await sweep_events(api.server) == 0
    assert await api.server.do(ReadEvents(thread_id, "run"))
    clock.move(seconds=2)
    assert await sweep_events(api.server) == 1
    assert not await api.server.do(ReadEvents(thread_id, "run"))


async def test_expired_items_of_the_store_are_swept(api: Served) -> None:
    put = {"namespace": ["a"], "key": "k", "value": {"x": 1}, "ttl": 0}
    await api.json("PUT", "/store/items", put, status=204)
    assert await sweep_store(api.server) == 1
    assert await sweep_store(api.server) == 0


async def test_a_duty_that_fails_is_done_again_and_the_others_go_on(
    api: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed, fired = asyncio.Event(), asyncio.Event()

    async def broken(server: Any) -> int:
        failed.set()
        raise OSError("disk")

    async def once(server: Any) -> int:
        if not fired.is_set():
            fired.set()
            server.crons_changed.set()
            raise OSError("disk")
        again.set()
        return 0

    again = asyncio.Event()
    monkeypatch.setattr(duties, "sweep_threads", broken)
    monkeypatch.setattr(duties, "fire_due_crons", once)
    working = Duties(api.server)
    working.start()
    async with asyncio.timeout(20):
        await asyncio.gather(failed.wait(), again.wait())
    await working.stop()


async def test_a_ttl_that_was_set_later_counts_from_then(api: Served, clock: HeldClock) -> None:
    thread_id = (await api.json("POST", "/threads", {}))["thread_id"]
    clock.move(minutes=60)
    await api.server.do(UpdateThread(thread_id, clock.now(), ttl=Ttl(10)))
    assert await sweep_threads(api.server) == 0
    clock.move(minutes=11)
    assert await sweep_threads(api.server) == 1
