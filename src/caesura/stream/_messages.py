"""Messages of a run → the events that tell them block by block. Pure.

A whole message is told at once, each block to its end (`whole_message`). The chunks of a model's answer
are told as they come (`Chunks`): the blocks that are open end with the message, which ends with the chunk
that says it is the last, or else with the task that the model was called in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from caesura.streaming.blocks import Blocks, parts_of

Json = dict[str, Any]
_KINDS: Final[Mapping[str, str]] = {
    "AIMessageChunk": "ai",
    "HumanMessageChunk": "human",
    "SystemMessageChunk": "system",
}


class _Library:
    """Blocks begin empty; all of what they hold follows in deltas, of calls only their arguments."""

    def opening(self, block: Json) -> Json:
        kind = block["type"]
        if kind in ("text", "reasoning"):
            return {**block, kind: ""}
        if kind == "tool_call":
            return {"type": kind, "id": block.get("id"), "name": block.get("name"), "args": {}}
        return {**block, "args": ""} if kind == "tool_call_chunk" else block

    def delta(self, held: Json, piece: Json) -> Json:
        if held["type"] == "tool_call_chunk":
            return {"type": "tool-call-delta", "args": piece.get("args") or ""}
        name = held["type"]
        return {"type": f"{name}-delta", name: piece[name]}

    def closing(self, block: Json, index: int) -> Json:
        if block["type"] in ("text", "reasoning", "tool_call", "invalid_tool_call"):
            return {key: value for key, value in block.items() if key != "index"}
        return {**block, "index": index}


_LIBRARY: Final = _Library()


def kind_of(message: Any) -> str:
    """ "ai", "human", "system", "tool" …, of a message or of a piece of one."""
    return _KINDS.get(message.type, str(message.type))


def is_chunk(message: Any, metadata: Mapping[str, Any]) -> bool:
    """True for what a model answers piece by piece; false for what a node returned."""
    kind = getattr(message, "type", None)
    return kind in _KINDS and metadata.get("ls_integration") != "langgraph"


def whole_message(message: Any) -> Iterator[Json]:
    """All events of a message that is there as a whole."""
    yield _start(message)
    blocks = Blocks(_LIBRARY)
    for part in _parts(message):
        yield from blocks.take([part], going_on=False)
        yield from blocks.finish()
    yield _finish(_usage(message), message.response_metadata)


@dataclass(slots=True)
class _Open:
    place: str
    metadata: Json
    blocks: Blocks
    usage: Any = None
    response: Any = None


class Chunks:
    """The messages of a run that come in chunks."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def take(self, message: Any, metadata: Mapping[str, Any]) -> Iterator[tuple[Json, Json]]:
        """(event, metadata) for each event of a chunk."""
        id = str(message.id or metadata.get("run_id") or "")
        current = self._open.get(id)
        if current is None:
            place = str(metadata.get("langgraph_checkpoint_ns"))
            current = _Open(place, {"run_id": id, **metadata}, Blocks(_LIBRARY))
            self._open[id] = current
            yield _start(message), current.metadata
        for event in current.blocks.take(_parts(message), going_on=True):
            yield event, current.metadata
        current.usage = _usage(message) or current.usage
        current.response = {**(current.response or {}), **message.response_metadata}
        if getattr(message, "chunk_position", None) == "last":
            yield from self._finish(id)

    def end_of(self, ns: tuple[str, ...], task: Mapping[str, Any]) -> Iterator[tuple[Json, Json]]:
        """The events that end what is open of a task in ``ns``, which has ended well."""
        place = "|".join((*ns, f"{task['name']}:{task['id']}"))
        for id in [id for id, each in self._open.items() if each.place == place]:
            if task.get("error") is None:
                yield from self._finish(id)

    def _finish(self, id: str) -> Iterator[tuple[Json, Json]]:
        current = self._open.pop(id)
        for event in current.blocks.finish():
            yield event, current.metadata
        yield _finish(current.usage, current.response), current.metadata


def _start(message: Any) -> Json:
    return {"event": "message-start", "role": kind_of(message), "id": message.id}


def _finish(usage: Any, response: Any) -> Json:
    end: Json = {"event": "message-finish"}
    if usage:
        end["usage"] = usage
    if response:
        end["metadata"] = dict(response)
    return end


def _usage(message: Any) -> Any:
    return getattr(message, "usage_metadata", None)


def _parts(message: Any) -> list[Json]:
    blocks = getattr(message, "content_blocks", None)
    if blocks is not None:
        return [dict(block) for block in blocks]
    return parts_of(message.content, getattr(message, "tool_calls", ()))
