"""Contents of Caesura's own messages in the blocks of OpenAI's API, which other providers read too.

Content that is all text becomes one string. Images become ``image_url`` blocks, calls of tools become
``tool_calls``, results of tools messages of their own; blocks of other kinds stay as they are. A message
keeps its id.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from caesura.messages.kinds import AIMessage, Message, ToolMessage

Block = dict[str, Any]


def with_openai_blocks(messages: Iterable[Message]) -> list[Message]:
    """The messages, with their contents in OpenAI's form. Raises ValueError for images it cannot read."""
    return [found for message in messages for found in _formatted(message)]


def _formatted(message: Message) -> Iterator[Message]:
    if isinstance(message.content, str):
        yield message
        return
    given = [_named(block) for block in message.content]
    results = [block for block in given if block["type"] == "tool_result"]
    calls = [block for block in given if block["type"] == "tool_use"]
    rest = [_block(block) for block in given if block["type"] not in ("tool_use", "tool_result")]
    changes: dict[str, Any] = {"content": _joined(rest)}
    if calls and isinstance(message, AIMessage):
        known = {call.get("id") for call in message.tool_calls}
        fresh = [_call(block) for block in calls if block.get("id") not in known]
        changes["tool_calls"] = [*message.tool_calls, *fresh]
    if rest or not results:
        yield dataclasses.replace(message, **changes)
    for block in results:
        yield _result(block, message, alone=not rest and len(results) == 1)


def _named(block: Any) -> Block:
    """A block with a type; a bare text is one."""
    return {"type": "text", "text": block} if isinstance(block, str) else {"type": "text", **block}


def _joined(blocks: list[Block]) -> str | list[Any]:
    if all(block["type"] == "text" for block in blocks):
        return "\n".join(str(block.get("text", "")) for block in blocks)
    return blocks


def _block(block: Block) -> Block:
    if block["type"] == "json":
        return {"type": "text", "text": json.dumps(block["json"])}
    if block["type"] == "image" or (block["type"] == "media" and _is_image(block)):
        return {"type": "image_url", "image_url": {"url": _image_url(block)}}
    return block


def _is_image(block: Block) -> bool:
    return str(block.get("mime_type", "")).startswith("image/")


def _image_url(block: Block) -> str:
    source: Mapping[str, Any] = block.get("source", block)
    if source.get("url"):
        return str(source["url"])
    kind = source.get("media_type") or source.get("mime_type")
    data = source.get("data") or source.get("base64")
    if not kind or not data:
        raise ValueError(
            f"An image needs a 'url', or its data and their type ('media_type', 'data'); got {block}"
        )
    coded = base64.b64encode(data).decode() if isinstance(data, bytes) else data
    return f"data:{kind};base64,{coded}"


def _call(block: Block) -> dict[str, Any]:
    call = {"name": block["name"], "args": block.get("input") or {}, "id": block.get("id")}
    return {**call, "type": "tool_call"}


def _result(block: Block, message: Message, *, alone: bool) -> ToolMessage:
    """A result of a tool as a message. ``alone``: it stands for the whole message, id and all."""
    content = block.get("content") or ""
    texts = content if isinstance(content, str) else _joined([_block(_named(b)) for b in content])
    status = "error" if block.get("is_error") else "success"
    call = str(block["tool_use_id"])
    id = message.id if alone or message.id is None else f"{message.id}-{call}"
    return ToolMessage(texts, id=id, tool_call_id=call, status=status)
