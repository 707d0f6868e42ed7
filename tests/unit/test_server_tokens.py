"""What a chat model says reaches clients of the server while it speaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.serving import served

pytest.importorskip("langchain_core")

GRAPH = """
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from caesura.graph import START, MessagesState, StateGraph

async def speak(state):
    model = GenericFakeChatModel(messages=iter([AIMessage("one two", id="said")]))
    return {"messages": [await model.ainvoke(state["messages"])]}

def add(state):
    return {"messages": [AIMessage("not said", id="whole")]}

builder = StateGraph(MessagesState).add_node(speak).add_node(add)
graph = builder.add_edge(START, "speak").add_edge("speak", "add").compile()
"""
SAID = {"messages": [{"role": "user", "content": "hi", "id": "h"}]}


async def streamed(directory: Path, *modes: str) -> list[tuple[str, Any]]:
    """The events of a run: (name, data)."""
    (directory / "speaking.py").write_text(GRAPH)
    config = {"graphs": {"chat": "./speaking.py:graph"}}
    body = {"assistant_id": "chat", "input": SAID, "stream_mode": list(modes)}
    async with served(directory, config) as server:
        text = (await server("POST", "/runs/stream", body)).text.replace("\r\n", "\n")
    frames = [
        dict(line.split(": ", 1) for line in f.split("\n")) for f in text.strip().split("\n\n")
    ]
    return [(f["event"], json.loads(f["data"])) for f in frames if "event" in f]


async def test_a_partial_message_is_all_that_was_said_so_far(tmp_path: Path) -> None:
    events = await streamed(tmp_path, "messages")
    told = [
        (name, data[0])
        for name, data in events
        if name in ("messages/partial", "messages/complete")
    ]
    assert [(name, m["id"], m["content"]) for name, m in told] == [
        ("messages/partial", "said", "one"),
        ("messages/partial", "said", "one "),
        ("messages/partial", "said", "one two"),
        ("messages/complete", "whole", "not said"),
    ]
    assert {m["type"] for _, m in told} == {"ai"}
    about = [data for name, data in events if name == "messages/metadata"]
    assert [next(iter(each)) for each in about] == ["said", "whole"]
    assert about[0]["said"]["metadata"]["langgraph_node"] == "speak"


async def test_a_pair_holds_a_piece_and_where_it_comes_from(tmp_path: Path) -> None:
    events = await streamed(tmp_path, "messages-tuple")
    told = [data for name, data in events if name == "messages"]
    assert [(m["type"], m["content"], about["langgraph_node"]) for m, about in told] == [
        ("AIMessageChunk", "one", "speak"),
        ("AIMessageChunk", " ", "speak"),
        ("AIMessageChunk", "two", "speak"),
        ("ai", "not said", "add"),
    ]
