"""Graphs as MCP tools: listed, called, and the questions that they put to people."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.protocol_serving import Served, Stream, serving

from caesura.checkpoint.operations import FindInterrupts
from caesura.records.operations import FindThreads
from caesura.records.shapes import Assistant
from caesura.server.mcp.forms import answer_of, form_of
from caesura.server.mcp.questions import Asked
from caesura.server.mcp.rpc import version_for
from caesura.server.mcp.sessions import abilities_of, read_session, write_session
from caesura.server.mcp.tools import arguments_schema, named, to_input

YES = {"approve": True, "note": "fine"}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A server."""
    async with serving(tmp_path) as made:
        yield made


def request(method: str, id: Any = 1, **params: Any) -> Any:
    """A JSON-RPC request."""
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


async def rpc(served: Served, method: str, **params: Any) -> Any:
    """Send a request; returns the response."""
    reply = await served.client.post("/mcp", json=request(method, **params))
    assert reply.status_code == 200, reply.text
    return reply.json()


async def call(served: Served, name: str, **arguments: Any) -> Any:
    """Call a tool as a client that cannot be asked; returns the result."""
    return (await rpc(served, "tools/call", name=name, arguments=arguments))["result"]


async def asking_call(served: Served, name: str) -> Stream:
    """Call a tool as a client that puts questions before people."""
    begun = await served.client.post(
        "/mcp", json=request("initialize", capabilities={"elicitation": {}})
    )
    session = {"mcp-session-id": begun.headers["mcp-session-id"]}
    body = request("tools/call", 7, name=name, arguments={})
    return await served.stream("POST", "/mcp", body, session)


async def respond(served: Served, asked: Any, **result: Any) -> None:
    """Answer a question as the client's."""
    body = {"jsonrpc": "2.0", "id": asked["id"], "result": result}
    assert (await served.client.post("/mcp", json=body)).status_code == 202


# --- the protocol ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [
        ("2025-03-26", "2025-03-26"), ("2025-06-18", "2025-06-18"), ("2025-09-01", "2025-06-18"),
        ("2099-01-01", "2025-11-25"), ("2024-11-05", "2025-03-26"), (None, "2025-03-26"),
    ],
    ids=["oldest", "same", "between", "newer", "older", "none"],
)  # fmt: skip
def test_the_version_is_the_newest_that_is_not_newer_than_asked(asked: Any, spoken: str) -> None:
    assert version_for(asked) == spoken


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
async def test_both_paths_answer_without_a_redirect(served: Served, path: str) -> None:
    reply = await served.client.post(path, json=request("ping"))
    assert (reply.status_code, reply.json()["result"]) == (200, {})


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        (b"{", -32700, 400),
        (b'{"id": 1}', -32600, 400),
        (b'{"jsonrpc": "2.0", "id": {}, "method": "ping"}', -32600, 400),
        (b"[]", -32600, 400),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": 5}', -32602, 400),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "zzz"}', -32601, 200),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "z"}}', -32602, 200),
    ],
    ids=["json", "no-version", "odd-id", "empty-batch", "odd-params", "method", "tool"],
)  # fmt: skip
async def test_what_is_wrong_has_its_code(
    served: Served, body: bytes, code: int, status: int
) -> None:
    reply = await served.client.post("/mcp", content=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)


async def test_notifications_are_taken_note_of(served: Served) -> None:
    body = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    reply = await served.client.post("/mcp", json=body)
    assert (reply.status_code, reply.content) == (202, b"")


async def test_a_batch_is_answered_request_by_request_in_the_version_that_has_them(
    served: Served,
) -> None:
    batch = [request("ping", "a"), {"jsonrpc": "2.0", "method": "n"}, request("zz", "b"), 5]
    reply = await served.client.post("/mcp", json=batch)
    found = [(each["id"], each.get("error", {}).get("code")) for each in reply.json()]
    assert found == [("a", None), ("b", -32601), (None, -32600)]
    later = {"mcp-protocol-version": "2025-06-18"}
    refused = await served.client.post("/mcp", json=batch, headers=later)
    assert refused.json()["error"]["code"] == -32600


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [("GET", {}, 405), ("DELETE", {}, 404), ("DELETE", {"mcp-session-id": "x"}, 204)],
    ids=["get", "delete", "end"],
)
async def test_there_is_no_stream_to_open_and_no_session_to_keep(
    served: Served, method: str, headers: Any, status: int
) -> None:
    assert (await served.client.request(method, "/mcp", headers=headers)).status_code == status


async def test_a_disabled_server_has_no_mcp(tmp_path: Path) -> None:
    async with serving(tmp_path, {"http": {"disable_mcp": True}}) as served:
        assert (await served.client.post("/mcp", json=request("ping"))).status_code == 404


@pytest.mark.parametrize(
    ("capabilities", "elicits"),
    [({"elicitation": {}}, True), ({"elicitation": {"form": {}}}, True),
     ({"elicitation": {"url": {}}}, False), ({}, False), (None, False)],
    ids=["plain", "form", "url-only", "none", "absent"],
)  # fmt: skip
def test_a_session_id_carries_what_the_client_can_do(capabilities: Any, elicits: bool) -> None:
    assert read_session(write_session(abilities_of(capabilities))).elicits is elicits


@pytest.mark.parametrize("id", [None, "", "junk", "ä", "eyJhIjoxfQ", "x" * 1000])
def test_a_session_id_that_is_none_of_ours_carries_nothing(id: Any) -> None:
    assert read_session(id).elicits is False


# --- tools -------------------------------------------------------------------------------------


async def test_every_assistant_is_a_tool(served: Served) -> None:
    body = {"graph_id": "plain", "name": "My assistant!", "description": "Does it."}
    await served.client.post("/assistants", json=body)
    tools = (await rpc(served, "tools/list"))["result"]["tools"]
    found = {tool["name"]: tool for tool in tools}
    assert set(found) == {"agent", "plain", "waiting", "outer", "pair", "My_assistant"}
    assert found["My_assistant"]["description"] == "Does it."
    assert found["plain"]["inputSchema"]["properties"]["topic"]["type"] == "string"


def test_names_of_tools_are_unique_and_a_graph_keeps_its_own() -> None:
    system = {"created_by": "system"}
    given = [
        Assistant("11111111-a", "g", "g", "", ""),
        Assistant("22222222-b", "g", "g", "", "", metadata=system),
        Assistant("33333333-c", "g", "???", "", ""),
    ]
    tools = {tool.name: tool.assistant.assistant_id for tool in named(given)}
    assert tools == {"g": "22222222-b", "g-11111111": "11111111-a", "g-33333333": "33333333-c"}


@pytest.mark.parametrize(
    ("schema", "arguments", "given"),
    [
        ({"type": "object", "properties": {"a": {}}}, {"a": 1}, {"a": 1}),
        ({"type": "string"}, {"input": "x"}, "x"),
        ({"type": "object", "properties": {"messages": {"type": "array"}}}, {"messages": "hi"},
         {"messages": [{"role": "user", "content": "hi"}]}),
        ({"type": "object", "properties": {"messages": {"type": "string"}}}, {"messages": "hi"},
         {"messages": "hi"}),
    ],
    ids=["object", "plain", "messages", "own-messages"],
)  # fmt: skip
def test_arguments_become_the_graphs_input(schema: Any, arguments: Any, given: Any) -> None:
    assert arguments_schema(schema)["type"] == "object"
    assert to_input(schema, arguments) == given


async def test_a_call_gives_the_output_and_leaves_nothing_behind(served: Served) -> None:
    result = await call(served, "plain", topic="x")
    assert result["structuredContent"] == {"topic": "x", "log": ["one"]}
    assert json.loads(result["content"][0]["text"]) == {"topic": "x", "log": ["one"]}
    assert (await served.server.do(FindThreads())).rows == []


async def test_a_failed_call_is_an_error_result(served: Served) -> None:
    result = await call(served, "plain", topic="boom")
    assert result == {
        "content": [{"type": "text", "text": "ValueError: boom at node"}], "isError": True,
    }  # fmt: skip


async def test_a_client_that_cannot_be_asked_is_told_how_to_answer_and_the_thread_is_kept(
    served: Served,
) -> None:
    result = await call(served, "agent")
    (asked,) = result["structuredContent"]["interrupts"]
    thread = result["structuredContent"]["thread_id"]
    text = result["content"][0]["text"]
    for told in (asked["interrupt_id"], thread, "sure?", asked["answer_with"]):
        assert told in text
    path = f"/interrupts/{asked['interrupt_id']}/answer"
    assert f"curl -X POST http://server{path} " in asked["answer_with"]
    reply = await served.client.post(path, json={"answer": YES})
    run = reply.json()["run_id"]
    values = (await served.client.get(f"/threads/{thread}/runs/{run}/join")).json()
    assert values["log"] == ["one", "fine"]


# --- questions ---------------------------------------------------------------------------------


async def test_a_client_that_can_be_asked_answers_and_the_call_goes_on(served: Served) -> None:
    stream = await asking_call(served, "agent")
    asked = await stream.data()
    assert asked["method"] == "elicitation/create"
    assert "sure?" in asked["params"]["message"]
    assert asked["params"]["requestedSchema"] == {
        "type": "object",
        "properties": {"approve": {"type": "boolean"}, "note": {"type": "string"}},
        "required": ["approve", "note"],
    }
    await respond(served, asked, action="accept", content=YES)
    done = await stream.data()
    assert done["id"] == 7
    assert done["result"]["structuredContent"]["log"] == ["one", "fine"]
    with pytest.raises(EOFError):
        await stream.event()


async def test_questions_are_asked_one_after_the_other(served: Served) -> None:
    stream = await asking_call(served, "pair")
    seen = []
    for _ in range(2):
        asked = await stream.data()
        fields = asked["params"]["requestedSchema"]["properties"]
        seen.append(sorted(fields))
        content = {"answer": "because"} if "answer" in fields else YES
        await respond(served, asked, action="accept", content=content)
    assert sorted(seen) == [["answer"], ["approve", "note"]]
    log = (await stream.data())["result"]["structuredContent"]["log"]
    assert sorted(log) == ["because", "fine"]


async def test_an_answer_that_does_not_fit_is_asked_for_again_with_the_reason(
    served: Served,
) -> None:
    stream = await asking_call(served, "agent")
    await respond(served, await stream.data(), action="accept", content={"approve": "maybe"})
    again = await stream.data()
    assert "/approve" in again["params"]["message"]
    await respond(served, again, action="accept", content=YES)
    assert (await stream.data())["result"]["structuredContent"]["log"] == ["one", "fine"]


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_person_who_declines_leaves_the_question_open(served: Served, action: str) -> None:
    stream = await asking_call(served, "agent")
    await respond(served, await stream.data(), action=action)
    content = (await stream.data())["result"]["structuredContent"]
    assert content["status"] == "waiting"
    rows = await served.server.do(FindInterrupts(content["thread_id"]))
    assert [row.id for row in rows] == [content["interrupts"][0]["interrupt_id"]]


async def test_an_answer_from_elsewhere_lets_the_call_go_on(served: Served) -> None:
    stream = await asking_call(served, "agent")
    asked = Asked.read((await stream.data())["id"])
    assert asked is not None
    await served.client.post(f"/interrupts/{asked.interrupt_id}/answer", json={"answer": YES})
    assert (await stream.data())["result"]["structuredContent"]["log"] == ["one", "fine"]


async def test_a_response_is_accepted_by_a_process_that_has_not_asked(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        asked = await (await asking_call(served, "agent")).data()
    async with serving(tmp_path) as served:
        await respond(served, asked, action="accept", content=YES)
        read = Asked.read(asked["id"])
        assert read is not None
        assert await served.server.do(FindInterrupts(read.thread_id)) == []


async def test_a_response_to_what_was_never_asked_changes_nothing(served: Served) -> None:
    for id in ("x", 5, "caesura:a:b:c"):
        await respond(served, {"id": id}, action="accept", content={"answer": 1})


NESTED = {"type": "object", "properties": {"a": {"type": "array"}}}


@pytest.mark.parametrize(
    ("schema", "content", "answer"),
    [
        (None, {"answer": "text"}, "text"),
        ({"type": "integer", "minimum": 1}, {"answer": 3}, 3),
        ({"enum": ["a", "b"]}, {"answer": "a"}, "a"),
        ({"enum": [1, 2]}, {"answer": "2"}, 2),
        (NESTED, {"answer": '{"a": [1]}'}, {"a": [1]}),
        (NESTED, {"answer": "no json"}, "no json"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}},
          "$defs": {"A": {"type": "boolean"}}}, {"a": True}, {"a": True}),
    ],
    ids=["anything", "integer", "texts", "numbers", "nested", "broken", "reference"],
)  # fmt: skip
def test_forms_are_flat_and_give_the_answer_back(schema: Any, content: Any, answer: Any) -> None:
    form = form_of(schema)
    kinds = {field["type"] for field in form["properties"].values()}
    assert kinds <= {"string", "number", "integer", "boolean"}
    assert set(content) == set(form["properties"])
    assert answer_of(schema, content) == answer
