"""A message as content blocks, told piece by piece. Pure; the library's event streams and the server share it.

A message is told as ``message-start``, its blocks, and ``message-finish``. A block is begun
(``content-block-start``), grows (``content-block-delta``) and ends (``content-block-finish``) with all of
what it holds. Which pieces belong to one block, how a block grows and what it is in the end are rules of
`Blocks`; how much of it each event shows is up to a `Dialect`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

Json = dict[str, Any]

_GROWS: Final[Mapping[str, str]] = {
    "text": "text",
    "reasoning": "reasoning",
    "tool_call_chunk": "args",
}
"""Kinds of blocks that come in pieces → the field that a piece adds to."""


class Dialect(Protocol):
    """How the events of blocks are worded."""

    def opening(self, block: Json) -> Json:
        """What of its first piece a block is begun with; what is left out follows as a delta."""

    def delta(self, held: Json, piece: Json) -> Json:
        """What is said of ``piece``, which ``held`` has grown by."""

    def closing(self, block: Json, index: int) -> Json:
        """A block that is complete, as its last event shows it."""


class Blocks:
    """The blocks of one message while it is told."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.held: list[Json] = []
        """All blocks so far, each with what came of it."""
        self._finished = 0

    def take(self, pieces: Iterable[Json], *, going_on: bool) -> Iterator[Json]:
        """The events of ``pieces``. ``going_on``: they may belong to blocks that were begun."""
        for piece in pieces:
            index = _block_of(self.held, piece) if going_on else None
            if index is None:
                index = len(self.held)
                shown = self._dialect.opening(piece)
                self.held.append(dict(shown))
                yield {"event": "content-block-start", "index": index, "content": shown}
                if shown == piece:
                    continue
            if grow(self.held[index], piece):
                delta = self._dialect.delta(self.held[index], piece)
                yield {"event": "content-block-delta", "index": index, "delta": delta}

    def finish(self) -> Iterator[Json]:
        """The events that end the blocks that are open."""
        for index in range(self._finished, len(self.held)):
            content = self._dialect.closing(whole(self.held[index]), index)
            yield {"event": "content-block-finish", "index": index, "content": content}
        self._finished = len(self.held)


def parts_of(content: Any, calls: Iterable[Json] = (), chunks: Iterable[Json] = ()) -> list[Json]:
    """The content of a message, or of a piece of one, as blocks; its tool calls come last."""
    parts = content if isinstance(content, list) else [content] if content else []
    blocks = [
        {"type": "text", "text": part} if isinstance(part, str) else dict(part) for part in parts
    ]
    for block in blocks:
        block.setdefault("type", "text")
        if block["type"] == "text":
            block.setdefault("text", "")
    blocks += [{**chunk, "type": "tool_call_chunk"} for chunk in chunks]
    blocks += [{**call, "type": "tool_call"} for call in calls]
    return blocks


def grow(held: Json, piece: Json) -> bool:
    """Add ``piece`` to the block it goes on; false if it adds nothing."""
    name = _GROWS.get(held["type"])
    if name is None:
        held.update(piece)
        return False
    more = piece.get(name) or ""
    held[name] = f"{held.get(name) or ''}{more}"
    return bool(more) or name == "args"


def _block_of(held: list[Json], piece: Json) -> int | None:
    """Which block a piece goes on; None if it begins one."""
    if piece["type"] not in _GROWS:
        return None
    for index in range(len(held) - 1, -1, -1):
        block = held[index]
        if block["type"] == piece["type"] and block.get("index") == piece.get("index"):
            return index
    return None


def whole(block: Json) -> Json:
    """A block that has come to its end; the pieces of a tool call make a call."""
    if block["type"] != "tool_call_chunk":
        return block
    call = {"id": block.get("id"), "name": block.get("name")}
    try:
        args = json.loads(block.get("args") or "{}", parse_constant=_refuse)
    except ValueError:
        return {"type": "invalid_tool_call", **call, "args": block.get("args")}
    return {"type": "tool_call", **call, "args": args}


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
