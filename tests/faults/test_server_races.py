"""What many clients do at one moment over HTTP comes out as if they had come one after another."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest

from .server_process import SOAK, Served, served

ROUNDS = 1000 if SOAK else 100
ENDED = {"success", "error", "timeout", "interrupted"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("races") / "project") as running:
        yield running


def unexpected(log: str) -> list[str]:
    """Lines that tell of errors."""
    return [line for line in log.splitlines() if '"level": "error"' in line or "Traceback" in line]


@asynccontextmanager
async def clean(server: Served) -> AsyncIterator[httpx.AsyncClient]:
    """A client, and a server whose log holds no errors after the block."""
    before = len(server.log)
    async with server.aclient() as client:
        yield client
    assert unexpected(server.log[before:]) == []


async def thread(client: httpx.AsyncClient) -> str:
    made = await client.post("/threads", json={})
    assert made.status_code == 200, made.text
    found: str = made.json()["thread_id"]
    return found


async def post(client: httpx.AsyncClient, path: str, body: Any, **headers: str) -> httpx.Response:
    return await client.post(path, json=body, headers=headers)


async def paused(client: httpx.AsyncClient, graph: str = "asking", **state: Any) -> tuple[str, str]:
    """A thread that waits for a person, and the id of (one of) its interrupts."""
    id = await thread(client)
    body = {"assistant_id": graph, "input": {"job": id, "asks": 1, **state}}
    values = (await post(client, f"/threads/{id}/runs/wait", body)).json()
    return id, values["__interrupt__"][0]["id"]


async def settled(client: httpx.AsyncClient, thread_id: str) -> dict[str, Any]:
    """The thread, as soon as nothing is in flight on it."""
    while True:
        runs = (await client.get(f"/threads/{thread_id}/runs?limit=1000")).json()
        for run in runs:
            if run["status"] not in ENDED:
                await client.get(f"/threads/{thread_id}/runs/{run['run_id']}/join")
        if all(run["status"] in ENDED for run in runs):
            found: dict[str, Any] = (await client.get(f"/threads/{thread_id}")).json()
            return found


def resume(answer: Any) -> dict[str, Any]:
    return {"assistant_id": "asking", "command": {"resume": answer}}


def answers_of(server: Served, thread_id: str) -> list[Any]:
    return [e[6] for e in server.effects if e[0] == "answer" and e[1] == thread_id]


# --- two people, one question ------------------------------------------------------------------


async def two_answers(client: httpx.AsyncClient, server: Served, number: int) -> None:
    thread_id, interrupt_id = await paused(client)
    by_id = f"/interrupts/{interrupt_id}/answer"
    by_run = f"/threads/{thread_id}/runs/wait"
    ways = [
        lambda a: post(client, by_id, {"answer": a}),
        lambda a: post(client, by_run, resume({interrupt_id: a})),
        lambda a: post(client, f"/threads/{thread_id}/runs", resume({interrupt_id: a})),
    ]
    first, second = ways[number % 3], ways[number // 3 % 3]
    replies = await asyncio.gather(first("Ann"), second("Bob"))
    statuses = sorted(reply.status_code for reply in replies)
    assert statuses == [200, 409], [reply.text for reply in replies]
    refused = next(reply for reply in replies if reply.status_code == 409).json()
    winner = "Ann" if replies[0].status_code == 200 else "Bob"
    assert refused["code"] == "already_answered"
    assert refused["recorded"]["answer"] == winner
    after = await settled(client, thread_id)
    assert after["status"] == "idle"
    assert after["values"]["log"] == ["begin", f"answer 0 {winner}", "finish"]


async def test_of_two_people_who_answer_at_once_one_wins_and_the_other_is_told_what_was_said(
    server: Served,
) -> None:
    async with clean(server) as client:
        for start in range(0, ROUNDS, 10):
            await asyncio.gather(*(two_answers(client, server, start + n) for n in range(10)))
    answered = Counter(e[1] for e in server.effects if e[0] == "answer")
    assert set(answered.values()) == {1}, "an answer took effect twice"


async def test_fifty_scalar_resumes_at_once_are_one_answer(server: Served) -> None:
    async with clean(server) as client:
        thread_id, _ = await paused(client)
        path = f"/threads/{thread_id}/runs"
        replies = await asyncio.gather(*(post(client, path, resume(f"a{n}")) for n in range(50)))
        accepted = [n for n, reply in enumerate(replies) if reply.status_code == 200]
        assert Counter(r.status_code for r in replies) == {200: 1, 409: 49}
        await settled(client, thread_id)
    assert answers_of(server, thread_id) == [f"a{accepted[0]}"]


async def test_answers_to_two_questions_of_one_pause_at_once_are_both_taken(server: Served) -> None:
    async with clean(server) as client:
        for number in range(ROUNDS // 5):
            thread_id = await thread(client)
            body = {"assistant_id": "pair", "input": {"log": []}}
            values = (await post(client, f"/threads/{thread_id}/runs/wait", body)).json()
            ids = [item["id"] for item in values["__interrupt__"]]
            assert len(ids) == 2
            replies = await asyncio.gather(
                *(post(client, f"/interrupts/{id}/answer", {"answer": number}) for id in ids)
            )
            assert [reply.status_code for reply in replies] == [200, 200], replies[0].text
            after = await settled(client, thread_id)
            assert (after["status"], sorted(after["values"]["log"])) == (
                "idle",
                [f"left {number}", f"right {number}"],
            )


# --- one key, one run --------------------------------------------------------------------------


async def test_one_idempotency_key_sent_many_times_at_once_is_one_run(server: Served) -> None:
    async with clean(server) as client:
        for number in range(ROUNDS // 10):
            thread_id, key = await thread(client), f"key-{uuid4()}"
            body = {"assistant_id": "trivial", "input": {"log": []}}
            path = f"/threads/{thread_id}/runs" + ("/wait" if number % 2 else "")
            replies = await asyncio.gather(
                *(post(client, path, body, **{"Idempotency-Key": key}) for _ in range(8))
            )
            assert [r.status_code for r in replies] == [200] * 8
            assert len({r.headers["content-location"] for r in replies}) == 1
            runs = (await client.get(f"/threads/{thread_id}/runs")).json()
            assert len(runs) == 1
            other = {**body, "input": {"log": ["else"]}}
            refused = await post(client, path, other, **{"Idempotency-Key": key})
            assert refused.status_code == 409, refused.text


async def test_an_answer_sent_again_with_its_key_gives_the_first_outcome(server: Served) -> None:
    async with clean(server) as client:
        for _ in range(ROUNDS // 10):
            thread_id, interrupt_id = await paused(client)
            tag = (await client.get(f"/interrupts/{interrupt_id}")).headers["etag"]
            headers = {"Idempotency-Key": f"key-{uuid4()}", "If-Match": tag}
            path = f"/interrupts/{interrupt_id}/answer"
            replies = await asyncio.gather(
                *(post(client, path, {"answer": "yes"}, **headers) for _ in range(4))
            )
            replies.append(await post(client, path, {"answer": "yes"}, **headers))
            assert [r.status_code for r in replies] == [200] * 5, [r.text for r in replies]
            assert len({r.json()["run_id"] for r in replies}) == 1
            await settled(client, thread_id)
            assert answers_of(server, thread_id) == ["yes"]


# --- one thread, one running run ---------------------------------------------------------------


def overlaps(server: Served) -> list[str]:
    """Threads on which two runs went on at one moment."""
    inside: Counter[str] = Counter()
    found = []
    for what, thread_id, *_ in server.effects:
        if what in ("enter", "leave"):
            inside[thread_id] += 1 if what == "enter" else -1
            if inside[thread_id] > 1:
                found.append(thread_id)
    return found


async def test_never_do_two_runs_of_a_thread_go_on_at_once_whatever_the_strategies(
    server: Served,
) -> None:
    chance = random.Random(7)

    async def crowd(client: httpx.AsyncClient) -> None:
        thread_id = await thread(client)

        async def one(number: int) -> httpx.Response:
            await asyncio.sleep(chance.uniform(0, 0.3))
            strategy = chance.choice(["enqueue", "enqueue", "reject", "interrupt", "rollback"])
            body = {
                "assistant_id": "staying",
                "input": {"job": str(number), "seconds": chance.uniform(0, 0.05), "log": []},
                "multitask_strategy": strategy,
            }
            reply = await post(client, f"/threads/{thread_id}/runs", body)
            assert reply.status_code == 200 or (strategy, reply.status_code) == ("reject", 409)
            return reply

        await asyncio.gather(*(one(n) for n in range(20)))
        after = await settled(client, thread_id)
        assert after["status"] in ("idle", "interrupted"), after

    async with clean(server) as client:
        await asyncio.gather(*(crowd(client) for _ in range(40 if SOAK else 6)))
    assert overlaps(server) == []


async def test_runs_that_wait_their_turn_run_in_the_order_in_which_they_were_accepted(
    server: Served,
) -> None:
    async with clean(server) as client:
        thread_id = await thread(client)
        for number in range(20):
            body = {"assistant_id": "staying", "input": {"job": str(number), "seconds": 0.01}}
            assert (await post(client, f"/threads/{thread_id}/runs", body)).status_code == 200
        after = await settled(client, thread_id)
        assert after["values"]["log"] == [f"stay {n}" for n in range(20)]


async def test_a_reject_beside_many_others_lets_exactly_one_in(server: Served) -> None:
    async with clean(server) as client:
        thread_id = await thread(client)
        body = {
            "assistant_id": "staying",
            "input": {"job": "only", "seconds": 1.0},
            "multitask_strategy": "reject",
        }
        path = f"/threads/{thread_id}/runs"
        replies = await asyncio.gather(*(post(client, path, body) for _ in range(30)))
        assert Counter(r.status_code for r in replies) == {200: 1, 409: 29}
        await settled(client, thread_id)


# --- taking away what goes on ------------------------------------------------------------------


async def test_a_thread_deleted_while_it_runs_is_gone_and_those_who_wait_are_told(
    server: Served,
) -> None:
    async def one(client: httpx.AsyncClient, seconds: float) -> None:
        thread_id = await thread(client)
        body = {"assistant_id": "stepping", "input": {"log": [], "steps": 50, "seconds": 0.01}}
        waiting = asyncio.create_task(post(client, f"/threads/{thread_id}/runs/wait", body))
        await asyncio.sleep(seconds)
        assert (await client.delete(f"/threads/{thread_id}")).status_code in (204, 404)
        reply = await asyncio.wait_for(waiting, 20)
        assert reply.status_code in (200, 404)
        assert (await client.get(f"/threads/{thread_id}")).status_code == 404
        assert (await client.get(f"/threads/{thread_id}/state")).status_code == 404
        assert (await client.get(f"/threads/{thread_id}/runs")).status_code == 404

    async with clean(server) as client:
        await asyncio.gather(*(one(client, n * 0.02) for n in range(20)))


async def test_a_rollback_leaves_no_trace_of_the_run_at_whatever_moment_it_comes(
    server: Served,
) -> None:
    async def one(client: httpx.AsyncClient, seconds: float) -> None:
        thread_id = await thread(client)
        first = {"assistant_id": "trivial", "input": {"log": ["kept"]}}
        await post(client, f"/threads/{thread_id}/runs/wait", first)
        before = (await client.get(f"/threads/{thread_id}/state")).json()
        body = {
            "assistant_id": "stepping",
            "input": {"log": ["gone"], "steps": 60, "seconds": 0.02},
        }
        run = (await post(client, f"/threads/{thread_id}/runs", body)).json()["run_id"]
        await asyncio.sleep(seconds)
        path = f"/threads/{thread_id}/runs/{run}/cancel?action=rollback&wait=1"
        assert (await client.post(path)).status_code == 200
        after = (await client.get(f"/threads/{thread_id}/state")).json()
        assert after["values"] == before["values"]
        assert after["checkpoint_id"] == before["checkpoint_id"]
        assert (await client.get(f"/threads/{thread_id}/runs/{run}")).status_code == 404
        assert (await client.get(f"/threads/{thread_id}")).json()["status"] == "idle"

    async with clean(server) as client:
        await asyncio.gather(*(one(client, n * 0.02) for n in range(20)))


async def test_many_cancels_of_one_run_end_it_once(server: Served) -> None:
    async with clean(server) as client:
        for action in ("interrupt", "rollback"):
            thread_id = await thread(client)
            body = {"assistant_id": "staying", "input": {"job": "x", "seconds": 30}}
            run = (await post(client, f"/threads/{thread_id}/runs", body)).json()["run_id"]
            path = f"/threads/{thread_id}/runs/{run}/cancel?wait=1&action={action}"
            replies = await asyncio.gather(*(client.post(path) for _ in range(10)))
            assert {r.status_code for r in replies} <= {200, 404}
            assert any(r.status_code == 200 for r in replies)
            assert (await client.get(f"/threads/{thread_id}")).json()["status"] != "busy"


async def test_a_copy_made_while_a_question_is_open_is_answered_on_its_own(server: Served) -> None:
    async with clean(server) as client:
        thread_id, interrupt_id = await paused(client)
        copy = (await client.post(f"/threads/{thread_id}/copy")).json()["thread_id"]
        path = f"/interrupts/{interrupt_id}/answer"
        assert (await post(client, path, {"answer": "?"})).status_code == 409, "which one?"
        replies = await asyncio.gather(
            post(client, f"{path}?thread_id={thread_id}", {"answer": "original"}),
            post(client, f"{path}?thread_id={copy}", {"answer": "copy"}),
        )
        assert [r.status_code for r in replies] == [200, 200], [r.text for r in replies]
        for place, said in ((thread_id, "original"), (copy, "copy")):
            after = await settled(client, place)
            assert after["values"]["log"][1] == f"answer 0 {said}"


async def test_a_prune_beside_an_answer_loses_neither_the_answer_nor_the_thread(
    server: Served,
) -> None:
    async def one(client: httpx.AsyncClient) -> None:
        thread_id, interrupt_id = await paused(client)
        prune = {"thread_ids": [thread_id], "strategy": "keep_latest"}
        replies = await asyncio.gather(
            post(client, "/threads/prune", prune),
            post(client, f"/interrupts/{interrupt_id}/answer", {"answer": "yes"}),
            post(client, "/threads/prune", prune),
        )
        assert [r.status_code for r in replies] == [200, 200, 200], [r.text for r in replies]
        after = await settled(client, thread_id)
        assert after["values"]["log"] == ["begin", "answer 0 yes", "finish"]

    async with clean(server) as client:
        for _ in range(ROUNDS // 20):
            await asyncio.gather(*(one(client) for _ in range(5)))


async def test_a_prune_that_deletes_beside_an_answer_leaves_all_or_nothing(server: Served) -> None:
    async def one(client: httpx.AsyncClient) -> None:
        thread_id, interrupt_id = await paused(client)
        body = {"thread_ids": [thread_id], "strategy": "delete"}
        await asyncio.gather(
            post(client, "/threads/prune", body),
            post(client, f"/interrupts/{interrupt_id}/answer", {"answer": "yes"}),
        )
        if (await client.get(f"/threads/{thread_id}")).status_code == 404:
            assert (await client.get(f"/interrupts/{interrupt_id}")).status_code == 404
        else:
            assert (await settled(client, thread_id))["values"]["log"][-1] == "finish"

    async with clean(server) as client:
        await asyncio.gather(*(one(client) for _ in range(20)))


async def test_an_answer_that_waits_behind_a_run_is_carried_into_the_program(
    server: Served,
) -> None:
    """New input beside an answer to what it would withdraw: the answer comes first or is refused."""
    async with clean(server) as client:
        for _ in range(ROUNDS // 10):
            thread_id, interrupt_id = await paused(client)
            path = f"/threads/{thread_id}/runs"
            again = {"assistant_id": "asking", "input": {"job": thread_id, "asks": 2, "log": []}}
            replies = await asyncio.gather(
                post(client, path, again), post(client, path, resume({interrupt_id: "yes"}))
            )
            assert replies[0].status_code == 200
            assert replies[1].status_code in (200, 404, 409), replies[1].text
            after = await settled(client, thread_id)
            assert after["status"] == "interrupted", "the new input asks again"
            assert len(answers_of(server, thread_id)) == (replies[1].status_code == 200)


async def test_runs_that_queue_on_either_side_of_an_answer_all_end(server: Served) -> None:
    async with clean(server) as client:
        thread_id, interrupt_id = await paused(client, "asking")
        path = f"/threads/{thread_id}/runs"
        carried = await post(client, path, resume({interrupt_id: "yes"}))
        assert carried.status_code == 200
        behind = [
            await post(client, path, {"assistant_id": "trivial", "input": {"log": []}})
            for _ in range(2)
        ]
        assert [r.status_code for r in behind] == [200, 200]
        after = await settled(client, thread_id)
        runs = (await client.get(path)).json()
        assert {run["status"] for run in runs} == {"success"}, runs
        assert after["status"] == "idle"
        assert answers_of(server, thread_id) == ["yes"]


async def test_a_state_written_by_hand_beside_a_run_is_refused_or_wholly_before_it(
    server: Served,
) -> None:
    async def one(client: httpx.AsyncClient) -> None:
        thread_id = await thread(client)
        first = {"assistant_id": "trivial", "input": {"log": ["a"]}}
        await post(client, f"/threads/{thread_id}/runs/wait", first)
        body = {"assistant_id": "stepping", "input": {"log": ["b"], "steps": 6, "seconds": 0.01}}
        update = {"values": {"log": ["hand"]}, "as_node": "step"}
        run, written = await asyncio.gather(
            post(client, f"/threads/{thread_id}/runs", body),
            post(client, f"/threads/{thread_id}/state", update),
        )
        assert run.status_code == 200
        assert written.status_code in (200, 400, 409), written.text
        now = (await client.get(f"/threads/{thread_id}")).json()["status"]
        running = (await client.get(f"/threads/{thread_id}/runs/{run.json()['run_id']}")).json()
        again = (await client.get(f"/threads/{thread_id}")).json()["status"]
        if running["status"] in ("pending", "running"):
            assert now == "busy", (now, again, running["status"])
        after = await settled(client, thread_id)
        ended = (await client.get(f"/threads/{thread_id}/runs/{run.json()['run_id']}")).json()
        assert ended["status"] == "success", ended
        assert after["status"] == "idle"
        assert after["values"]["log"].count("hand") == (written.status_code == 200)

    async with clean(server) as client:
        for _ in range(ROUNDS // 10):
            await asyncio.gather(*(one(client) for _ in range(4)))
