"""Messages of a run's stream → the block-by-block events of the thread protocol. Pure.

A message is told as ``message-start``, its content blocks, ``message-finish``. Only the start has an id:
what follows belongs to the message that is open in that namespace. So there is one open message a
namespace; pieces of another one, which a node beside it writes, wait until the open one is finished.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

Namespace = tuple[str, ...]
Json = dict[str, Any]
Event = tuple[str, Namespace, Any, str | None]
"""(method, namespace, data, node)"""

_ROLES: Final = {"AIMessageChunk": "ai", "HumanMessageChunk": "human", "ToolMessageChunk": "tool",
                 "SystemMessageChunk": "system"}  # fmt: skip
_KINDS: Final = frozenset({"ai", "human", "system", "tool", "function", "chat", "remove", *_ROLES})


def slim(value: Any) -> Any:
    """``value`` with its messages reduced to the fields that say something."""
    if isinstance(value, list):
        return [slim(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") in _KINDS and "content" in value:
        return {k: v for k, v in value.items() if k == "content" or v not in (None, [], {}, "")}
    return {key: slim(item) for key, item in value.items()}


@dataclass(slots=True)
class _Open:
    """A message that is being told."""

    id: str
    node: str | None
    message: Json
    blocks: list[Json] = field(default_factory=list)
    chunked: bool = False
    usage: Any = None


class Messages:
    """Takes the message frames of one run in order."""

    def __init__(self) -> None:
        self._open: dict[Namespace, _Open] = {}
        self._waiting: dict[Namespace, dict[str, list[tuple[Json, str | None]]]] = {}
        self._finished: set[tuple[Namespace, str]] = set()
        self._in_tuples = False

    def take(self, mode: str, ns: Namespace, value: Any) -> Iterator[Event]:
        """The events of a frame named ``messages`` or ``messages/…``."""
        if mode == "messages":
            self._in_tuples = True
            message, metadata = value
            node = metadata.get("langgraph_node") if isinstance(metadata, dict) else None
        elif mode == "messages/complete" and not self._in_tuples:
            (message,), node = value, None
        else:
            return
        yield from self._piece(ns, message, node)

    def settle(self, ns: Namespace) -> Iterator[tuple[Namespace, Json, str | None]]:
        """A step of ``ns`` has ended, and so have its messages."""
        while ns in self._open or self._waiting.get(ns):
            for _, space, event, node in self._finish(ns):
                yield space, event, node

    def end(self) -> Iterator[tuple[Namespace, Json, str | None]]:
        """The run has ended."""
        for ns in [*self._open, *self._waiting]:
            yield from self.settle(ns)

    def _piece(self, ns: Namespace, message: Json, node: str | None) -> Iterator[Event]:
        id = str(message.get("id") or "")
        current = self._open.get(ns)
        if current is not None and current.id != id:
            self._waiting.setdefault(ns, {}).setdefault(id, []).append((message, node))
            return
        if current is None:
            if id and (ns, id) in self._finished:
                return
            current = self._open[ns] = _Open(id, node, message)
            yield self._event(ns, current, _start(message))
        yield from self._content(ns, current, message)
        current.usage = message.get("usage_metadata") or current.usage
        chunk = str(message.get("type", "")) in _ROLES
        if not chunk or message.get("chunk_position") == "last":
            yield from self._finish(ns)

    def _content(self, ns: Namespace, current: _Open, message: Json) -> Iterator[Event]:
        chunk = str(message.get("type", "")) in _ROLES
        for block in _blocks(message):
            place = _place(current.blocks, block) if chunk else None
            if place is None:
                place = len(current.blocks)
                empty = {**block, "text": ""} if block["type"] == "text" else block
                current.blocks.append(dict(empty))
                data = {"event": "content-block-start", "index": place, "content": empty}
                yield self._event(ns, current, data)
                if block["type"] != "text":
                    continue
            yield from self._delta(ns, current, place, block)

    def _delta(self, ns: Namespace, current: _Open, place: int, block: Json) -> Iterator[Event]:
        held = current.blocks[place]
        if block["type"] == "text":
            if not block["text"]:
                return
            held["text"] += block["text"]
            delta = {"type": "text-delta", "text": block["text"]}
        else:
            held["args"] = f"{held.get('args') or ''}{block.get('args') or ''}"
            delta = {"type": "block-delta", "fields": {"args": held["args"]}}
        data = {"event": "content-block-delta", "index": place, "delta": delta}
        yield self._event(ns, current, data)

    def _finish(self, ns: Namespace) -> Iterator[Event]:
        current = self._open.pop(ns, None)
        if current is not None:
            if current.id:
                self._finished.add((ns, current.id))
            for place, block in enumerate(current.blocks):
                data = {"event": "content-block-finish", "index": place, "content": _whole(block)}
                yield self._event(ns, current, data)
            end: Json = {"event": "message-finish"}
            if current.usage:
                end["usage"] = current.usage
            yield self._event(ns, current, end)
            yield from _tool(ns, current)
        waiting = self._waiting.get(ns)
        if waiting:
            for message, node in waiting.pop(next(iter(waiting))):
                yield from self._piece(ns, message, node)

    def _event(self, ns: Namespace, current: _Open, data: Json) -> Event:
        return "messages", ns, data, current.node


def _start(message: Mapping[str, Any]) -> Json:
    kind = str(message.get("type", "ai"))
    data: Json = {"event": "message-start", "role": _ROLES.get(kind, kind)}
    for name in ("id", "name", "tool_call_id"):
        if message.get(name):
            data[name] = message[name]
    return data


def _blocks(message: Mapping[str, Any]) -> list[Json]:
    """The content of a message, or of a piece of one, as blocks."""
    content = message.get("content")
    parts = content if isinstance(content, list) else [content] if content else []
    blocks = [
        {"type": "text", "text": part} if isinstance(part, str) else dict(part) for part in parts
    ]
    for block in blocks:
        block.setdefault("type", "text")
        if block["type"] == "text":
            block.setdefault("text", "")
    chunks = message.get("tool_call_chunks") or ()
    blocks += [{**chunk, "type": "tool_call_chunk"} for chunk in chunks]
    if not chunks and str(message.get("type")) not in _ROLES:
        blocks += [{**call, "type": "tool_call"} for call in message.get("tool_calls") or ()]
    return blocks


def _place(held: list[Json], block: Json) -> int | None:
    """Where a piece goes on a block that was begun; None if it begins one."""
    if block["type"] not in ("text", "tool_call_chunk"):
        return None
    for place in range(len(held) - 1, -1, -1):
        if held[place]["type"] == block["type"] and held[place].get("index") == block.get("index"):
            return place
    return None


def _whole(block: Json) -> Json:
    """A block that has come to its end; the pieces of a tool call make a call."""
    if block["type"] != "tool_call_chunk":
        return block
    call = {"id": block.get("id"), "name": block.get("name")}
    try:
        args = msgspec.json.decode(block.get("args") or "{}")
    except msgspec.DecodeError:
        return {"type": "invalid_tool_call", **call, "args": block.get("args")}
    return {"type": "tool_call", **call, "args": args}


def _tool(ns: Namespace, current: _Open) -> Iterator[Event]:
    """The result of a tool tells that it was called, and how that ended."""
    message = current.message
    call = message.get("tool_call_id")
    if message.get("type") != "tool" or not call:
        return
    started = {"event": "tool-started", "tool_call_id": call, "tool_name": message.get("name")}
    ended: Json = {"event": "tool-finished", "tool_call_id": call, "output": message.get("content")}
    if message.get("status") == "error":
        text = str(message.get("content"))
        ended = {"event": "tool-error", "tool_call_id": call, "message": text}
    for data in (started, ended):
        yield "tools", ns, data, current.node
