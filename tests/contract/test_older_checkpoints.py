"""Checkpoints that LangGraph wrote, put into a saver as they are: programs go on from them."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from tests.contract.test_foreign_savers import ForeignSaver

from caesura.channels import DeltaChannel
from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.serde.types import _DeltaSnapshot
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.graph import START, StateGraph
from caesura.types import Send

CONFIG: dict[str, Any] = {"configurable": {"thread_id": "1", "checkpoint_ns": ""}}


class State(TypedDict):
    log: Annotated[list[str], operator.add]


@pytest.fixture(params=["memory", "sqlite", "foreign"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "sqlite":
        with SqliteSaver.from_conn_string(str(tmp_path / "threads.db")) as found:
            yield found
    else:
        yield InMemorySaver() if request.param == "memory" else ForeignSaver()


def chain(saver: Any) -> Any:
    builder = StateGraph(State)
    builder.add_node("a", lambda s: {"log": ["a"]})
    builder.add_node("b", lambda s: {"log": ["b"]})
    builder.add_edge(START, "a").add_edge("a", "b")
    return builder.compile(checkpointer=saver)


def text(number: int) -> str:
    """A version as LangGraph's savers count them."""
    return f"{number:032}.0.4309666022537655"


def put(
    saver: Any, shape: int, values: dict[str, Any], versions: dict[str, Any], **more: Any
) -> None:
    checkpoint = {
        "v": shape,
        "ts": "2024-07-31T20:14:19.804150+00:00",
        "id": "1ef4f797-8335-6428-8001-8a1503f9b875",
        "channel_values": {"log": ["x"], **values},
        "channel_versions": versions,
        "versions_seen": {"__input__": {}, "a": {"start:a": versions["log"]}},
        "updated_channels": None,
        **more,
    }
    saver.put(CONFIG, checkpoint, {"source": "loop", "step": 1, "parents": {}}, versions)


@pytest.mark.parametrize("shape", [1, 2])
def test_an_edge_that_fired_under_its_former_name_runs_its_node_once(
    saver: Any, shape: int
) -> None:
    put(saver, shape, {"a": "a"}, {"log": 3, "start:a": 3, "a": 4}, pending_sends=[])
    graph = chain(saver)
    assert graph.get_state(CONFIG).next == ("b",)
    assert graph.invoke(None, CONFIG) == {"log": ["x", "b"]}
    assert graph.get_state(CONFIG).next == ()
    assert graph.invoke({"log": ["y"]}, CONFIG) == {"log": ["x", "b", "y", "a", "b"]}


@pytest.mark.parametrize("shape", [1, 2, 3])
def test_sends_that_were_pending_are_run_once(saver: Any, shape: int) -> None:
    put(saver, shape, {}, {"log": 3}, pending_sends=[Send("b", {}), Send("b", {})])
    graph = chain(saver)
    assert graph.get_state(CONFIG).next == ("b", "b")
    assert graph.invoke(None, CONFIG) == {"log": ["x", "b", "b"]}
    assert graph.invoke(None, CONFIG) == {"log": ["x", "b", "b"]}


def test_a_key_of_the_state_named_as_a_node_is_no_edge_in_checkpoints_of_today(saver: Any) -> None:
    put(saver, 4, {"a": "a value of a key that the state has no more"}, {"log": 3, "a": 4})
    assert chain(saver).get_state(CONFIG).next == ()


def test_versions_that_langgraph_counted_go_on(saver: Any) -> None:
    put(saver, 4, {"branch:to:b": None}, {"log": text(9), "branch:to:b": text(10)})
    graph = chain(saver)
    assert graph.invoke(None, CONFIG) == {"log": ["x", "b"]}
    newest = saver.get_tuple(CONFIG).checkpoint["channel_versions"]
    assert text(10) < newest["log"] < text(12)
    assert graph.invoke({"log": ["y"]}, CONFIG) == {"log": ["x", "b", "y", "a", "b"]}
    graph.update_state(CONFIG, {"log": ["z"]}, as_node="a")
    assert graph.invoke(None, CONFIG)["log"][-2:] == ["z", "b"]


def test_what_tells_the_shape_is_no_metadata_that_programs_see(saver: Any) -> None:
    put(saver, 1, {}, {"log": 3}, pending_sends=[])
    assert chain(saver).get_state(CONFIG).metadata == {"source": "loop", "step": 1, "parents": {}}


# --- channels of which writes are stored -------------------------------------------------------


def joined(state: list[str], writes: list[list[str]]) -> list[str]:
    return [*state, *(item for write in writes for item in write)]


class Delta(TypedDict):
    log: Annotated[list[str], DeltaChannel(joined)]


def written(saver: Any, snapshot: Any = None) -> None:
    """A thread as LangGraph leaves it: of ``log`` the writes, and a value if ``snapshot`` is one."""
    config = CONFIG
    for number, writes in enumerate((["i"], ["a"], [])):
        values: dict[str, Any] = {"branch:to:b": None} if number == 2 else {}
        if snapshot is not None and number == 1:
            values["log"] = snapshot
        versions = {"log": text(number + 1)} if number else {"__start__": text(1)}
        versions |= {"branch:to:b": text(3)} if number == 2 else {}
        checkpoint: Any = {
            "v": 4,
            "ts": "2026-07-31T20:14:19.804150+00:00",
            "id": f"1ef4f797-8335-6428-8001-8a1503f9b87{number}",
            "channel_values": values,
            "channel_versions": versions,
            "versions_seen": {},
            "updated_channels": None,
        }
        metadata: Any = {"source": "loop", "step": number - 1, "parents": {}}
        config = saver.put(config, checkpoint, metadata, versions)
        if writes:
            saver.put_writes(
                config, [("log", writes)], f"0d7e0b05-0b32-5d3f-b2a4-1ee7b9d8d5a{number}"
            )


def delta_chain(saver: Any) -> Any:
    builder = StateGraph(Delta)
    builder.add_node("a", lambda s: {"log": ["a"]})
    builder.add_node("b", lambda s: {"log": [f"b after {len(s['log'])}"]})
    builder.add_edge(START, "a").add_edge("a", "b")
    return builder.compile(checkpointer=saver)


@pytest.mark.parametrize(
    ("snapshot", "value"), [(None, ["i", "a"]), (_DeltaSnapshot(["kept"]), ["kept", "a"])]
)
def test_a_value_of_which_writes_are_stored_is_rebuilt_and_then_stored(
    saver: Any, snapshot: Any, value: list[str]
) -> None:
    written(saver, snapshot)
    graph = delta_chain(saver)
    assert (graph.get_state(CONFIG).values, graph.get_state(CONFIG).next) == (
        {"log": value},
        ("b",),
    )
    assert graph.invoke(None, CONFIG) == {"log": [*value, "b after 2"]}
    assert saver.get_tuple(CONFIG).checkpoint["channel_values"]["log"] == [*value, "b after 2"]
    shown = [moment.values for moment in graph.get_state_history(CONFIG)]
    assert shown[:2] == [{"log": [*value, "b after 2"]}, {"log": value}]


def test_a_rebuilt_value_that_nobody_changes_is_stored_with_the_next_checkpoint(saver: Any) -> None:
    written(saver)
    graph = delta_chain(saver)
    graph.update_state(CONFIG, None, as_node="b")
    assert saver.get_tuple(CONFIG).checkpoint["channel_values"]["log"] == ["i", "a"]


def test_a_delta_channel_runs_on_each_saver(saver: Any) -> None:
    graph = delta_chain(saver)
    assert graph.invoke({"log": ["i"]}, CONFIG) == {"log": ["i", "a", "b after 2"]}
    assert graph.invoke({"log": ["j"]}, CONFIG)["log"][3:] == ["j", "a", "b after 5"]
