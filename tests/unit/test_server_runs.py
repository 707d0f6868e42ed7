"""Runs that are refused when they are submitted, and how a thread stands after one that never began."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.unit.asking_server import ask, serving
from tests.unit.serving import Served, served


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as found:
        yield found


# --- a resume of a past checkpoint -------------------------------------------------------------


@pytest_asyncio.fixture
async def forked(tmp_path: Path) -> AsyncIterator[Any]:
    """A client, and a thread whose question was withdrawn by new input: (client, thread, checkpoint)."""
    async with serving(tmp_path) as (client, _):
        asked = await ask(client)
        path = f"/threads/{asked['thread_id']}"
        past = (await client.get(f"{path}/state")).json()["checkpoint"]["checkpoint_id"]
        again = {"assistant_id": "pay", "input": {"to": "Other"}}
        assert (await client.post(f"{path}/runs/wait", json=again)).status_code == 200
        yield client, path, past, asked["id"]


async def test_a_resume_of_a_past_checkpoint_that_does_not_fit_starts_no_run(forked: Any) -> None:
    client, path, past, id = forked
    before = (await client.get(f"{path}/runs")).json()
    for resume, status in (
        ({"decision": "perhaps"}, 422),
        ({id: {"decision": "perhaps"}}, 422),
        ({"0" * 32: {"decision": "approve"}}, 404),
    ):
        body = {"assistant_id": "pay", "checkpoint_id": past, "command": {"resume": resume}}
        refused = await client.post(f"{path}/runs", json=body)
        assert (refused.status_code, resume) == (status, resume), refused.text
    assert (await client.get(f"{path}/runs")).json() == before


async def test_a_resume_of_a_past_checkpoint_that_fits_goes_on_from_there(forked: Any) -> None:
    client, path, past, id = forked
    body = {
        "assistant_id": "pay",
        "checkpoint_id": past,
        "command": {"resume": {id: {"decision": "approve"}}},
    }
    values = (await client.post(f"{path}/runs/wait", json=body)).json()
    assert values["outcome"] == {"decision": "approve"}
    second = await client.post(f"{path}/runs", json=body)
    assert second.status_code in (200, 409)


# --- a run that was cancelled before it began --------------------------------------------------


async def cancelled_before_it_began(api: Served, thread: str, body: Any) -> Any:
    """The thread, after a run on it was accepted for later, and cancelled."""
    later = {"assistant_id": "outer", "after_seconds": 3600, **body}
    run = await api.json("POST", f"/threads/{thread}/runs", later)
    assert (await api.json("GET", f"/threads/{thread}"))["status"] == "busy"
    path = f"/threads/{thread}/runs/{run['run_id']}/cancel"
    assert (await api("POST", path)).status_code == 202
    return await api.json("GET", f"/threads/{thread}")


@pytest.mark.parametrize(
    ("first", "stands"),
    [
        ({}, "idle"),
        ({"interrupt_before": ["child"]}, "interrupted"),
        ({"interrupt_after": ["first"]}, "interrupted"),
    ],
    ids=["finished", "before", "after"],
)
async def test_after_a_run_that_never_began_a_thread_stands_as_before(
    api: Served, first: Any, stands: str
) -> None:
    thread = (await api.json("POST", "/threads", {}))["thread_id"]
    run = {"assistant_id": "outer", "input": {"topic": "x"}, **first}
    await api.json("POST", f"/threads/{thread}/runs/wait", run)
    assert (await api.json("GET", f"/threads/{thread}"))["status"] == stands
    assert (await cancelled_before_it_began(api, thread, {}))["status"] == stands
    values = await api.json("POST", f"/threads/{thread}/runs/wait", {"assistant_id": "outer"})
    assert values["log"][0] == "one"
    assert (await cancelled_before_it_began(api, thread, {}))["status"] == "idle"


async def test_after_a_state_written_by_hand_too(api: Served) -> None:
    thread = (await api.json("POST", "/threads", {"metadata": {"graph_id": "outer"}}))["thread_id"]
    update = {"values": {"topic": "x"}, "as_node": "__input__"}
    await api.json("POST", f"/threads/{thread}/state", update)
    assert (await cancelled_before_it_began(api, thread, {}))["status"] == "interrupted"
