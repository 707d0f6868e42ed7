"""Assistants over HTTP: made, changed in versions, resolved for runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from tests.unit.serving import Served, served

from caesura.records.operations import UpdateAssistant
from caesura.records.shapes import Assistant
from caesura.server.assistants import KnownAssistants, mirrored, resolve, system_id
from caesura.server.http.problems import Problem


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as found:
        yield found


async def make(api: Served, **body: Any) -> Any:
    return await api.json("POST", "/assistants", {"graph_id": "agent", **body})


async def test_every_graph_has_an_assistant_whose_id_follows_from_its_name(api: Served) -> None:
    found = await api.json(
        "POST", "/assistants/search", {"sort_by": "graph_id", "sort_order": "asc"}
    )
    assert [a["graph_id"] for a in found] == ["agent", "asking", "outer"]
    agent = found[0]
    assert agent["assistant_id"] == "fe096781-5601-53d2-b2f6-0d3403f7e9ca" == system_id("agent")
    assert agent["metadata"] == {"created_by": "system"}
    assert (agent["name"], agent["version"], agent["config"]) == ("agent", 1, {})


async def test_configurable_and_context_mirror_each_other(api: Served) -> None:
    by_config = await make(api, config={"configurable": {"x": 1}, "tags": ["t"]})
    assert by_config["context"] == {"x": 1}
    by_context = await make(api, context={"user": "u1"})
    assert by_context["config"] == {"configurable": {"user": "u1"}}
    assert by_context["name"] == "Untitled"


async def test_configurable_and_context_together_are_refused(api: Served) -> None:
    body = {"graph_id": "agent", "config": {"configurable": {"a": 1}}, "context": {"b": 2}}
    refused = await api.json("POST", "/assistants", body, status=400)
    assert refused["detail"].startswith("Cannot specify both configurable and context.")
    assert await api.json("POST", "/assistants/count", {}) == 3


async def test_an_id_is_taken_once(api: Served) -> None:
    id = str(uuid4())
    first = await make(api, assistant_id=id.upper(), name="first")
    assert first["assistant_id"] == id
    again = {"graph_id": "agent", "assistant_id": id, "name": "second"}
    refused = await api.json("POST", "/assistants", again, status=409)
    assert refused["detail"] == f"Assistant {id} already exists"
    assert await api.json("POST", "/assistants", {**again, "if_exists": "do_nothing"}) == first


async def test_a_change_is_a_new_version_and_keeps_what_was_not_named(api: Served) -> None:
    made = await make(api, metadata={"k": "v"}, config={"configurable": {"x": 1}, "tags": ["t"]})
    path = f"/assistants/{made['assistant_id']}"
    changed = await api.json("PATCH", path, {"context": {"x": 2}, "metadata": {"k2": "v2"}})
    assert changed["version"] == 2
    assert changed["config"] == {"configurable": {"x": 2}, "tags": ["t"]}
    assert changed["context"] == {"x": 2}
    assert changed["metadata"] == {"k": "v", "k2": "v2"}
    versions = await api.json("POST", f"{path}/versions", {})
    assert [v["version"] for v in versions] == [2, 1]
    assert "updated_at" not in versions[0]


async def test_going_back_to_a_version_brings_back_all_it_held(api: Served) -> None:
    made = await make(api, name="A", config={"configurable": {"x": 1}})
    path = f"/assistants/{made['assistant_id']}"
    await api.json("PATCH", path, {"name": "B", "config": {"configurable": {"x": 2}}})
    back = await api.json("POST", f"{path}/latest", {"version": 1})
    assert (back["name"], back["version"], back["context"]) == ("A", 1, {"x": 1})
    assert (await api.json("PATCH", path, {"name": "C"}))["version"] == 3
    missing = await api.json("POST", f"{path}/latest", {"version": 99}, status=404)
    assert missing["detail"] == f"Version 99 not found for assistant {made['assistant_id']}"
    await api.json("POST", f"{path}/latest", {"version": 10**30}, status=404)


async def test_a_deleted_assistant_is_gone_and_its_threads_with_it_if_asked(api: Served) -> None:
    made = await make(api)
    path = f"/assistants/{made['assistant_id']}"
    thread = await api.json(
        "POST", "/threads", {"metadata": {"assistant_id": made["assistant_id"]}}
    )
    other = await api.json("POST", "/threads", {})
    assert (await api("DELETE", f"{path}?delete_threads=true")).status_code == 204
    await api.json("GET", f"/threads/{thread['thread_id']}", status=404)
    await api.json("GET", f"/threads/{other['thread_id']}")
    gone = await api.json("DELETE", path, status=404)
    assert gone["detail"] == f"Assistant with ID {made['assistant_id']} not found"


async def test_a_search_says_whether_there_is_more(api: Served) -> None:
    page = await api("POST", "/assistants/search", {"limit": 2, "select": ["name"]})
    assert [list(found) for found in page.json()] == [["name"], ["name"]]
    assert page.headers["x-pagination-next"] == "2"
    assert page.headers["x-pagination-total"] == "3"
    named = await api.json("POST", "/assistants/search", {"name": "GEN"})
    assert [a["name"] for a in named] == ["agent"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/assistants/agent", None, 422),
        ("GET", "/assistants/9ae51e0d-a923-4f36-8699-f64a89c7fac4", None, 404),
        ("GET", "/assistants/agent/schemas", None, 422),
        ("GET", "/assistants/agent/graph?xray=deep", None, 422),
        ("GET", "/assistants/nope/graph", None, 422),
        ("POST", "/assistants", {}, 422),
        ("POST", "/assistants", {"graph_id": "nope"}, 404),
        ("POST", "/assistants", {"graph_id": "agent", "assistant_id": "x"}, 422),
        ("POST", "/assistants", {"graph_id": "agent", "config": {"configurable": 3}}, 422),
        ("POST", "/assistants/search", {"graph_id": "nope"}, 404),
        ("POST", "/assistants/search", {"limit": 0}, 422),
        ("PATCH", "/assistants/9ae51e0d-a923-4f36-8699-f64a89c7fac4", {"name": "z"}, 404),
    ],
)
async def test_what_cannot_be_is_refused(
    api: Served, method: str, path: str, body: Any, status: int
) -> None:
    assert (await api.json(method, path, body, status=status))["detail"]


async def test_a_graph_is_drawn_and_described(api: Served) -> None:
    drawn = await api.json("GET", "/assistants/outer/graph?xray=true")
    assert {"child:inner"} <= {node["id"] for node in drawn["nodes"]}
    flat = await api.json("GET", f"/assistants/{system_id('outer')}/graph")
    assert {"child"} <= {node["id"] for node in flat["nodes"]}
    schemas = await api.json("GET", f"/assistants/{system_id('agent')}/schemas")
    assert schemas["graph_id"] == "agent"
    assert schemas["input_schema"]["properties"]["topic"]["type"] == "string"
    nested = await api.json("GET", f"/assistants/{system_id('outer')}/subgraphs")
    assert list(nested) == ["child"]
    assert await api.json("GET", f"/assistants/{system_id('outer')}/subgraphs/zzz") == {}


async def test_a_run_names_its_assistant_by_id_or_by_its_graph(api: Served) -> None:
    own = await make(api)
    assert (await resolve(api.server, "agent")).assistant_id == system_id("agent")
    assert (await resolve(api.server, own["assistant_id"])).graph_id == "agent"
    with pytest.raises(Problem) as unknown:
        await resolve(api.server, "nope")
    assert unknown.value.status == 422
    assert unknown.value.detail == (
        "Invalid assistant: 'nope'. Must be either:\n- A valid assistant UUID, or\n"
        "- One of the registered graphs: agent, asking, outer"
    )
    with pytest.raises(Problem, match="not found") as absent:
        await resolve(api.server, str(uuid4()))
    assert absent.value.status == 404


async def test_a_change_of_a_graphs_own_assistant_is_seen_by_the_next_run(api: Served) -> None:
    await resolve(api.server, "agent")
    await api.json("PATCH", f"/assistants/{system_id('agent')}", {"context": {"x": 1}})
    assert (await resolve(api.server, "agent")).context == {"x": 1}


async def test_a_change_of_an_assistant_that_people_made_is_seen_at_once(api: Served) -> None:
    made = await make(api)
    id = made["assistant_id"]
    await resolve(api.server, id)
    # As another process would do it.
    await api.server.do(UpdateAssistant(id, made["created_at"], name="changed elsewhere"))
    assert (await resolve(api.server, id)).name == "changed elsewhere"


async def test_what_people_changed_in_a_graphs_own_assistant_survives_a_restart(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as api:
        await api.json("PATCH", f"/assistants/{system_id('agent')}", {"context": {"x": 1}})
    async with served(tmp_path) as api:
        assert (await resolve(api.server, "agent")).context == {"x": 1}


async def test_a_broken_graph_is_refused_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import nothing_of_this_name\n")
    graphs = {"agent": "./graphs.py:agent", "bad": "./broken.py:graph"}
    async with served(tmp_path, {"graphs": graphs}) as api:
        body = {"graph_id": "bad"}
        refused = await api.json("POST", "/assistants", body, status=422)
        assert "nothing_of_this_name" in refused["detail"]
        with pytest.raises(Problem, match="nothing_of_this_name"):
            await resolve(api.server, "bad")


def test_known_assistants_are_forgotten_after_a_second() -> None:
    time = [10.0]
    known = KnownAssistants(lambda: time[0])
    own = Assistant(system_id("agent"), "agent", "agent", "", "")
    known.keep(own)
    known.keep(Assistant(str(uuid4()), "agent", "by hand", "", ""))
    assert known.get(own.assistant_id) is own
    time[0] += 1.1
    assert known.get(own.assistant_id) is None


def test_an_assistant_made_by_hand_is_never_kept() -> None:
    known = KnownAssistants()
    made = Assistant(str(uuid4()), "agent", "by hand", "", "")
    known.keep(made)
    assert known.get(made.assistant_id) is None


def test_a_config_without_configurable_leaves_the_context() -> None:
    before = Assistant("id", "agent", "a", "", "", config={"tags": ["t"]}, context={"x": 1})
    assert mirrored({"tags": ["z"]}, None, before) == (
        {"tags": ["z"], "configurable": {"x": 1}},
        {"x": 1},
    )
