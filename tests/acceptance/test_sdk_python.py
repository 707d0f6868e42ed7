"""`langgraph-sdk` from the registry, unmodified, against the server: every method it has.

Each test runs with the async client and with the sync one.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import get_client, get_sync_client
from langgraph_sdk.errors import ConflictError, NotFoundError

from .sdk import (
    ASKED,
    GROUPS,
    KINDS,
    public_methods,
    slow_run,
    waiting_thread,
)
from .server import Server

pytestmark = pytest.mark.asyncio


# --- assistants --------------------------------------------------------------------------------


async def test_assistants_are_made_changed_rolled_back_and_deleted(
    client: Any, mark: dict[str, str]
) -> None:
    made = await client.assistants.create(
        "agent", context={"user": "u1"}, metadata=mark, name="First", description="d"
    )
    ident = made["assistant_id"]
    again = await client.assistants.create("agent", assistant_id=ident, if_exists="do_nothing")
    assert again == made == await client.assistants.get(ident)
    assert (made["version"], made["name"], made["context"]) == (1, "First", {"user": "u1"})
    with pytest.raises(ConflictError):
        await client.assistants.create("agent", assistant_id=ident)
    changed = await client.assistants.update(ident, name="Second", metadata={"more": "yes"})
    assert (changed["version"], changed["name"]) == (2, "Second")
    assert changed["metadata"] == {**mark, "more": "yes"}
    versions = await client.assistants.get_versions(ident)
    assert [version["version"] for version in versions] == [2, 1]
    assert (await client.assistants.set_latest(ident, 1))["name"] == "First"
    await client.assistants.delete(ident)
    with pytest.raises(NotFoundError):
        await client.assistants.get(ident)


async def test_assistants_are_found_page_by_page(client: Any, mark: dict[str, str]) -> None:
    for name in ("a", "b", "c"):
        await client.assistants.create("agent", metadata=mark, name=name)
    assert await client.assistants.count(metadata=mark) == 3
    found = {"metadata": mark, "sort_by": "name", "sort_order": "asc", "limit": 2}
    page = await client.assistants.search(**found, response_format="object")
    assert [one["name"] for one in page["assistants"]] == ["a", "b"]
    rest = await client.assistants.search(**found, offset=int(page["next"]), select=["name"])
    assert rest == [{"name": "c"}]
    for one in await client.assistants.search(metadata=mark):
        await client.assistants.delete(one["assistant_id"], delete_threads=True)


async def test_an_assistant_shows_its_graph_schemas_and_subgraphs(client: Any) -> None:
    graph = await client.assistants.get_graph("sub", xray=True)
    assert {"child:inner_a", "child:inner_ask"} <= {node["id"] for node in graph["nodes"]}
    found = await client.assistants.search(graph_id="sub")
    ident = found[0]["assistant_id"]
    assert set(await client.assistants.get_subgraphs(ident, recurse=True)) == {"child"}
    assert set(await client.assistants.get_subgraphs(ident, "child")) == {"child"}
    schemas = await client.assistants.get_schemas(ident)
    assert set(schemas["input_schema"]["properties"]) == {"topic", "draft", "decision", "log"}


# --- threads -----------------------------------------------------------------------------------


async def test_threads_are_made_found_changed_copied_pruned_and_deleted(
    client: Any, mark: dict[str, str]
) -> None:
    thread = await client.threads.create(metadata=mark, ttl=60, graph_id="agent")
    ident = thread["thread_id"]
    same = await client.threads.create(thread_id=ident, if_exists="do_nothing")
    assert same["thread_id"] == ident
    with pytest.raises(ConflictError):
        await client.threads.create(thread_id=ident)
    assert (await client.threads.get(ident, include=["ttl"]))["status"] == "idle"
    changed = await client.threads.update(ident, metadata={"more": 1})
    assert changed["metadata"] == {**mark, "graph_id": "agent", "more": 1}
    assert await client.threads.update(ident, metadata={"more": 2}, return_minimal=True) is None
    copy = await client.threads.copy(ident)
    assert await client.threads.count(metadata=mark) == 2
    found = await client.threads.search(metadata=mark, ids=[ident], select=["thread_id", "status"])
    assert found == [{"thread_id": ident, "status": "idle"}]
    assert await client.threads.prune([copy["thread_id"]]) == {"pruned_count": 1}
    await client.threads.delete(ident)
    with pytest.raises(NotFoundError):
        await client.threads.get(ident)
    assert await client.threads.search(metadata=mark) == []


async def test_a_thread_begins_with_given_supersteps(client: Any) -> None:
    given = [{"values": {"topic": "t"}, "as_node": "__input__"}]
    drafted = [{"values": {"draft": "d", "log": ["draft"]}, "as_node": "draft"}]
    thread = await client.threads.create(
        graph_id="agent", supersteps=[{"updates": given}, {"updates": drafted}]
    )
    state = await client.threads.get_state(thread["thread_id"])
    assert (state["values"]["draft"], state["next"]) == ("d", ["approve"])


async def test_a_thread_that_waits_says_what_for(client: Any) -> None:
    ident = await waiting_thread(client)
    thread = await client.threads.get(ident)
    state = await client.threads.get_state(ident)
    assert (thread["status"], state["next"]) == ("interrupted", ["approve"])
    [task] = state["tasks"]
    assert list(thread["interrupts"]) == [task["id"]]
    [asked] = thread["interrupts"][task["id"]]
    assert asked["value"] == ASKED
    assert [one["id"] for one in (*task["interrupts"], *state["interrupts"])] == [asked["id"]] * 2
    found = await client.threads.search(
        ids=[ident], status="interrupted", extract={"topic": "values.topic"}
    )
    assert found[0]["extracted"] == {"topic": "cats"}


async def test_the_state_inside_a_subgraph_is_shown_and_addressed(client: Any) -> None:
    thread = await client.threads.create()
    ident = thread["thread_id"]
    await client.runs.wait(ident, "sub", input={"topic": "s"})
    state = await client.threads.get_state(ident, subgraphs=True)
    inner = state["tasks"][0]["state"]
    assert inner["next"] == ["inner_ask"]
    assert inner["values"]["log"] == ["first", "inner_a"]
    addressed = await client.threads.get_state(ident, checkpoint=inner["checkpoint"])
    assert addressed["values"] == inner["values"]
    result = await client.runs.wait(ident, "sub", command={"resume": "ok"})
    assert result["log"] == ["first", "first", "inner_a", "inner_ask", "last"]


async def test_history_is_read_backwards_from_any_checkpoint(client: Any) -> None:
    ident = await waiting_thread(client)
    await client.runs.wait(ident, "agent", command={"resume": "yes"})
    history = await client.threads.get_history(ident)
    assert [state["next"] for state in history] == [
        [],
        ["publish"],
        ["approve"],
        ["draft"],
        ["__start__"],
    ]
    cut = history[1]["checkpoint"]
    older = [state["checkpoint"]["checkpoint_id"] for state in history[2:]]
    for before in (cut, cut["checkpoint_id"]):
        found = await client.threads.get_history(ident, before=before)
        assert [state["checkpoint"]["checkpoint_id"] for state in found] == older
    at = await client.threads.get_state(ident, checkpoint_id=cut["checkpoint_id"])
    assert at["next"] == ["publish"]


async def test_state_is_edited_and_a_past_checkpoint_continued(client: Any) -> None:
    ident = await waiting_thread(client)
    before = await client.threads.get_state(ident)
    edited = await client.threads.update_state(ident, {"decision": "forced"}, as_node="approve")
    state = await client.threads.get_state(ident)
    assert state["checkpoint"]["checkpoint_id"] == edited["checkpoint"]["checkpoint_id"]
    assert (state["next"], state["values"]["decision"]) == (["publish"], "forced")
    forked = await client.runs.wait(
        ident, "agent", checkpoint=before["checkpoint"], command={"resume": "forked"}
    )
    assert forked["decision"] == "forked"


# --- pausing and answering ---------------------------------------------------------------------


async def test_an_answer_continues_the_run_where_it_stood(client: Any) -> None:
    ident = await waiting_thread(client)
    result = await client.runs.wait(ident, "agent", command={"resume": {"approved": True}})
    assert result["decision"] == {"approved": True}
    assert result["log"] == ["draft", "approve", "publish:{'approved': True}"]
    assert (await client.threads.get(ident))["status"] == "idle"


async def test_answers_by_id_reach_their_questions_one_at_a_time(client: Any) -> None:
    thread = await client.threads.create()
    ident = thread["thread_id"]
    asked = (await client.runs.wait(ident, "multi", input={}))["__interrupt__"]
    ids = {one["value"]: one["id"] for one in asked}
    rest = await client.runs.wait(ident, "multi", command={"resume": {ids["q2"]: "B"}})
    assert [one["value"] for one in rest["__interrupt__"]] == ["q1"]
    done = await client.runs.wait(ident, "multi", command={"resume": {ids["q1"]: "A"}})
    assert sorted(done["log"]) == ["a1=A", "a2=B"]


async def test_two_questions_of_one_node_are_asked_in_turn(client: Any) -> None:
    thread = await client.threads.create()
    ident = thread["thread_id"]
    first = await client.runs.wait(ident, "seq2", input={})
    second = await client.runs.wait(ident, "seq2", command={"resume": "one"})
    asked = [r["__interrupt__"][0] for r in (first, second)]
    assert [one["value"] for one in asked] == ["first?", "second?"]
    assert asked[0]["id"] != asked[1]["id"]
    assert (await client.runs.wait(ident, "seq2", command={"resume": "two"}))["log"] == ["one/two"]


async def test_a_question_in_a_nested_graph_is_streamed_with_its_place(client: Any) -> None:
    thread = await client.threads.create()
    parts = [
        part
        async for part in client.runs.stream(
            thread["thread_id"],
            "nested",
            input={"topic": "n"},
            stream_mode="updates",
            stream_subgraphs=True,
        )
    ]
    asking = [p.event for p in parts if isinstance(p.data, dict) and "__interrupt__" in p.data]
    assert [event.count("|") for event in asking] == [2, 1, 0]
    assert asking[0].split("|")[1].startswith("mid:")


async def test_a_breakpoint_stops_before_a_node_and_null_input_goes_on(client: Any) -> None:
    thread = await client.threads.create()
    ident = thread["thread_id"]
    stopped = await client.runs.wait(
        ident, "trivial", input={"topic": "a"}, interrupt_before=["one"]
    )
    assert stopped == {"topic": "a", "log": []}
    assert (await client.threads.get(ident))["status"] == "interrupted"
    assert (await client.runs.wait(ident, "trivial", input=None))["log"] == ["one"]


async def test_a_waiting_thread_survives_a_killed_server(client: Any, server: Server) -> None:
    ident = await waiting_thread(client)
    await asyncio.to_thread(server.restart)
    state = await client.threads.get_state(ident)
    assert [one["value"] for one in state["interrupts"]] == [ASKED]
    result = await client.runs.wait(ident, "agent", command={"resume": "late"})
    assert result["log"] == ["draft", "approve", "publish:late"]


async def test_a_run_goes_on_after_the_server_was_killed(client: Any, server: Server) -> None:
    thread, run = await slow_run(client, 0.5)
    await asyncio.to_thread(server.restart)
    assert await client.runs.join(thread, run) == {"seconds": 0.5, "ticks": [5, -1]}


# --- all of it ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_every_public_method_of_the_sdk_is_called_here(kind: str) -> None:
    files = Path(__file__).parent.glob("test_sdk_python*.py")
    source = "".join(file.read_text() for file in files)
    sdk = get_client(url="http://x") if kind == "async" else get_sync_client(url="http://x")
    missing = [
        f"{group}.{name}"
        for group in GROUPS
        for name in public_methods(getattr(sdk, group))
        if f"client.{group}.{name}(" not in source
    ]
    assert missing == []
