"""Messages of a run's stream → the block-by-block events of the thread protocol. Pure.

A message is told as ``message-start``, its content blocks, ``message-finish``. Only the start has an id:
what follows belongs to the message that is open in that namespace. So there is one open message a
namespace; pieces of another one, which a node beside it writes, wait until the open one is finished.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from caesura.streaming.blocks import Blocks, parts_of

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
    blocks: Blocks
    usage: Any = None


class _Wire:
    """Text follows its block; other blocks are begun with what came, and grow as a whole."""

    def opening(self, block: Json) -> Json:
        return {**block, "text": ""} if block["type"] == "text" else block

    def delta(self, held: Json, piece: Json) -> Json:
        if held["type"] == "text":
            return {"type": "text-delta", "text": piece["text"]}
        return {"type": "block-delta", "fields": {"args": held["args"]}}

    def closing(self, block: Json, index: int) -> Json:
        return block


_WIRE: Final = _Wire()


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
            current = self._open[ns] = _Open(id, node, message, Blocks(_WIRE))
            yield self._event(ns, current, _start(message))
        chunk = str(message.get("type", "")) in _ROLES
        for data in current.blocks.take(_pieces(message), going_on=chunk):
            yield self._event(ns, current, data)
        current.usage = message.get("usage_metadata") or current.usage
        if not chunk or message.get("chunk_position") == "last":
            yield from self._finish(ns)

    def _finish(self, ns: Namespace) -> Iterator[Event]:
        current = self._open.pop(ns, None)
        if current is not None:
            if current.id:
                self._finished.add((ns, current.id))
            for data in current.blocks.finish():
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


def _pieces(message: Mapping[str, Any]) -> list[Json]:
    """The content of a message, or of a piece of one, as blocks."""
    chunks = message.get("tool_call_chunks") or ()
    chunk = str(message.get("type")) in _ROLES
    calls = () if chunks or chunk else message.get("tool_calls") or ()
    return parts_of(message.get("content"), calls, chunks)


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
