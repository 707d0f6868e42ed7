"""`langgraph-sdk` from the registry, unmodified, running, streaming, and all the rest.

Each test runs with the async client and with the sync one.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any

import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError

from .sdk import (
    ASKED,
    PATIENCE,
    ended_as,
    slow_run,
    until,
)
from .server import Server

pytestmark = pytest.mark.asyncio


# --- running -----------------------------------------------------------------------------------


async def test_a_run_is_created_joined_listed_and_deleted(client: Any) -> None:
    thread = await client.threads.create()
    ident = thread["thread_id"]
    run = await client.runs.create(ident, "trivial", input={"topic": "x"}, metadata={"m": 1})
    assert run["status"] == "pending"
    assert await client.runs.join(ident, run["run_id"]) == {"topic": "x", "log": ["one"]}
    done = await client.runs.get(ident, run["run_id"])
    assert (done["status"], done["metadata"]["m"]) == ("success", 1)
    listed = await client.runs.list(ident, status="success", select=["run_id", "status"])
    assert listed == [{"run_id": run["run_id"], "status": "success"}]
    await client.runs.delete(ident, run["run_id"])
    assert await client.runs.list(ident, limit=5, offset=0) == []
    with pytest.raises(NotFoundError):
        await client.runs.get(ident, run["run_id"])


async def test_stateless_runs_wait_stream_and_come_in_batches(client: Any) -> None:
    assert await client.runs.wait(None, "trivial", input={"topic": "s"}) == {
        "topic": "s",
        "log": ["one"],
    }
    parts = [part async for part in client.runs.stream(None, "trivial", input={"topic": "s"})]
    assert parts[0].event == "metadata"
    assert parts[-1].data["log"] == ["one"]
    assert (await client.runs.create(None, "trivial", input={}))["status"] == "pending"
    one = {"assistant_id": "trivial", "input": {"topic": "a"}}
    runs = await client.runs.create_batch([one, one | {"input": {"topic": "b"}}])
    assert [run["kwargs"]["input"]["topic"] for run in runs] == ["a", "b"]


async def test_each_way_of_streaming_shows_its_part_of_a_run(client: Any) -> None:
    thread = await client.threads.create()
    begun: list[Any] = []
    events: dict[str, list[Any]] = {}
    async for part in client.runs.stream(
        thread["thread_id"],
        "agent",
        input={"topic": "cats"},
        stream_mode=["values", "updates", "custom", "tasks", "checkpoints", "debug"],
        on_run_created=begun.append,
    ):
        events.setdefault(part.event, []).append(part.data)
    assert begun[0]["run_id"] == events["metadata"][0]["run_id"]
    assert begun[0]["thread_id"] == thread["thread_id"]
    assert events["values"][0] == {"topic": "cats", "log": []}
    assert events["values"][-1]["__interrupt__"][0]["value"] == ASKED
    assert events["updates"][0] == {"draft": {"draft": "draft about cats", "log": ["draft"]}}
    assert events["custom"] == [{"progress": "drafting"}]
    assert [task["name"] for task in events["tasks"]] == ["draft", "draft", "approve", "approve"]
    assert [point["next"] for point in events["checkpoints"]][-1] == ["approve"]
    assert {one["type"] for one in events["debug"]} == {"checkpoint", "task", "task_result"}


async def test_messages_are_streamed_whole_and_as_pairs_with_metadata(client: Any) -> None:
    thread = await client.threads.create()
    said = {"messages": [{"role": "user", "content": "hi", "id": "h1"}]}
    parts = [
        part
        async for part in client.runs.stream(
            thread["thread_id"], "chat", input=said, stream_mode="messages-tuple"
        )
    ]
    [(message, metadata)] = [part.data for part in parts if part.event == "messages"]
    assert (message["content"], message["type"]) == ("hello big world", "ai")
    assert metadata["langgraph_node"] == "model"
    other = await client.threads.create()
    whole = [
        part
        async for part in client.runs.stream(
            other["thread_id"], "chat", input=said, stream_mode="messages"
        )
    ]
    assert {"messages/metadata", "messages/complete"} <= {part.event for part in whole}


async def test_the_failure_of_a_node_reaches_the_caller(client: Any) -> None:
    thread = await client.threads.create()
    ident = thread["thread_id"]
    with pytest.raises(Exception, match="ValueError: boom at node"):
        await client.runs.wait(ident, "err", input={})
    shown = await client.runs.wait(ident, "err", input={}, raise_error=False)
    assert shown["__error__"] == {"error": "ValueError", "message": "boom at node"}
    parts = [part async for part in client.runs.stream(ident, "err", input={})]
    [error] = [part.data for part in parts if part.event == "error"]
    assert error == {"error": "ValueError", "message": "boom at node"}
    assert (await client.threads.get(ident))["status"] == "error"
    with pytest.raises(UnprocessableEntityError, match="nope"):
        await client.runs.create(ident, "nope", input={})


async def test_a_run_is_cancelled_one_or_many_at_a_time(client: Any) -> None:
    thread, run = await slow_run(client, 30)
    await client.runs.cancel(thread, run, wait=True)
    assert (await client.runs.get(thread, run))["status"] == "interrupted"
    thread, run = await slow_run(client, 30)
    await client.runs.cancel(thread, run, wait=True, action="rollback")
    with pytest.raises(NotFoundError):
        await client.runs.get(thread, run)
    thread, run = await slow_run(client, 30)
    await client.runs.cancel_many(thread_id=thread, run_ids=[run])
    await ended_as(client, thread, run, "interrupted")


async def test_a_second_run_is_refused_queued_or_takes_over(client: Any) -> None:
    thread, run = await slow_run(client, 0.6)
    with pytest.raises(ConflictError):
        await client.runs.create(thread, "slow", input={}, multitask_strategy="reject")
    queued = {"input": {"seconds": 0.1}, "multitask_strategy": "enqueue"}
    result = await client.runs.wait(thread, "slow", **queued)
    assert result["ticks"] == [6, -1, 1, -1]
    thread, run = await slow_run(client, 30)
    result = await client.runs.wait(thread, "slow", **queued | {"multitask_strategy": "interrupt"})
    assert result["ticks"] == [1, -1]
    assert (await client.runs.get(thread, run))["status"] == "interrupted"
    thread, run = await slow_run(client, 30)
    result = await client.runs.wait(thread, "slow", **queued | {"multitask_strategy": "rollback"})
    assert result["ticks"] == [1, -1]
    with pytest.raises(NotFoundError):
        await client.runs.get(thread, run)


# --- streams -----------------------------------------------------------------------------------


async def test_a_resumable_stream_goes_on_after_the_last_seen_event(
    client: Any, server: Server
) -> None:
    thread, run = await slow_run(client, 0.5, stream_mode="custom", stream_resumable=True)
    await client.runs.join(thread, run)
    replay = [p async for p in client.runs.join_stream(thread, run, last_event_id="-1")]
    ticks = [part for part in replay if part.event == "custom"]
    assert [part.data["tick"] for part in ticks] == [0, 1, 2, 3, 4]
    rest = client.runs.join_stream(thread, run, last_event_id=ticks[2].id)
    assert [part.data["tick"] async for part in rest if part.event == "custom"] == [3, 4]


async def test_a_late_reader_of_a_plain_stream_sees_only_what_comes(client: Any) -> None:
    thread = await client.threads.create()
    ident = thread["thread_id"]
    early, late = [], []
    stream = client.runs.stream(ident, "slow", input={"seconds": 1}, stream_mode="custom")
    async for part in stream:
        early.append(part)
        if part.event == "custom" and part.data["tick"] == 2:
            run = early[0].data["run_id"]
            late = [p.data async for p in client.runs.join_stream(ident, run) if p.data]
    assert [part.data["tick"] for part in early[1:] if part.data] == list(range(10))
    assert late[0]["tick"] >= 3
    assert late[-1]["tick"] == 9


@pytest.mark.parametrize(("choice", "status"), [("cancel", "interrupted"), ("continue", "success")])
async def test_a_client_that_hangs_up_cancels_its_run_if_it_said_so(
    async_client: Any, choice: str, status: str
) -> None:
    client = async_client
    thread = await client.threads.create()
    stream = client.runs.stream(
        thread["thread_id"],
        "slow",
        input={"seconds": 1},
        stream_mode="custom",
        on_disconnect=choice,
    )
    async with aclosing(stream) as parts:
        async for part in parts:
            if part.event == "custom":
                break
    [run] = await client.runs.list(thread["thread_id"])
    await ended_as(client, thread["thread_id"], run["run_id"], status)


async def test_a_joined_reader_that_hangs_up_cancels_the_run_if_it_said_so(
    async_client: Any,
) -> None:
    client = async_client
    thread, run = await slow_run(client, 30, stream_mode="custom")
    stream = client.runs.join_stream(thread, run, cancel_on_disconnect=True)
    async with aclosing(stream) as parts:
        await anext(aiter(parts))
    await ended_as(client, thread, run, "interrupted")


async def test_the_stream_of_a_thread_shows_its_next_runs(client: Any, async_client: Any) -> None:
    thread = await client.threads.create()
    ident = thread["thread_id"]
    seen: list[str] = []
    stream = client.threads.join_stream(ident)
    if inspect.isawaitable(stream):
        stream = await stream
    reading = asyncio.ensure_future(first_run_of(stream, seen))
    while not reading.done():  # a run that ended before the reader came is not shown: repeat
        await async_client.runs.wait(ident, "trivial", input={"topic": "x"})
        await asyncio.wait([reading], timeout=0.2)
    assert seen[0] == "metadata"
    assert "values" in seen


async def first_run_of(stream: Any, seen: list[str]) -> None:
    async with aclosing(stream) as parts:
        async for part in parts:
            seen.append(part.event)
            if part.event == "metadata" and part.data.get("status") == "run_done":
                if seen[0] == "metadata" and len(seen) > 1:
                    return
                seen.clear()  # the reader came in the middle of it


# --- webhooks, crons, store --------------------------------------------------------------------


@contextmanager
def receiver() -> Iterator[tuple[str, Queue[Any]]]:
    """An address that takes webhooks, and what came in."""
    received: Queue[Any] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.server_address[1]}/hook", received
        finally:
            listener.shutdown()


async def test_a_finished_run_calls_its_webhook(client: Any) -> None:
    with receiver() as (url, received):
        thread = await client.threads.create()
        ident = thread["thread_id"]
        await client.runs.wait(ident, "agent", input={"topic": "x"}, webhook=url)
        paused = await asyncio.to_thread(received.get, timeout=10)
        assert (paused["thread_id"], paused["status"]) == (ident, "success")
        assert paused["values"] == {"topic": "x", "draft": "draft about x", "log": ["draft"]}
        await client.runs.wait(ident, "err", input={}, webhook=url, raise_error=False)
        failed = await asyncio.to_thread(received.get, timeout=10)
        assert failed["status"] == "error"
        assert failed["error"] == {"error": "ValueError", "message": "boom at node"}


async def test_crons_are_made_found_changed_and_deleted(client: Any, mark: dict[str, str]) -> None:
    end = datetime(2040, 1, 1, tzinfo=UTC)
    cron = await client.crons.create(
        "trivial", schedule="0 9 * * *", input={"topic": "c"}, metadata=mark, end_time=end
    )
    thread = await client.threads.create()
    bound = await client.crons.create_for_thread(
        thread["thread_id"], "trivial", schedule="*/5 * * * *", metadata=mark, enabled=False
    )
    assert await client.crons.count(metadata=mark) == 2
    found = await client.crons.search(thread_id=thread["thread_id"], select=["cron_id", "enabled"])
    assert found == [{"cron_id": bound["cron_id"], "enabled": False}]
    changed = await client.crons.update(cron["cron_id"], schedule="0 10 * * *", enabled=False)
    assert (changed["schedule"], changed["enabled"]) == ("0 10 * * *", False)
    assert datetime.fromisoformat(changed["next_run_date"]).hour == 10
    for one in (cron, bound):
        await client.crons.delete(one["cron_id"])
    assert await client.crons.search(metadata=mark) == []


async def test_the_store_keeps_finds_and_forgets_items(client: Any, mark: dict[str, str]) -> None:
    space = [mark["test"], "notes"]
    await client.store.put_item(space, "k1", {"x": 1, "t": "hello"})
    await client.store.put_item(space, "k2", {"x": 2}, index=False, ttl=5)
    item = await client.store.get_item(space, "k1", refresh_ttl=True)
    assert (item["namespace"], item["value"]) == (space, {"x": 1, "t": "hello"})
    found = await client.store.search_items(space[:1], filter={"x": {"$gt": 1}}, limit=5)
    assert [one["key"] for one in found["items"]] == ["k2"]
    spaces = await client.store.list_namespaces(prefix=space[:1])
    assert spaces["namespaces"] == [space]
    await client.store.delete_item(space, "k1")
    assert await client.store.get_item(space, "k1") is None


# --- the thread event protocol -----------------------------------------------------------------


async def is_interrupted(session: Any) -> bool:
    return bool(session.interrupted)


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_a_thread_session_starts_pauses_answers_and_ends(
    async_client: Any, transport: str
) -> None:
    client = async_client
    async with client.threads.stream(assistant_id="agent", transport=transport) as session:
        await session.run.start(input={"topic": "cats"}, metadata={"m": 1})
        async with asyncio.timeout(20):
            async for event in session.subscribe(["lifecycle", "input"]):
                if event["method"] == "input.requested":
                    break
        await until(lambda: is_interrupted(session))
        [asked] = session.interrupts
        await session.run.respond("yes", interrupt_id=asked["interrupt_id"])
        result = await asyncio.wait_for(session.output, 20)
    assert result["log"] == ["draft", "approve", "publish:yes"]
    assert asked["value"] == ASKED


async def test_a_thread_session_shows_states_and_its_graph(async_client: Any) -> None:
    said = {"messages": [{"role": "user", "content": "hi"}]}
    async with async_client.threads.stream(assistant_id="chat") as session:
        await session.run.start(input=said)
        async with asyncio.timeout(20):
            async for state in session.values:
                if len(state.get("messages", ())) == 2:
                    break
            result = await session.output
        graph = await session.agent.get_tree()
    assert state["messages"][-1]["content"] == "hello big world"
    assert result["messages"][-1]["content"] == "hello big world"
    assert {"model"} <= {node["id"] for node in graph["nodes"]}


def wait_until_interrupted(session: Any) -> None:
    """The SDK keeps `session.interrupts` from a stream of its own, beside the subscribed one."""
    deadline = time.monotonic() + PATIENCE
    while not session.interrupted:
        assert time.monotonic() < deadline, "the session never heard of the pause"
        time.sleep(0.02)


def run_sync_session(url: str) -> Any:
    with (
        get_sync_client(url=url) as client,
        client.threads.stream(assistant_id="agent") as session,
    ):
        session.run.start(input={"topic": "cats"})
        for event in session.subscribe(["lifecycle", "input"]):
            if event["method"] == "input.requested":
                break
        wait_until_interrupted(session)
        session.run.respond("yes")
        return session.output


async def test_the_sync_thread_session_does_the_same(server: Server) -> None:
    result = await asyncio.wait_for(asyncio.to_thread(run_sync_session, server.url), 30)
    assert result["log"] == ["draft", "approve", "publish:yes"]
