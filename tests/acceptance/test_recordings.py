"""Recorded conversations with a LangGraph server are repeated here, and the answers compared.

`recordings/exchanges.jsonl` holds what was asked and what came back, `authorised.jsonl` the same
with users. Where this server answers
otherwise on purpose, DEVIATIONS says why; the reasons stand in docs/compatibility.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .deviations import DEVIATIONS
from .replay import Scene, replay_all
from .server import GIVEN, Server, copy_of_project, free_port

HERE = Path(__file__).parent
COMPATIBILITY = HERE.parents[1] / "docs" / "compatibility.md"


def scenes(name: str) -> list[Scene]:
    """The recorded conversations of a file, in their order."""
    lines = (HERE / "recordings" / name).read_text().splitlines()
    read = (json.loads(line) for line in lines)
    return [Scene(one["scene"], one["exchanges"], one.get("alone", False)) for one in read]


OPEN_SCENES = scenes("exchanges.jsonl")
AUTHORISED_SCENES = scenes("authorised.jsonl")
SCENES = {scene.name: scene for scene in (*OPEN_SCENES, *AUTHORISED_SCENES)}


@pytest.fixture(scope="module")
def guarded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The test project with users, routes of its own, and without MCP."""
    directory = copy_of_project(tmp_path_factory.mktemp("guarded") / "project", page_port=1)
    config_file = directory / "langgraph.json"
    config = json.loads(config_file.read_text()) | {"auth": {"path": "./guard.py:auth"}}
    config["http"] |= {"app": "./custom.py:app", "disable_mcp": True}
    config_file.write_text(json.dumps(config))
    running = Server(directory, free_port())
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def differences(server: Server, guarded_server: Server) -> dict[str, list[str]]:
    """The name of each exchange → in what the answer of today differs."""
    found = replay_all(server.url, OPEN_SCENES)
    return found | ({} if GIVEN else replay_all(guarded_server.url, AUTHORISED_SCENES))


@pytest.mark.parametrize("name", SCENES)
def test_a_recorded_conversation_is_answered_as_it_was(
    name: str, differences: dict[str, list[str]]
) -> None:
    names = [exchange["name"] for exchange in SCENES[name].exchanges]
    if not differences.keys() & set(names):
        pytest.skip("the server at CAESURA_TEST_SERVER_URL has no users")
    unexpected = {n: differences[n] for n in names if differences[n] and n not in DEVIATIONS}
    assert unexpected == {}
    obsolete = [n for n in names if n in DEVIATIONS and not differences[n]]
    assert obsolete == [], "these are answered as recorded: take them off the list of deviations"


def test_every_deviation_names_an_exchange_and_its_reason_is_documented() -> None:
    names = {exchange["name"] for scene in SCENES.values() for exchange in scene.exchanges}
    assert set(DEVIATIONS) <= names
    text = " ".join(COMPATIBILITY.read_text().split())
    assert [reason for reason in set(DEVIATIONS.values()) if reason not in text] == []
