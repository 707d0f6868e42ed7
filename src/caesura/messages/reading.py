"""What stands for a message → the message.

A string is a person's; a pair is (role, content); a dict has "role" (or "type") and "content".
Messages stay the objects that they are. Other things become LangChain's messages if the program has
imported LangChain, else Caesura's own; among messages of our own they become our own in any case, so
that a stored conversation does not change its kind with what happens to be imported.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, Final

from caesura.messages.kinds import (
    AIMessage,
    HumanMessage,
    Message,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

_KINDS: Final[dict[str, type[Message]]] = {
    "human": HumanMessage,
    "user": HumanMessage,
    "ai": AIMessage,
    "assistant": AIMessage,
    "system": SystemMessage,
    "developer": SystemMessage,
    "tool": ToolMessage,
    "remove": RemoveMessage,
}
_COMMON: Final = frozenset({"id", "name", "additional_kwargs", "response_metadata"})
_FIELDS: Final[dict[type[Message], frozenset[str]]] = {
    AIMessage: _COMMON | {"tool_calls", "usage_metadata"},
    ToolMessage: _COMMON | {"tool_call_id", "artifact", "status"},
}


def langchain() -> ModuleType | None:
    """LangChain's module of messages, if the program uses LangChain."""
    if "langchain_core" not in sys.modules:
        return None
    try:
        return importlib.import_module("langchain_core.messages")
    except ImportError:
        return None


def is_message(value: Any) -> bool:
    """True for messages, ours and LangChain's; false for what only stands for one."""
    if isinstance(value, Message):
        return True
    theirs = langchain()
    return theirs is not None and isinstance(value, theirs.BaseMessage)


def is_removal(message: Any) -> bool:
    """True for a request to remove a message."""
    return bool(message.type == "remove")


def as_list(value: Any) -> list[Any]:
    """A list of messages as it is; anything else, pairs too, as the only one in a list."""
    return value if isinstance(value, list) else [value]


def reader(*lists: list[Any]) -> Callable[[Any], Any]:
    """How to read what stands among the messages of ``lists``."""
    theirs = langchain()
    if theirs is None:
        return _own
    base, chunk = theirs.BaseMessage, theirs.BaseMessageChunk
    convert, whole = theirs.convert_to_messages, theirs.message_chunk_to_message
    kinds = {type(item) for items in lists for item in items}
    prefer_own = any(issubclass(kind, Message) for kind in kinds) and not any(
        issubclass(kind, base) for kind in kinds
    )

    def read(value: Any) -> Any:
        if isinstance(value, base):
            return whole(value) if isinstance(value, chunk) else value
        if prefer_own or isinstance(value, Message):
            return _own(value)
        return convert([value])[0]

    return read


def read_message(value: Any) -> Any:
    """One message. A chunk of a message stays a chunk. Raises as `read_messages` does."""
    return value if is_message(value) else reader()(value)


def read_messages(values: Iterable[Any]) -> list[Any]:
    """Messages of what stands for them; chunks become whole messages.

    Raises ValueError for unknown roles and missing fields, TypeError for values that cannot stand
    for a message (without LangChain; with it, what LangChain raises).
    """
    items = list(values)
    return list(map(reader(items), items))


# --- without LangChain -----------------------------------------------------------------------


def _own(value: Any) -> Message:
    if isinstance(value, Message):
        return value
    if isinstance(value, str):
        return HumanMessage(value)
    if isinstance(value, dict):
        return _from_dict(value)
    if isinstance(value, (list, tuple)):
        if len(value) != 2 or not isinstance(value[0], str):
            raise TypeError(f"A message as a sequence must be (role, content), got {value!r}")
        return _build(value[0], value[1], {})
    raise TypeError(f"Unsupported message type: {type(value)}")


def _from_dict(given: dict[Any, Any]) -> Message:
    rest = dict(given)
    try:
        role = rest.pop("role") if "role" in rest else rest.pop("type")
        content = rest.pop("content")
    except KeyError:
        raise ValueError(
            f"Message dict must contain 'role' and 'content' keys, got {given}"
        ) from None
    return _build(role, "" if content is None else content, rest)


def _build(role: Any, content: Any, rest: dict[str, Any]) -> Message:
    kind = _KINDS.get(role) if isinstance(role, str) else None
    if kind is None:
        roles = "'human', 'user', 'ai', 'assistant', 'tool', 'system', or 'developer'"
        raise ValueError(f"Unexpected message type: {role!r}. Use one of {roles}.")
    if kind is ToolMessage and "tool_call_id" not in rest:
        raise ValueError(f"A tool message must name its 'tool_call_id', got {rest}")
    names = _FIELDS.get(kind, _COMMON)
    fields = {key: value for key, value in rest.items() if key in names and value is not None}
    more = {key: value for key, value in rest.items() if key not in names}
    extra = {**fields.pop("additional_kwargs", {}), **more}
    if role == "developer":
        extra["__openai_role__"] = "developer"
    if "tool_calls" in fields:
        fields["tool_calls"] = list(map(_tool_call, fields["tool_calls"]))
    if kind is ToolMessage and not isinstance(content, (str, list)):
        content = str(content)
    if fields.get("id") is not None:
        fields["id"] = str(fields["id"])
    return kind(content=content, additional_kwargs=extra, **fields)


def _tool_call(call: dict[str, Any]) -> dict[str, Any]:
    """A tool call in the form of ours, or in that of OpenAI's API."""
    function = call.get("function")
    if not isinstance(function, dict):
        return {**call, "type": "tool_call"}
    arguments = function.get("arguments") or "{}"
    args = json.loads(arguments) if isinstance(arguments, str) else arguments
    return {"name": function["name"], "args": args, "id": call.get("id"), "type": "tool_call"}
