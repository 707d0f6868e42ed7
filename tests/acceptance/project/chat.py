"""Conversations: a reply, and a reply that uses a tool.

Messages are written as dicts and made what the server's messages are by `add_messages`.
"""

from __future__ import annotations

from typing import Any

from langgraph.config import get_stream_writer
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import add_messages


def said(message: dict[str, Any]) -> dict[str, Any]:
    """An update with one message."""
    return {"messages": add_messages([], [message])}


def reply(state: MessagesState) -> dict[str, Any]:
    return said({"role": "assistant", "content": "hello big world", "id": "ai-fixed"})


chat = (
    StateGraph(MessagesState)
    .add_node("model", reply)
    .add_edge(START, "model")
    .add_edge("model", END)
    .compile()
)


def think(state: MessagesState) -> dict[str, Any]:
    """Calls the tool `add` once, then says what came out."""
    last = state["messages"][-1]
    if last.type == "tool":
        return said({"role": "assistant", "content": f"sum is {last.content}", "id": "ai-2"})
    call = {"name": "add", "args": {"a": 1, "b": 2}, "id": "call_1", "type": "tool_call"}
    return said({"role": "assistant", "content": "calling", "id": "ai-1", "tool_calls": [call]})


def tools(state: MessagesState) -> dict[str, Any]:
    call = state["messages"][-1].tool_calls[0]
    a, b = call["args"]["a"], call["args"]["b"]
    get_stream_writer()({"name": "calc", "payload": {"adding": [a, b]}})
    result = {"role": "tool", "content": str(a + b), "name": "add", "tool_call_id": call["id"]}
    return said(result)


def after_model(state: MessagesState) -> str:
    return "tools" if state["messages"][-1].tool_calls else END


toolsg = (
    StateGraph(MessagesState)
    .add_node("model", think)
    .add_node("tools", tools)
    .add_edge(START, "model")
    .add_conditional_edges("model", after_model, ["tools", END])
    .add_edge("tools", "model")
    .compile()
)
