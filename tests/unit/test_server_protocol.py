"""The thread event protocol and the thread stream, on a running server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.unit.protocol_serving import Served, serving

from caesura.records.operations import FindRuns, ReadEvents
from caesura.server.protocol.journal import KIND

ALL = ("values", "updates", "messages", "tools", "custom", "lifecycle", "input", "tasks")
YES = {"approve": True, "note": "fine"}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A server."""
    async with serving(tmp_path) as made:
        yield made


@pytest.fixture
def thread() -> str:
    """The id of a thread that does not exist yet."""
    return str(uuid4())


async def start(served: Served, thread: str, graph: str, **params: Any) -> str:
    """Start a run; returns its id."""
    reply = await served.command(thread, "run.start", assistant_id=graph, **params)
    assert reply["type"] == "success", reply
    return str(reply["result"]["run_id"])


async def finished(served: Served, thread: str, run_id: str) -> Any:
    """Wait for a run; returns what those who join it are told."""
    return (await served.client.get(f"/threads/{thread}/runs/{run_id}/join")).json()


def told(events: list[Any]) -> list[tuple[str, Any]]:
    """Methods, with the phase of lifecycle events."""
    return [(e["method"], e["params"]["data"].get("event")) for e in events]


# --- events ------------------------------------------------------------------------------------


async def test_a_reader_that_came_before_the_thread_gets_its_first_run_live(
    served: Served, thread: str
) -> None:
    stream = await served.events(thread, "lifecycle", "input", "values")
    run_id = await start(served, thread, "agent", input={"topic": "x"})
    events = await stream.until("lifecycle", "interrupted")
    methods = [method for method, _ in told(events)]
    assert methods[0] == "lifecycle"
    assert methods.index("input.requested") < len(methods) - 1
    question = next(e for e in events if e["method"] == "input.requested")
    data = question["params"]["data"]
    assert data["payload"] == data["value"] == {"question": "sure?"}
    assert data["response_schema"]["required"] == ["approve", "note"]
    assert question["event_id"] == f"synth:{run_id}:input||{data['interrupt_id']}"
    assert [e["seq"] for e in events] == sorted({e["seq"] for e in events})


async def test_the_same_stream_goes_on_over_the_answer_and_the_next_run(
    served: Served, thread: str
) -> None:
    stream = await served.events(thread, "lifecycle", "input")
    await start(served, thread, "agent", input={})
    asked = (await stream.until("input.requested"))[-1]["params"]["data"]["interrupt_id"]
    await stream.until("lifecycle", "interrupted")
    reply = await served.command(
        thread, "input.respond", interrupt_id=asked, namespace=[], response=YES
    )
    assert reply == {
        "type": "success", "id": 1, "result": {}, "meta": {"applied_through_seq": 0},
    }  # fmt: skip
    assert told(await stream.until("lifecycle", "completed")) == [
        ("lifecycle", "running"),
        ("lifecycle", "completed"),
    ]


async def test_replay_is_the_same_for_everybody_and_after_a_restart(
    tmp_path: Path, thread: str
) -> None:
    async with serving(tmp_path) as served:
        live = await served.events(thread, *ALL)
        await start(served, thread, "outer", input={})
        first = await live.until("lifecycle", "interrupted")
        while first[-1]["params"]["namespace"]:
            first += await live.until("lifecycle", "interrupted")
        again = await served.events(thread, *ALL)
        assert [await again.data() for _ in first] == first
    async with serving(tmp_path) as served:
        restarted = await served.events(thread, *ALL)
        assert [await restarted.data() for _ in first] == first
        behind = await served.events(thread, *ALL, since=first[3]["seq"])
        assert [await behind.data() for _ in first[4:]] == first[4:]


async def test_an_ending_that_a_crash_cut_off_is_made_up_for_once(
    tmp_path: Path, thread: str
) -> None:
    async with serving(tmp_path) as served:
        served.server.journal._end = _never  # type: ignore[method-assign]
        await finished(served, thread, await start(served, thread, "plain", input={}))
    async with serving(tmp_path) as served:
        streams = [await served.events(thread, "lifecycle") for _ in range(2)]
        both = [await stream.until("lifecycle", "completed") for stream in streams]
        assert both[0] == both[1]
        assert told(both[0]) == [("lifecycle", "running"), ("lifecycle", "completed")]


async def _never(*_: Any) -> None:
    """A process that died before it could tell."""


async def test_a_frame_is_stored_with_its_events_or_not_at_all(served: Served, thread: str) -> None:
    run_id = await start(served, thread, "plain", input={})
    await finished(served, thread, run_id)
    await served.server.journal.close()
    frames = await served.server.do(ReadEvents(thread, "run", run_id))
    events = await served.server.do(ReadEvents(thread, KIND, run_id))
    of_frames = {event.id.split(":")[2] for event in events if event.id.startswith(run_id)}
    names = {frame.name for frame in frames if frame.id in of_frames}
    assert {"values", "updates", "tasks", "custom"} <= names
    assert of_frames <= {frame.id for frame in frames}


async def test_a_failed_run_says_why(served: Served, thread: str) -> None:
    stream = await served.events(thread, "lifecycle")
    await start(served, thread, "plain", input={"topic": "boom"})
    last = (await stream.until("lifecycle", "failed"))[-1]
    assert last["params"]["data"] == {
        "event": "failed", "graph_name": "plain", "error": "boom at node",
    }  # fmt: skip


async def test_a_cancelled_run_is_told_as_interrupted(served: Served, thread: str) -> None:
    stream = await served.events(thread, "lifecycle")
    run_id = await start(served, thread, "waiting", input={})
    await stream.until("lifecycle", "running")
    await served.client.post(f"/threads/{thread}/runs/{run_id}/cancel")
    assert (await stream.data())["params"]["data"]["event"] == "interrupted"


async def test_runs_that_cannot_be_replayed_are_told_while_somebody_follows(
    served: Served, thread: str
) -> None:
    body = {"assistant_id": "plain", "input": {}, "if_not_exists": "create"}
    await served.client.post(f"/threads/{thread}/runs/wait", json=body)
    assert await served.server.do(ReadEvents(thread, KIND)) == []
    stream = await served.events(thread, "lifecycle")
    await served.client.post(f"/threads/{thread}/runs/wait", json=body)
    await stream.until("lifecycle", "completed")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "channels is required and must be a non-empty array"),
        ({"channels": ["zzz"]}, "channels contains unsupported entries: zzz"),
        ({"channels": ["values"], "since": -1}, "since must be an integer"),
    ],
    ids=["none", "unknown", "since"],
)
async def test_events_that_cannot_be_selected_are_a_400(
    served: Served, thread: str, body: Any, detail: str
) -> None:
    reply = await served.client.post(f"/threads/{thread}/stream/events", json=body)
    assert reply.status_code == 400
    assert reply.json()["detail"].startswith(detail)


async def test_the_stream_ends_when_the_server_is_about_to_stop(
    served: Served, thread: str
) -> None:
    stream = await served.events(thread, "values")
    served.server.closing.set()
    with pytest.raises(EOFError):
        await stream.event()


# --- commands ----------------------------------------------------------------------------------


async def test_starting_a_run_does_not_wait_for_the_one_before(served: Served, thread: str) -> None:
    await start(served, thread, "waiting", input={})
    second = await start(served, thread, "waiting", input={})
    runs = await served.server.do(FindRuns(thread))
    assert {run.run_id: run.status for run in runs}[second] == "pending"


async def test_a_wrong_answer_is_refused_by_field_and_the_question_stays_open(
    served: Served, thread: str
) -> None:
    await finished(served, thread, await start(served, thread, "agent", input={}))
    asked = await open_ids(served, thread)
    reply = await served.command(
        thread, "input.respond", interrupt_id=asked[0], response={"approve": "maybe"}
    )
    assert reply["error"] == "invalid_argument"
    assert [error["pointer"] for error in reply["errors"]] == ["/approve", "/note"]
    assert await open_ids(served, thread) == asked


@pytest.mark.parametrize("known", [False, True], ids=["unknown", "answered"])
async def test_what_cannot_be_answered_is_no_such_interrupt(
    served: Served, thread: str, known: bool
) -> None:
    await finished(served, thread, await start(served, thread, "agent", input={}))
    (id,) = await open_ids(served, thread)
    if known:
        await served.command(thread, "input.respond", interrupt_id=id, response=YES)
    name = id if known else "made-up"
    reply = await served.command(thread, "input.respond", interrupt_id=name, response=YES)
    assert reply["error"] == "no_such_interrupt"
    if not known:
        assert await open_ids(served, thread) == [id]


async def test_several_answers_are_accepted_together_or_not_at_all(
    served: Served, thread: str
) -> None:
    await finished(served, thread, await start(served, thread, "pair", input={}))
    asked = await open_ids(served, thread)
    assert len(asked) == 2
    wrong = [{"interrupt_id": id, "response": 5} for id in asked]
    reply = await served.command(thread, "input.respond", responses=wrong)
    assert reply["type"] == "error"
    assert await open_ids(served, thread) == asked
    right = [{"interrupt_id": id, "response": YES} for id in asked]
    assert (await served.command(thread, "input.respond", responses=right))["type"] == "success"
    assert await open_ids(served, thread) == []


async def open_ids(served: Served, thread: str) -> list[str]:
    """The interrupts that wait."""
    state = (await served.client.get(f"/threads/{thread}/state")).json()
    return sorted(item["id"] for task in state["tasks"] for item in task["interrupts"])


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("run.start", {"input": {}}, "invalid_argument"),
        ("run.start", {"assistant_id": "nope"}, "invalid_argument"),
        ("run.start", {"assistant_id": "plain", "config": 5}, "invalid_argument"),
        ("input.respond", {"response": 1}, "invalid_argument"),
        ("input.respond", {"interrupt_id": "a"}, "invalid_argument"),
        ("input.respond", {"responses": []}, "invalid_argument"),
        ("agent.getTree", {}, "no_such_run"),
        ("state.get", {}, "unknown_command"),
        ("zz.zz", {}, "unknown_command"),
    ],
    ids=["no-assistant", "bad-assistant", "bad-config", "no-id", "no-response", "no-responses",
         "no-run", "unserved", "unknown"],
)  # fmt: skip
async def test_a_refused_command_says_its_code(
    served: Served, thread: str, method: str, params: Any, code: str
) -> None:
    reply = await served.command(thread, method, **params)
    assert (reply["type"], reply["id"], reply["error"]) == ("error", 1, code)


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'{"method": "x"}', b'{"id": true, "method": "x"}', b'{"id": -1, "method": "x"}'],
    ids=["json", "list", "no-id", "bool", "negative"],
)
async def test_what_is_no_command_is_a_400(served: Served, thread: str, body: bytes) -> None:
    reply = await served.client.post(f"/threads/{thread}/commands", content=body)
    assert reply.status_code == 400


async def test_the_tree_shows_the_nested_graphs_of_the_newest_run(
    served: Served, thread: str
) -> None:
    await finished(served, thread, await start(served, thread, "outer", input={}))
    await served.server.journal.close()
    tree = (await served.command(thread, "agent.getTree"))["result"]["tree"]
    assert (tree["graph_name"], tree["status"]) == ("outer", "interrupted")
    (child,) = tree["children"]
    assert (child["graph_name"], child["status"]) == ("child", "interrupted")


# --- WebSocket ---------------------------------------------------------------------------------


async def test_a_socket_carries_commands_and_events(served: Served, thread: str) -> None:
    socket = await served.socket(thread)
    params = {"channels": ["lifecycle"]}
    reply = await socket.ask(id=1, method="subscription.subscribe", params=params)
    name = reply["result"]["subscription_id"]
    assert reply["result"]["replayed_events"] == 0
    await socket.ask(id=2, method="run.start", params={"assistant_id": "plain", "input": {}})
    phases = [(await socket.next())["params"]["data"]["event"] for _ in range(2)]
    assert phases == ["running", "completed"]
    reply = await socket.ask(
        id=3, method="subscription.unsubscribe", params={"subscription_id": name}
    )
    assert reply["type"] == "success"
    assert reply["meta"]["applied_through_seq"] > 0


async def test_a_later_subscription_first_gets_the_past_and_then_each_event_once(
    served: Served, thread: str
) -> None:
    await finished(served, thread, await start(served, thread, "plain", input={}))
    await served.server.journal.close()
    socket = await served.socket(thread)
    counts, reached = [], 0
    for id, channel in enumerate(("lifecycle", "values")):
        params = {"channels": [channel]}
        reply = await socket.ask(id=id, method="subscription.subscribe", params=params)
        counts.append(reply["result"]["replayed_events"])
        past = [await socket.next() for _ in range(counts[-1])]
        assert {event["method"] for event in past} == {channel}
        reached = max(reached, *[event["seq"] for event in past])
    assert counts[0] == 2
    await start(served, thread, "plain", input={})
    seqs = []
    while True:
        event = await socket.next()
        seqs.append(event["seq"])
        if event["params"]["data"].get("event") == "completed":
            break
    assert seqs == sorted(set(seqs))
    assert seqs[0] > reached
    assert socket.passed_over == []


@pytest.mark.parametrize(
    ("text", "error", "id"),
    [
        ("not json", "invalid_argument", None),
        ('{"method": "zz"}', "invalid_argument", None),
        ('{"id": 8, "method": "zz"}', "unknown_command", 8),
        ('{"id": 8, "method": "subscription.reconnect"}', "invalid_argument", 8),
        ('{"id": 8, "method": "subscription.unsubscribe"}', "no_such_subscription", 8),
    ],
    ids=["junk", "no-id", "unknown", "no-channels", "no-subscription"],
)
async def test_a_socket_answers_what_it_cannot_do(
    served: Served, thread: str, text: str, error: str, id: Any
) -> None:
    socket = await served.socket(thread)
    await socket.text(text)
    reply = await socket.next()
    assert (reply["type"], reply["error"], reply["id"]) == ("error", error, id)


@pytest.mark.parametrize(
    ("origin", "code"),
    [("http://evil.example", 4403), ("http://server", None)],
    ids=["foreign", "own"],
)
async def test_pages_of_other_origins_cannot_drive_the_server(
    served: Served, thread: str, origin: str, code: int | None
) -> None:
    socket = await served.socket(thread, {"origin": origin})
    await socket.text('{"id": 1, "method": "zz"}')
    reply = await socket.next()
    assert reply.get("code") == code


async def test_a_thread_that_is_no_uuid_closes_the_socket_with_4422(served: Served) -> None:
    assert (await (await served.socket("zz")).next())["code"] == 4422


async def test_a_socket_closes_when_the_server_is_about_to_stop(
    served: Served, thread: str
) -> None:
    socket = await served.socket(thread)
    served.server.closing.set()
    assert (await socket.next())["code"] == 1001


# --- the thread stream -------------------------------------------------------------------------


async def test_the_thread_stream_waits_for_the_thread_and_stays_over_its_runs(
    served: Served, thread: str
) -> None:
    stream = await served.stream("GET", f"/threads/{thread}/stream")
    for _ in range(2):
        run_id = await start(served, thread, "plain", input={})
        first, names = await stream.event(), []
        assert json.loads(first["data"])["run_id"] == run_id
        while True:
            event = await stream.event()
            names.append(event["event"])
            assert event["id"]
            if event["event"] == "metadata":
                break
        assert json.loads(event["data"]) == {"status": "run_done", "run_id": run_id}
        assert "values" in names


async def test_last_event_id_replays_what_is_stored_of_the_thread(
    served: Served, thread: str
) -> None:
    live = await served.stream("GET", f"/threads/{thread}/stream")
    for _ in range(2):
        await finished(served, thread, await start(served, thread, "plain", input={}))
    seen, done = [], 0
    while done < 2:
        seen.append(await live.event())
        done += "run_done" in seen[-1]["data"]
    path = f"/threads/{thread}/stream"
    again = await served.stream("GET", path, headers={"last-event-id": "-1"})
    assert [await again.event() for _ in seen] == seen
    behind = await served.stream("GET", path, headers={"last-event-id": seen[2]["id"]})
    assert [await behind.event() for _ in seen[3:]] == seen[3:]


@pytest.mark.parametrize("name", ["stream_mode", "stream_modes"])
async def test_lifecycle_tells_only_that_runs_start_and_are_done(
    served: Served, thread: str, name: str
) -> None:
    stream = await served.stream("GET", f"/threads/{thread}/stream?{name}=lifecycle")
    await start(served, thread, "plain", input={})
    assert [(await stream.event())["event"] for _ in range(2)] == ["metadata", "metadata"]


@pytest.mark.parametrize(
    ("query", "headers"),
    [("?stream_modes=zz", {}), ("", {"last-event-id": "x"})],
    ids=["mode", "id"],
)
async def test_a_wrong_mode_or_event_id_is_a_422(
    served: Served, thread: str, query: str, headers: Any
) -> None:
    reply = await served.client.get(f"/threads/{thread}/stream{query}", headers=headers)
    assert reply.status_code == 422


async def test_a_run_that_waits_for_its_time_does_not_hold_back_the_others(
    served: Served, thread: str
) -> None:
    stream = await served.stream("GET", f"/threads/{thread}/stream?stream_mode=lifecycle")
    body = {"assistant_id": "plain", "input": {}, "if_not_exists": "create", "after_seconds": 3600}
    await served.client.post(f"/threads/{thread}/runs", json=body)
    run_id = (
        await served.client.post(f"/threads/{thread}/runs", json={**body, "after_seconds": None})
    ).json()["run_id"]
    assert json.loads((await stream.event())["data"])["run_id"] == run_id


# --- who may -----------------------------------------------------------------------------------

OWNERS = """
from caesura.server.auth import Auth

auth = Auth()

@auth.authenticate
async def who(headers: dict[bytes, bytes]) -> str:
    name = headers.get(b"authorization", b"").decode()
    if not name:
        raise Auth.exceptions.HTTPException(status_code=401, detail="Who are you?")
    return name

@auth.on.threads
async def own(ctx: Auth.types.AuthContext, value: dict) -> dict:
    if value.get("metadata") is not None or "metadata" in value:
        value["metadata"] = {**(value.get("metadata") or {}), "owner": ctx.user.identity}
    return {"owner": ctx.user.identity}
"""


@pytest.fixture
async def owned(tmp_path: Path) -> AsyncIterator[Served]:
    """A server where everybody sees only their own threads."""
    (tmp_path / "owners.py").write_text(OWNERS)
    async with serving(tmp_path, {"auth": {"path": "./owners.py:auth"}}) as made:
        yield made


async def test_nobody_follows_or_drives_the_thread_of_another(owned: Served, thread: str) -> None:
    body = {"id": 1, "method": "run.start", "params": {"assistant_id": "agent", "input": {}}}
    anne, bob = ({"authorization": name} for name in ("anne", "bob"))
    path = f"/threads/{thread}/commands"
    early = await owned.stream(
        "POST", f"/threads/{thread}/stream/events", {"channels": ["lifecycle"]}, bob
    )
    assert (await owned.client.post(path, json=body, headers=anne)).json()["type"] == "success"
    mine = await owned.stream(
        "POST", f"/threads/{thread}/stream/events", {"channels": ["input"]}, anne
    )
    asked = (await mine.data())["params"]["data"]["interrupt_id"]
    for route, method in (("stream/events", "POST"), ("stream", "GET")):
        late = await owned.stream(
            method, f"/threads/{thread}/{route}", {"channels": ["input"]}, bob
        )
        assert late.status == early.status == 200
        for stream in (early, late):
            with pytest.raises(TimeoutError):  # as on a thread that does not exist
                await asyncio.wait_for(stream.event(), 0.1)
    answer = {"interrupt_id": asked, "response": YES}
    theirs = {"id": 2, "method": "input.respond", "params": answer}
    for foreign in (body, theirs, {"id": 3, "method": "agent.getTree"}):
        reply = await owned.client.post(path, json=foreign, headers=bob)
        assert reply.json()["type"] == "error"
    reply = await owned.client.post(path, json=theirs, headers=anne)
    assert reply.json()["type"] == "success"


@pytest.mark.parametrize(
    ("headers", "code"), [({}, 4401), ({"authorization": "bob"}, 4404)], ids=["nobody", "other"]
)
async def test_a_socket_of_somebody_else_is_closed_with_the_status(
    owned: Served, thread: str, headers: Any, code: int
) -> None:
    body = {"thread_id": thread}
    made = await owned.client.post("/threads", json=body, headers={"authorization": "anne"})
    assert made.status_code == 200
    assert (await (await owned.socket(thread, headers)).next())["code"] == code
