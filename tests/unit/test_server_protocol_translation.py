"""A run's frames become events of the thread protocol: pure, in order, each once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from caesura.records.shapes import Event
from caesura.server.protocol.selection import SelectionError, read_selection
from caesura.server.protocol.translation import Told, Translation

ASKED = {"value": {"q": 1}, "id": "i1", "response_schema": None}


def translate(*frames: tuple[str, Any], told: set[str] | None = None) -> list[Told]:
    """The events of these frames, numbered from 0, without the first ``running``."""
    translation = Translation("R", "graph", told or ())
    found: list[Told] = []
    for number, (name, value) in enumerate(frames):
        found += translation.take(f"1000-{number}", name, json.dumps(value).encode())
    return found[1:]


def shown(told: list[Told]) -> list[tuple[str, Any]]:
    """What is told, without ids and places."""
    return [(item.method, item.data) for item in told]


def chunk(id: str, text: str, node: str = "n", **more: Any) -> Any:
    """A piece of a message as a stream of messages has it."""
    message = {"type": "AIMessageChunk", "id": id, "content": text, **more}
    return [message, {"langgraph_node": node}]


def test_the_first_event_of_a_run_says_that_its_graph_runs() -> None:
    first = Translation("R", "graph").take("1000-0", "values", b"{}")[0]
    assert first.id == "synth:R:lc||running"
    assert first.data == {"event": "running", "graph_name": "graph"}


def test_the_same_frames_give_the_same_ids() -> None:
    frames = [("metadata", {"attempt": 1}), ("values", {"a": 1}), ("custom", 2)]
    assert translate(*frames) == translate(*frames)


def test_another_attempt_has_other_ids_and_does_not_repeat_what_is_stored() -> None:
    first = translate(("metadata", {"attempt": 1}), ("values", {"__interrupt__": [ASKED]}))
    ids = {item.id for item in first} | {"synth:R:lc||running"}
    translation = Translation("R", "graph", ids)
    again = translation.take("2000-0", "metadata", b'{"attempt": 2}')
    again += translation.take("2000-1", "values", json.dumps({"__interrupt__": [ASKED]}).encode())
    assert [item.method for item in again] == ["values"]
    assert not ids & {item.id for item in again}


def test_a_question_is_told_once_at_the_innermost_place_and_not_among_the_values() -> None:
    told = translate(
        ("values|child:t", {"a": 1, "__interrupt__": [ASKED]}),
        ("values", {"__interrupt__": [ASKED]}),
    )
    questions = [item for item in told if item.method == "input.requested"]
    assert [item.namespace for item in questions] == [("child:t",)]
    assert questions[0].id == "synth:R:input|child:t|i1"
    assert questions[0].data == {"interrupt_id": "i1", "payload": {"q": 1}, "value": {"q": 1}}
    assert [item.data for item in told if item.method == "values"] == [{"a": 1}, {}]


def test_a_static_breakpoint_counts_as_a_pause() -> None:
    translation = Translation("R", "graph")
    translation.take("1-0", "updates", b'{"__interrupt__": []}')
    assert translation.paused


def test_updates_name_the_node_beside_the_update() -> None:
    (told,) = translate(("updates", {"draft": {"a": 1}}))
    assert json.loads(told.body())["params"] == {
        "namespace": [], "timestamp": 1000, "data": {"a": 1}, "node": "draft",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("result", "phase"),
    [
        ({"error": None, "interrupts": []}, "completed"),
        ({"error": "ValueError()", "interrupts": []}, "failed"),
        ({"error": None, "interrupts": [ASKED]}, "interrupted"),
    ],
    ids=["done", "failed", "asks"],
)
def test_a_nested_graph_lives_from_its_first_frame_to_its_tasks_result(
    result: Any, phase: str
) -> None:
    task = {"id": "t", "name": "child", "result": {}, **result}
    told = translate(("values|child:t", {}), ("values|child:t", {}), ("tasks", task))
    life = [item for item in told if item.method == "lifecycle"]
    assert [item.data["event"] for item in life] == ["started", phase]
    assert {item.namespace for item in life} == {("child:t",)}
    assert life[0].data["trigger_call_id"] == "t"


def test_what_a_task_writes_below_its_caller_begins_no_graph() -> None:
    told = translate(("custom|caller:t", 1), ("values|caller:t|deep:u", {}))
    assert [item.method for item in told] == ["custom", "lifecycle", "lifecycle", "values"]


def test_nested_graphs_that_are_open_end_with_the_run() -> None:
    translation = Translation("R", "graph")
    translation.take("1-0", "values|child:t|deep:u", b"{}")
    ended = translation.end("failed", "boom", 5)
    assert [(item.namespace, item.data["event"]) for item in ended] == [
        (("child:t",), "failed"),
        (("child:t", "deep:u"), "failed"),
        ((), "failed"),
    ]
    assert ended[-1].data["error"] == "boom"


def test_the_end_is_told_once() -> None:
    translation = Translation("R", "graph")
    assert translation.end("completed", None, 1) != []
    assert translation.end("completed", None, 2) == []


def test_a_streamed_message_is_told_block_by_block() -> None:
    told = translate(
        ("messages", chunk("m", "hel")),
        ("messages", chunk("m", "lo", usage_metadata={"output_tokens": 2})),
        ("values", {}),
    )
    assert [data for method, data in shown(told) if method == "messages"] == [
        {"event": "message-start", "role": "ai", "id": "m"},
        {"event": "content-block-start", "index": 0, "content": {"type": "text", "text": ""}},
        {
            "event": "content-block-delta",
            "index": 0,
            "delta": {"type": "text-delta", "text": "hel"},
        },
        {"event": "content-block-delta", "index": 0, "delta": {"type": "text-delta", "text": "lo"}},
        {"event": "content-block-finish", "index": 0, "content": {"type": "text", "text": "hello"}},
        {"event": "message-finish", "usage": {"output_tokens": 2}},
    ]


def test_messages_that_are_written_side_by_side_are_told_one_after_the_other() -> None:
    told = translate(
        ("messages", chunk("a", "1", "left")),
        ("messages", chunk("b", "x", "right")),
        ("messages", chunk("a", "2", "left")),
        ("messages", chunk("b", "y", "right")),
        ("updates", {"left": None}),
    )
    nodes = [item.node for item in told if item.method == "messages"]
    assert nodes == ["left"] * 6 + ["right"] * 6
    texts = [d["delta"]["text"] for m, d in shown(told) if m == "messages" and "delta" in d]
    assert texts == ["1", "2", "x", "y"]


def test_the_pieces_of_a_tool_call_make_a_call() -> None:
    pieces = [{"index": 0, "id": "c", "name": "f", "args": '{"a"'}, {"index": 0, "args": ": 1}"}]
    told = translate(
        *[("messages", chunk("m", "", tool_call_chunks=[piece])) for piece in pieces],
        ("values", {}),
    )
    (finish,) = [d for m, d in shown(told) if m == "messages" and d["event"].endswith("k-finish")]
    assert finish["content"] == {"type": "tool_call", "id": "c", "name": "f", "args": {"a": 1}}


def test_a_tools_result_says_that_it_was_called_and_how_it_ended() -> None:
    message = {"type": "tool", "id": "m", "content": "4", "tool_call_id": "c", "name": "add"}
    told = translate(("messages", [message, {}]))
    assert [data for method, data in shown(told) if method == "tools"] == [
        {"event": "tool-started", "tool_call_id": "c", "tool_name": "add"},
        {"event": "tool-finished", "tool_call_id": "c", "output": "4"},
    ]


def test_messages_among_values_are_reduced_to_what_they_say() -> None:
    message = {"type": "ai", "content": "", "id": "m", "tool_calls": [], "name": None}
    (told,) = translate(("values", {"messages": [message], "other": {"type": "x", "none": None}}))
    assert told.data == {
        "messages": [{"type": "ai", "content": "", "id": "m"}],
        "other": {"type": "x", "none": None},
    }


# --- selection ---------------------------------------------------------------------------------


def event(method: str, *namespace: str, **data: Any) -> Event:
    """A stored event."""
    body = {"method": method, "params": {"namespace": namespace, "data": data}}
    return Event("t", 1, "r", "v3", "e", method, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("asked", "namespace", "taken"),
    [
        ({}, (), True),
        ({}, ("child:1", "deep:2"), True),
        ({"namespaces": [["child"]]}, ("child:1",), True),
        ({"namespaces": [["child:1"]]}, ("child:1", "deep:2"), True),
        ({"namespaces": [["child:2"]]}, ("child:1",), False),
        ({"namespaces": [["chi"]]}, ("child:1",), False),
        ({"namespaces": [["child"]]}, (), False),
        ({"namespaces": [["child"]], "depth": 0}, ("child:1", "deep:2"), False),
        ({"depth": 1}, ("child:1",), True),
        ({"depth": 0}, ("child:1",), False),
    ],
    ids=["all", "nested", "without-id", "below", "other-id", "part-of-a-name", "above", "too-deep",
         "deep-enough", "root-only"],
)  # fmt: skip
def test_namespaces_are_prefixes_whose_ids_may_be_left_out(
    asked: Any, namespace: tuple[str, ...], taken: bool
) -> None:
    selection = read_selection({"channels": ["values"], **asked})
    assert selection.takes(event("values", *namespace)) is taken


def test_channels_choose_methods_and_custom_events_by_name() -> None:
    selection = read_selection({"channels": ["input", "custom:progress"]})
    assert selection.takes(event("input.requested"))
    assert selection.takes(event("custom", name="progress", payload=1))
    assert not selection.takes(event("custom", payload=1))
    assert not selection.takes(event("values"))


@pytest.mark.parametrize(
    "asked",
    [
        {}, {"channels": []}, {"channels": ["zzz"]}, {"channels": ["custom:"]},
        {"channels": ["values"], "namespaces": ["a"]}, {"channels": ["values"], "depth": -1},
        {"channels": ["values"], "depth": True},
    ],
    ids=["none", "empty", "unknown", "nameless", "flat", "negative", "bool"],
)  # fmt: skip
def test_what_cannot_be_selected_is_refused(asked: Any) -> None:
    with pytest.raises(SelectionError):
        read_selection(asked)
