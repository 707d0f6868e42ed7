"""LangGraph's own RemoteGraph, unmodified, against the server: a served graph used as a local one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from langgraph.pregel.remote import RemoteGraph
from langgraph.types import Command
from langgraph_sdk import get_sync_client

from .server import Server


@pytest.fixture
def remote(server: Server) -> Iterator[RemoteGraph]:
    with get_sync_client(url=server.url) as client:
        yield RemoteGraph("agent", sync_client=client)


@pytest.fixture
def config() -> dict[str, Any]:
    return {"configurable": {"thread_id": str(uuid.uuid4())}}


def test_a_remote_graph_streams_pauses_and_goes_on(
    remote: RemoteGraph, config: dict[str, Any]
) -> None:
    [asked] = remote.invoke({"topic": "cats"}, config)["__interrupt__"]
    assert asked["value"] == {"question": "approve?", "draft": "draft about cats"}
    state = remote.get_state(config)
    assert state.next == ("approve",)
    assert [one.id for task in state.tasks for one in task.interrupts] == [asked["id"]]
    result = remote.invoke(Command(resume="ok"), config)
    assert result["log"] == ["draft", "approve", "publish:ok"]


def test_a_remote_graph_shows_its_history_and_drawing_and_takes_edits(
    remote: RemoteGraph, config: dict[str, Any]
) -> None:
    remote.invoke({"topic": "cats"}, config)
    edited = remote.update_state(config, {"decision": "forced"}, as_node="approve")
    history = list(remote.get_state_history(config, limit=5))
    assert (
        history[0].config["configurable"]["checkpoint_id"]
        == (edited["configurable"]["checkpoint_id"])
    )
    older = list(remote.get_state_history(config, before=history[0].config))
    assert [state.next for state in older] == [state.next for state in history[1:]]
    assert {"draft", "approve", "publish"} <= set(remote.get_graph().nodes)
