"""A server killed with SIGKILL and started again goes on where it was, within seconds."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest

from .server_process import SOAK, Served, make_project, place, served

PATIENCE = 40.0  # seconds
RUNS = 200 if SOAK else 30


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("recovery") / "project") as running:
        yield running


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """What ``condition`` gives, as soon as it is true of the server."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if found := await condition():
                return found
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.02)
    raise AssertionError("that did not come about")


async def new_thread(client: httpx.AsyncClient) -> str:
    made: str = (await client.post("/threads", json={})).json()["thread_id"]
    return made


async def start(client: httpx.AsyncClient, thread_id: str, **body: Any) -> str:
    reply = await client.post(f"/threads/{thread_id}/runs", json=body)
    assert reply.status_code == 200, reply.text
    run_id: str = reply.json()["run_id"]
    return run_id


async def ended(client: httpx.AsyncClient, thread_id: str, run_id: str) -> dict[str, Any]:
    """The run, once it has ended."""

    async def look() -> Any:
        run = (await client.get(f"/threads/{thread_id}/runs/{run_id}")).json()
        return run if run["status"] not in ("pending", "running") else None

    found: dict[str, Any] = await until(look)
    return found


def of(server: Served, what: str, run_id: str) -> list[Any]:
    return [e[4] for e in server.effects if e[0] == what and e[2] == run_id]


async def happened(server: Served, what: str, run_id: str, times: int = 1) -> None:
    async def look() -> bool:
        return len(of(server, what, run_id)) >= times

    await until(look)


async def test_a_run_goes_on_from_its_last_checkpoint_and_repeats_no_finished_task(
    server: Served,
) -> None:
    async with server.aclient() as client:
        thread_id = await new_thread(client)
        given = {"log": [], "steps": 10, "seconds": 0.2}
        run_id = await start(
            client, thread_id, assistant_id="stepping", input=given, durability="sync"
        )
        for kills in (3, 7):
            await happened(server, "start", run_id, kills)
            server.restart()
        run = await ended(client, thread_id, run_id)
        assert run["status"] == "success", run
        values = (await client.get(f"/threads/{thread_id}/state")).json()["values"]
        assert values["log"] == [f"step {n}" for n in range(10)]
    times = Counter(of(server, "step", run_id))
    assert set(times) == set(range(10))
    assert sum(times.values()) - len(times) <= 2, "more was repeated than what was cut off"


async def test_runs_that_waited_their_turn_at_a_kill_are_run_in_order(server: Served) -> None:
    async with server.aclient() as client:
        thread_id = await new_thread(client)
        runs = [
            await start(
                client, thread_id, assistant_id="staying", input={"job": str(n), "seconds": 0.3}
            )
            for n in range(4)
        ]
        await happened(server, "enter", runs[0])
        server.restart()
        assert [(await ended(client, thread_id, run))["status"] for run in runs] == ["success"] * 4
        values = (await client.get(f"/threads/{thread_id}/state")).json()["values"]
        assert values["log"] == [f"stay {n}" for n in range(4)]
        assert (await client.get(f"/threads/{thread_id}")).json()["status"] == "idle"


@pytest.mark.parametrize("delay", [0.0, 0.005, 0.02])
async def test_an_answer_that_was_accepted_is_delivered_whenever_the_server_dies(
    server: Served, delay: float
) -> None:
    async with server.aclient() as client:
        places = []
        for number in range(10):
            thread_id = await new_thread(client)
            body = {"assistant_id": "asking", "input": {"job": str(number), "asks": 1}}
            waits = await client.post(f"/threads/{thread_id}/runs/wait", json=body)
            places.append((thread_id, waits.json()["__interrupt__"][0]["id"]))

        async def answer(thread_id: str, interrupt_id: str) -> str | None:
            try:
                path = f"/interrupts/{interrupt_id}/answer"
                reply = await client.post(path, json={"answer": "yes"})
            except httpx.TransportError:
                return None
            assert reply.status_code == 200, reply.text
            return thread_id

        answering = [asyncio.create_task(answer(*place)) for place in places]
        done, _ = await asyncio.wait(answering, return_when=asyncio.FIRST_COMPLETED)
        assert done
        await asyncio.sleep(delay)
        server.restart()
        accepted = [thread for thread in await asyncio.gather(*answering) if thread]
        assert accepted
        for thread_id in accepted:

            async def finished(thread_id: str = thread_id) -> bool:
                found = (await client.get(f"/threads/{thread_id}")).json()
                log = (found.get("values") or {}).get("log", [])
                return found["status"] == "idle" and log[1:] == ["answer 0 yes", "finish"]

            await until(finished)


@pytest.mark.parametrize("moment", range(8))
async def test_an_update_by_command_is_applied_once_whenever_the_server_dies(
    server: Served, moment: int
) -> None:
    async with server.aclient() as client:
        thread_id = await new_thread(client)
        body = {"assistant_id": "asking", "input": {"job": "x", "asks": 1}}
        await client.post(f"/threads/{thread_id}/runs/wait", json=body)
        command = {"resume": "yes", "update": {"log": ["updated"]}}
        run_id = await start(client, thread_id, assistant_id="asking", command=command)
        await asyncio.sleep(moment * 0.004)
        server.restart()
        assert (await ended(client, thread_id, run_id))["status"] == "success"
        log = (await client.get(f"/threads/{thread_id}/state")).json()["values"]["log"]
        assert log.count("updated") == 1, log
        assert log.count("answer 0 yes") == 1, log
        assert log[-1] == "finish"


async def frames_of(response: httpx.Response) -> list[dict[str, Any]]:
    """The frames of a stream until it ends or breaks."""
    frames: list[dict[str, Any]] = []
    frame: dict[str, Any] = {}
    try:
        async for line in response.aiter_lines():
            if not line and frame:
                frames.append(frame)
                frame = {}
            name, _, value = line.partition(": ")
            if name:
                frame[name] = value
    except httpx.TransportError:
        pass
    return frames


async def test_a_stream_rejoined_after_a_restart_tells_nothing_twice_unmarked(
    server: Served,
) -> None:
    async with server.aclient() as client:
        thread_id = await new_thread(client)
        body = {
            "assistant_id": "stepping",
            "input": {"log": [], "steps": 8, "seconds": 0.15},
            "stream_mode": ["custom", "values"],
            "stream_resumable": True,
            "durability": "sync",
        }
        path = f"/threads/{thread_id}/runs/stream"
        async with client.stream("POST", path, json=body) as response:
            location = response.headers["location"]
            reading = asyncio.create_task(frames_of(response))
            run_id = location.split("/")[-2]
            await happened(server, "step", run_id, 3)
            server.restart()
            before = await reading
        headers = {"Last-Event-ID": before[-1]["id"]}
        async with client.stream("GET", location, headers=headers) as response:
            after = await frames_of(response)
        async with client.stream("GET", location, headers={"Last-Event-ID": "-1"}) as response:
            whole = await frames_of(response)
    assert before + after == whole
    ids = [tuple(map(int, frame["id"].split("-"))) for frame in whole]
    assert ids == sorted(set(ids))
    attempts = [json.loads(f["data"])["attempt"] for f in whole if f["event"] == "metadata"]
    assert attempts == [1, 2]
    second = next(n for n, f in enumerate(whole) if f["event"] == "metadata" and n)
    for part in (whole[:second], whole[second:]):
        steps = [json.loads(f["data"])["step"] for f in part if f["event"] == "custom"]
        assert steps == sorted(set(steps))
    assert json.loads(whole[-1]["data"])["log"][-1] == "step 7"


async def test_a_client_that_joins_after_a_restart_gets_the_result(server: Served) -> None:
    async with server.aclient() as client:
        thread_id = await new_thread(client)
        given = {"log": [], "steps": 6, "seconds": 0.3}
        run_id = await start(client, thread_id, assistant_id="stepping", input=given)
        await happened(server, "step", run_id, 2)
        server.restart()
        joined = await client.get(f"/threads/{thread_id}/runs/{run_id}/join")
        assert joined.json()["log"] == [f"step {n}" for n in range(6)]


async def test_a_cancel_that_was_accepted_before_a_kill_holds_after_it(server: Served) -> None:
    async with server.aclient() as client:
        for action, end in (("interrupt", 200), ("rollback", 404)):
            thread_id = await new_thread(client)
            given = {"job": "x", "seconds": 600}
            run_id = await start(client, thread_id, assistant_id="staying", input=given)
            await happened(server, "enter", run_id)
            path = f"/threads/{thread_id}/runs/{run_id}"
            assert (await client.post(f"{path}/cancel?action={action}")).status_code == 202
            server.restart()

            async def over(path: str = path) -> bool:
                run = await client.get(path)
                return run.status_code == 404 or run.json()["status"] == "interrupted"

            await until(over)
            assert (await client.get(path)).status_code == end
            assert (await client.get(f"/threads/{thread_id}")).json()["status"] != "busy"


async def test_a_temporary_thread_does_not_outlive_its_run_over_a_kill(server: Served) -> None:
    async with server.aclient() as client:
        body = {"assistant_id": "stepping", "input": {"log": [], "steps": 4, "seconds": 0.2}}
        run = (await client.post("/runs", json=body)).json()
        await happened(server, "step", run["run_id"], 1)
        server.restart()

        async def gone() -> bool:
            return (await client.get(f"/threads/{run['thread_id']}")).status_code == 404

        await until(gone)
    assert set(of(server, "step", run["run_id"])) == {0, 1, 2, 3}


async def test_a_program_that_blocks_the_loop_is_reported_and_not_failed(server: Served) -> None:
    async with server.aclient() as client:
        thread_id = await new_thread(client)
        given = {"log": [], "seconds": 3.0}
        run_id = await start(client, thread_id, assistant_id="blocking", input=given)
        run = await ended(client, thread_id, run_id)
        assert run["status"] == "success", run
    assert len([e for e in server.effects if e[0] == "blocked"]) == 1
    reports = [json.loads(line) for line in server.log.splitlines() if "stalled" in line]
    assert reports
    assert "time.sleep" in reports[0]["stack"]
    assert "graphs.py" in reports[0]["stack"]
    assert "run lost" not in server.log


async def test_two_processes_on_one_database_run_everything_once_and_tell_each_other(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = make_project(tmp_path_factory.mktemp("two") / "project")
    where = place()
    both = [Served(folder, N_JOBS_PER_WORKER="3", **where) for _ in range(2)]
    try:
        for one in both:
            one.start()
        clients = [one.aclient() for one in both]
        threads = [await new_thread(clients[n % 2]) for n in range(10)]
        waiting = []
        for number in range(RUNS):
            body = {"assistant_id": "staying", "input": {"job": str(number), "seconds": 0.02}}
            path = f"/threads/{threads[number % 10]}/runs/wait"
            waiting.append(asyncio.create_task(clients[number % 2].post(path, json=body)))
        done, late = await asyncio.wait(waiting, timeout=60)
        assert not late, f"{len(late)} of those who wait were never told"
        assert {task.result().status_code for task in done} == {200}
        for client in clients:
            await client.aclose()
    finally:
        for one in both:
            one.kill()
    entered = Counter(e[2] for e in both[0].effects if e[0] == "enter")
    assert (len(entered), set(entered.values())) == (RUNS, {1})
    inside: Counter[str] = Counter()
    for what, thread_id, *_ in both[0].effects:
        inside[thread_id] += {"enter": 1, "leave": -1}[what]
        assert inside[thread_id] <= 1, "two runs of a thread at once"
    assert "run lost" not in both[0].log + both[1].log


@pytest.mark.skipif(not SOAK, reason="waits for a lease to end")
async def test_a_process_beside_a_dead_one_takes_its_runs_over(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = make_project(tmp_path_factory.mktemp("heir") / "project")
    where = place()
    first, second = Served(folder, **where), Served(folder, **where)
    try:
        first.start()
        second.start()
        async with first.aclient() as client:
            thread_id = await new_thread(client)
            given = {"log": [], "steps": 4, "seconds": 0.3}
            run_id = await start(client, thread_id, assistant_id="stepping", input=given)
        await happened(first, "step", run_id, 1)
        first.kill()
        async with second.aclient() as client:
            assert (await ended(client, thread_id, run_id))["status"] == "success"
    finally:
        first.kill()
        second.kill()
