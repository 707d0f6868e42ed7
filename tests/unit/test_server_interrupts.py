"""The routes of interrupts: what waits is found, answered once, and followed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.unit.asking_server import ask, outcome, serving

from caesura.checkpoint.operations import Withdraw
from caesura.execution.clock import clock
from caesura.records.operations import PutKey
from caesura.server.auth import new_key
from caesura.server.feed import InterruptFeed, News, Position
from caesura.server.resources.interrupts import frames
from caesura.server.services import Server

YES = {"decision": "approve"}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Server]]:
    """A client and its server."""
    async with serving(tmp_path) as both:
        yield both


@pytest.fixture
def client(served: tuple[httpx.AsyncClient, Server]) -> httpx.AsyncClient:
    """The client."""
    return served[0]


@pytest.fixture
def server(served: tuple[httpx.AsyncClient, Server]) -> Server:
    """The server."""
    return served[1]


async def answer(client: httpx.AsyncClient, asked: Any, value: Any, **headers: str) -> Any:
    """Hand in an answer."""
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    return await client.post(
        f"/interrupts/{asked['id']}/answer", json={"answer": value}, headers=names
    )


# --- found -------------------------------------------------------------------------------------


async def test_what_waits_is_listed_oldest_first_with_the_true_total(client: Any) -> None:
    asked = [await ask(client, to) for to in ("A", "B", "C")]
    reply = await client.get("/interrupts", params={"limit": 2})
    assert [row["id"] for row in reply.json()] == [row["id"] for row in asked[:2]]
    assert reply.headers["x-pagination-total"] == "3"
    rest = await client.get("/interrupts", params={"cursor": reply.headers["x-pagination-next"]})
    assert [row["id"] for row in rest.json()] == [asked[2]["id"]]
    assert "x-pagination-next" not in rest.headers


async def test_filters_narrow_the_list(client: Any) -> None:
    first, second = await ask(client, "Lovelace"), await ask(client, graph="wonder")
    await answer(client, second, "x")

    async def found(**query: str) -> list[str]:
        return [row["id"] for row in (await client.get("/interrupts", params=query)).json()]

    assert await found() == [first["id"]]
    assert await found(status="answered") == [second["id"]]
    assert await found(status="all", sort="newest") == [second["id"], first["id"]]
    assert await found(graph_id="wonder", status="all") == [second["id"]]
    assert await found(q="lovelace") == [first["id"]]
    assert await found(thread_id=second["thread_id"]) == []
    assert await found(created_after=first["asked_at"], status="all") == [second["id"]]


async def test_a_made_up_cursor_is_refused(client: Any) -> None:
    for cursor in ("x", "bnVsbA", "WzEsMl0"):
        reply = await client.get("/interrupts", params={"cursor": cursor})
        assert reply.status_code == 422


async def test_an_interrupt_tells_its_thread_and_its_history(client: Any) -> None:
    asked = await ask(client)
    await answer(client, asked, YES)
    reply = await client.get(f"/interrupts/{asked['id']}")
    body = reply.json()
    assert reply.headers["etag"] == f'"{asked["digest"]}-answered"'
    assert body["thread"]["thread_id"] == asked["thread_id"]
    assert body["thread"]["metadata"]["graph_id"] == "pay"
    assert [moment["event"] for moment in body["history"]] == ["asked", "answered"]
    assert body["history"][1]["answer"] == YES


async def test_unknown_interrupts_are_not_found(client: Any) -> None:
    for id in ("f" * 32, "nonsense", "%27%20OR%201=1"):
        assert (await client.get(f"/interrupts/{id}")).status_code == 404
        reply = await client.post(f"/interrupts/{id}/answer", json={"answer": 1})
        assert (reply.status_code, reply.json()["code"]) == (404, "not_found")


async def test_a_copied_threads_interrupt_is_named_with_its_thread(client: Any) -> None:
    asked = await ask(client)
    copy = (await client.post(f"/threads/{asked['thread_id']}/copy")).json()["thread_id"]
    for reply in (
        await client.get(f"/interrupts/{asked['id']}"),
        await answer(client, asked, YES),
    ):
        assert (reply.status_code, reply.json()["code"]) == (409, "ambiguous_thread")
        assert set(reply.json()["thread_ids"]) == {asked["thread_id"], copy}
    path = f"/interrupts/{asked['id']}/answer"
    reply = await client.post(path, params={"thread_id": copy}, json={"answer": YES})
    assert reply.json()["thread_id"] == copy
    original = {"thread_id": asked["thread_id"]}
    assert (await client.get(f"/interrupts/{asked['id']}", params=original)).json()[
        "status"
    ] == "open"


# --- answered ----------------------------------------------------------------------------------


async def test_an_answer_is_carried_into_the_program(client: Any) -> None:
    asked = await ask(client)
    reply = await answer(client, asked, YES)
    assert reply.status_code == 200
    assert reply.json()["interrupt"]["status"] == "answered"
    assert reply.json()["interrupt"]["answer"] == YES
    assert await outcome(client, reply.json()) == YES


async def test_the_second_of_two_answers_learns_what_was_decided(client: Any) -> None:
    asked = await ask(client)
    both = await asyncio.gather(
        answer(client, asked, {"decision": "approve"}),
        answer(client, asked, {"decision": "reject"}),
    )
    won, lost = sorted(both, key=lambda reply: reply.status_code)
    assert (won.status_code, lost.status_code) == (200, 409)
    assert lost.json()["code"] == "already_answered"
    assert lost.json()["recorded"]["answer"] == won.json()["interrupt"]["answer"]


async def test_a_wrong_answer_is_refused_with_its_fields_and_the_question_stays(
    client: Any,
) -> None:
    asked = await ask(client)
    reply = await answer(client, asked, {"decision": "maybe", "amount": -1})
    assert reply.status_code == 422
    assert {error["pointer"] for error in reply.json()["errors"]} == {"/decision", "/amount"}
    assert (await client.get(f"/interrupts/{asked['id']}")).json()["status"] == "open"


async def test_a_value_that_cannot_be_stored_is_refused_and_the_question_stays(client: Any) -> None:
    asked = await ask(client, graph="wonder")
    reply = await answer(client, asked, 10**30)
    assert (reply.status_code, reply.json()["code"]) == (422, "not_serializable")
    assert (await client.get(f"/interrupts/{asked['id']}")).json()["status"] == "open"


async def test_the_same_key_and_answer_again_give_the_first_outcome(client: Any) -> None:
    asked = await ask(client)
    first = await answer(client, asked, YES, idempotency_key="k")
    again = await answer(client, asked, YES, idempotency_key="k")
    assert again.status_code == 200
    assert again.json()["run_id"] == first.json()["run_id"]
    other = await answer(client, asked, {"decision": "reject"}, idempotency_key="k")
    assert other.status_code == 409


async def test_an_answer_to_another_question_than_was_seen_is_refused(client: Any) -> None:
    asked = await ask(client)
    reply = await answer(client, asked, YES, if_match='"' + "0" * 64 + '"')
    assert (reply.status_code, reply.json()["code"]) == (412, "digest_differs")
    assert (await client.get(f"/interrupts/{asked['id']}")).json()["status"] == "open"
    tag = (await client.get(f"/interrupts/{asked['id']}")).headers["etag"]
    assert (await answer(client, asked, YES, if_match=tag)).status_code == 200


async def test_a_withdrawn_question_is_gone(client: Any) -> None:
    asked = await ask(client)
    body = {"assistant_id": "pay", "input": {"to": "B"}}
    await client.post(f"/threads/{asked['thread_id']}/runs/wait", json=body)
    reply = await answer(client, asked, YES)
    assert (reply.status_code, reply.json()["code"]) == (410, "withdrawn")
    assert reply.json()["reason"].startswith("new input")


async def test_what_was_said_beside_the_answer_is_kept_with_the_run(client: Any) -> None:
    asked = await ask(client)
    said = {"answer": YES, "decision": "approve", "reason": "It was agreed."}
    reply = (await client.post(f"/interrupts/{asked['id']}/answer", json=said)).json()
    run = (await client.get(f"/threads/{reply['thread_id']}/runs/{reply['run_id']}")).json()
    assert run["metadata"]["answer_reason"] == "It was agreed."
    assert run["metadata"]["answer_decision"] == "approve"


async def test_of_a_batch_each_item_has_its_result_and_a_bad_one_stops_nothing(client: Any) -> None:
    first, second = await ask(client, "A"), await ask(client, "B")
    items = [
        {"interrupt_id": first["id"], "answer": {"decision": "maybe"}},
        {"interrupt_id": "f" * 32, "answer": 1},
        {"interrupt_id": second["id"], "answer": YES},
        {"interrupt_id": second["id"], "answer": YES},
    ]
    reply = await client.post("/interrupts/answers", json={"answers": items})
    assert reply.status_code == 200
    results = reply.json()
    assert [result["status"] for result in results] == [422, 404, 200, 409]
    assert [result["interrupt_id"] for result in results] == [i["interrupt_id"] for i in items]
    assert await outcome(client, results[2]) == YES


async def test_a_batch_sent_again_under_its_key_gives_the_same_results(client: Any) -> None:
    asked = [await ask(client, "A"), await ask(client, "B")]
    items = [{"interrupt_id": each["id"], "answer": YES} for each in asked]
    replies = [
        await client.post(
            "/interrupts/answers", json={"answers": items}, headers={"idempotency-key": "batch"}
        )
        for _ in range(2)
    ]
    first, again = ([result["run_id"] for result in reply.json()] for reply in replies)
    assert first == again


# --- who may ----------------------------------------------------------------------------------


async def test_what_belongs_to_others_is_neither_seen_nor_answered(tmp_path: Path) -> None:
    async with serving(tmp_path, auth={"keys": True, "isolate": True}) as (client, server):
        keys = {}
        for name in ("ada", "bob"):
            keys[name], record = new_key(name, name)
            await server.do(PutKey(record))
        mine, theirs = {"x-api-key": keys["ada"]}, {"x-api-key": keys["bob"]}
        asked = await ask(client, **mine)
        path = f"/interrupts/{asked['id']}"
        assert (await client.get("/interrupts")).status_code == 401
        assert (await client.get("/interrupts", headers=theirs)).json() == []
        unknown = await client.get("/interrupts/" + "f" * 32, headers=theirs)
        hidden = await client.get(path, headers=theirs)
        assert hidden.status_code == unknown.status_code == 404
        reply = await client.post(f"{path}/answer", json={"answer": YES}, headers=theirs)
        assert reply.status_code == 404
        reply = await client.post(f"{path}/answer", json={"answer": YES}, headers=mine)
        assert reply.json()["interrupt"]["answered_by"] == "ada"


# --- followed ----------------------------------------------------------------------------------


async def events(feed: InterruptFeed, count: int, after: Position | None = None) -> list[News]:
    """The next changes of a feed."""
    found: list[News] = []
    async with asyncio.timeout(20), aclosing(feed.follow(after)) as news:
        async for each in news:
            if each is not None:
                found.append(each)
            if len(found) == count:
                break
    return found


def told(news: list[News]) -> list[tuple[str, str]]:
    """(event, interrupt id) of each."""
    return [(each.change.key[3], each.change.row.id) for each in news]


async def test_what_happens_is_told_as_it_happens(client: Any, server: Server) -> None:
    before = await ask(client, "before")
    async with asyncio.timeout(20), aclosing(server.feed.follow()) as news:
        assert await anext(news) is None
        asked = await ask(client)
        await answer(client, asked, YES)
        await answer(client, before, YES)
        seen = []
        while len(seen) < 3:
            each = await anext(news)
            if each is not None:
                seen.append(each)
    assert set(told(seen)) == {
        ("asked", asked["id"]), ("answered", asked["id"]), ("answered", before["id"]),
    }  # fmt: skip


async def test_a_stream_is_taken_up_behind_the_last_event(client: Any, server: Server) -> None:
    async with aclosing(server.feed.follow()) as news:
        await anext(news)
        for to in "AB":
            await ask(client, to)
        first = await anext(news)
    assert first is not None
    (second,) = await events(server.feed, 1, first.position)
    assert second.change.row.title == "Pay B"
    third = await ask(client, "C")
    restarted = InterruptFeed(server.database, server.streams.changed_interrupts)
    position = Position.parse(str(second.position))
    assert told(await events(restarted, 1, position)) == [("asked", third["id"])]


async def test_what_became_visible_late_is_told_after_all(client: Any, server: Server) -> None:
    late, early = await ask(client, "late"), await ask(client, "early")
    only_early = Position(early["asked_at"], early["id"], "asked", "00000000")
    again = await events(server.feed, 2, only_early)
    assert told(again) == [("asked", late["id"]), ("asked", early["id"])]


async def test_withdrawals_are_told_with_their_reason(client: Any, server: Server) -> None:
    asked = await ask(client)
    async with asyncio.timeout(20), aclosing(server.feed.follow()) as news:
        await anext(news)
        await server.do(Withdraw(asked["thread_id"], "not needed", clock().now()))
        server.streams.changed_interrupts.set()
        each = await anext(news)
    assert each is not None
    assert (each.change.key[3], each.change.row.reason) == ("withdrawn", "not needed")


async def test_a_reader_that_falls_behind_reads_on_from_the_database(
    client: Any, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caesura.server.feed.RING", 2)
    async with asyncio.timeout(30), aclosing(server.feed.follow()) as slow:
        await anext(slow)
        async with aclosing(server.feed.follow()) as fast:
            await anext(fast)
            asked = [await ask(client, to) for to in "ABCDEF"]
            seen: list[News] = []
            while len(seen) < len(asked):
                each = await anext(fast)
                seen += [] if each is None else [each]
        missed: list[News] = []
        while len(missed) < len(asked):
            each = await anext(slow)
            missed += [] if each is None else [each]
    assert told(missed) == told(seen) == [("asked", each["id"]) for each in asked]


async def test_the_stream_is_server_sent_events_with_ids(server: Server, client: Any) -> None:
    asked = await ask(client)
    start = Position("2020-01-01T00:00:00+00:00", "0" * 32, "asked", "00000000")
    async with asyncio.timeout(20), aclosing(frames(server, start, {})) as sent:
        assert (await anext(sent)).startswith(b":")
        lines = (await anext(sent)).decode().split("\r\n")
    assert lines[0] == "event: asked"
    assert json.loads(lines[1].removeprefix("data: "))["id"] == asked["id"]
    assert Position.parse(lines[2].removeprefix("id: ")).interrupt_id == asked["id"]


async def test_a_stream_shows_what_the_caller_may_see(server: Server, client: Any) -> None:
    await ask(client, graph="pay")
    shown = await ask(client, graph="wonder")
    start = Position("2020-01-01T00:00:00+00:00", "0" * 32, "asked", "00000000")
    async with (
        asyncio.timeout(20),
        aclosing(frames(server, start, {"graph_id": "wonder"})) as news,
    ):
        await anext(news)
        assert shown["id"].encode() in await anext(news)


async def test_a_stream_ends_when_the_server_stops(server: Server) -> None:
    async with asyncio.timeout(20):
        sent = frames(server, None, {})
        await anext(sent)
        server.closing.set()
        assert [frame async for frame in sent] == []


async def test_an_unreadable_position_is_refused(client: Any) -> None:
    for text in ("17", "2026-13-45T99:99:99+00:00_" + "0" * 32 + "_asked_00000000"):
        reply = await client.get("/interrupts/stream", headers={"last-event-id": text})
        assert reply.status_code == 422


# --- effects -----------------------------------------------------------------------------------


async def test_whether_an_effect_happened_is_asked_and_answered_like_anything_else(
    client: Any,
) -> None:
    asked = await ask(client, graph="owe")
    assert asked["title"] == "Did `transfer` happen?"
    assert asked["value"]["arguments"] == {"to": "ACME"}
    wrong = await answer(client, asked, {"outcome": "done", "result": "much"})
    assert wrong.status_code == 422
    right = await answer(client, asked, {"outcome": "done", "result": 7})
    assert right.status_code == 200
    assert await outcome(client, right.json()) == 7
