"""`@langchain/langgraph-sdk` from the npm registry, unmodified, against the server.

Two major versions: the newest of 1.x, which speaks the thread event protocol, and 2.0.0. One
script (js/methods.mjs) drives every method that a version has; what it found is asserted here.
"""

from __future__ import annotations

from typing import Any

import pytest

from .node import run_node
from .server import Server

VERSIONS = ("1", "2")
PUBLISHED = ["draft", "approve", "publish:yes"]
ASKED = {"question": "approve?", "draft": "draft about cats"}
PROPERTIES = ["topic", "draft", "decision", "log"]


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: f"sdk-{version}")
def results(request: pytest.FixtureRequest, server: Server) -> dict[str, Any]:
    """What each flow of the script found: its name → its result, or its failure."""
    flags = ["--experimental-websocket", "--no-warnings"]
    lines = run_node("methods.mjs", request.param, server.url, flags=flags)
    return {line["flow"]: line.get("result", line.get("failure")) for line in lines}


EXPECTED: dict[str, Any] = {
    "assistants": {
        "names": ["First", "Second", "First", "First"],
        "versions": [2, 1],
        "found": [True],
        "next": None,
        "count": 1,
        "nodes": ["__start__", "draft", "approve", "publish", "__end__"],
        "properties": PROPERTIES,
        "subgraphs": ["child"],
        "gone": None,
        "afterwards": 404,
    },
    "threads": {
        "same": True,
        "again": 409,
        "more": 1,
        "count": 2,
        "found": [[["status", "thread_id"], True]],
        "pruned": {"pruned_count": 1},
        "deleted": None,
        "afterwards": 404,
    },
    "pauseAndAnswer": {
        "asked": ASKED,
        "begun": True,
        "status": "interrupted",
        "interrupts": [ASKED],
        "next": ["approve"],
        "events": ["metadata", "values", "updates", "values", "updates", "values"],
        "log": PUBLISHED,
        "history": [[], ["publish"], ["approve"], ["draft"], ["__start__"]],
        "older": 3,
    },
    "subgraph": {
        "events": ["metadata", "updates", "updates|child", "updates|child", "updates"],
        "inner": ["inner_ask"],
        "log": ["first", "first", "inner_a", "inner_ask", "last"],
    },
    "runs": {
        "joined": {"topic": "x", "log": ["one"]},
        "status": "success",
        "listed": [[["run_id", "status"], "success"]],
        "deleted": None,
        "afterwards": 404,
        "failed": "Error: ValueError: boom at node",
        "unknown": 422,
    },
    "stateless": {
        "waited": {"topic": "s", "log": ["one"]},
        "events": ["metadata", "values", "values"],
        "joined": [0, 1, 2],
        "batch": ["a", "b"],
    },
    "cancelling": {
        "cancelled": {},
        "after": "interrupted",
        "rejected": 409,
        "ticks": [5, -1, 1, -1],
    },
    "joining": {"all": [0, 1, 2, 3, 4], "rest": [3, 4], "some": ["values"]},
    "hangingUp": {"cancelled": True},
    "streamOfThread": {"values": True},
    "store": {
        "value": {"x": 1},
        "missing": None,
        "found": ["k2"],
        "spaces": [["notes"]],
        "deleted": None,
    },
}
SESSION = {
    "asked": ASKED,
    "methods": ["input.requested", "lifecycle", "values"],
    "log": PUBLISHED,
}


@pytest.mark.parametrize("flow", EXPECTED)
def test_the_javascript_client_gets_what_it_expects(flow: str, results: dict[str, Any]) -> None:
    found = results[flow]
    if isinstance(found, dict) and "events" in found:
        found["events"] = [event for event in found["events"] if event != "end"]
    assert found == EXPECTED[flow]


def test_state_is_edited(results: dict[str, Any]) -> None:
    edits = results["editsOfState"]
    assert edits["next"] == [["approve"], ["publish"], ["approve"]]
    assert (edits["edited"], edits["decision"]) == (True, "forced")
    assert edits["patched"] in (200, 405)  # nobody defines what PATCH of a state would mean


def test_crons_are_made_found_changed_and_deleted(results: dict[str, Any]) -> None:
    crons = results["crons"]
    assert (crons["found"], crons["enabled"]) == ([True], False)
    assert crons["count"] >= 2  # 2.0.0 does not send the filter


@pytest.mark.parametrize("flow", ["sessionOverSse", "sessionOverWebSocket"])
def test_a_thread_session_pauses_and_is_answered(flow: str, results: dict[str, Any]) -> None:
    if "threads.stream" not in results["methods"]["all"]:
        assert flow not in results  # 2.0.0 has no sessions
        return
    assert results[flow] == SESSION


def test_every_public_method_was_called(results: dict[str, Any]) -> None:
    methods = results["methods"]
    assert set(methods["all"]) - set(methods["called"]) == set()
