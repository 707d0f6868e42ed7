"""The kinds of messages. Plain dataclasses, with the field names that LangChain's messages have."""

from __future__ import annotations

import dataclasses
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar, Final, TypeAlias
from uuid import uuid4

REMOVE_ALL_MESSAGES: Final = "__remove_all__"
"""The id of a `RemoveMessage` that removes everything before it."""

AnyMessage: TypeAlias = Any
"""A `Message`, or one of LangChain's; both have ``type``, ``content``, ``id`` and ``name``."""

Content: TypeAlias = str | list[Any]
"""Text, or a list of texts and of blocks (dicts with a ``type``)."""


def new_message_id() -> str:
    """A fresh id: a random UUID, as text."""
    return str(uuid4())


@dataclass
class Message:
    """A message. ``id`` may be None until the message enters a state; two of one id are one message."""

    type: ClassVar[str] = ""

    content: Content
    _: KW_ONLY
    id: str | None = None
    name: str | None = None
    additional_kwargs: dict[str, Any] = field(default_factory=dict)
    """What the message was given beyond the fields of its kind."""
    response_metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The text of ``content``, without what is no text."""
        if isinstance(self.content, str):
            return self.content
        return "".join(map(_text_of, self.content))

    def to_dict(self) -> dict[str, Any]:
        """The fields that are set, and ``type``, as a dict that can be given for the message."""
        found: dict[str, Any] = {"type": self.type}
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            if each.name == "content" or value not in (None, [], {}):
                found[each.name] = value
        return found


def _text_of(block: Any) -> str:
    if isinstance(block, str):
        return block
    return str(block.get("text", "")) if block.get("type", "text") == "text" else ""


@dataclass
class HumanMessage(Message):
    """What a person says."""

    type: ClassVar[str] = "human"


@dataclass
class SystemMessage(Message):
    """Instructions to a model."""

    type: ClassVar[str] = "system"


@dataclass
class AIMessage(Message):
    """What a model says. Each of ``tool_calls`` is ``{"name", "args", "id", "type": "tool_call"}``."""

    type: ClassVar[str] = "ai"

    _: KW_ONLY
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    usage_metadata: dict[str, Any] | None = None


@dataclass
class ToolMessage(Message):
    """What a tool returned for the call ``tool_call_id``; ``status`` is "success" or "error"."""

    type: ClassVar[str] = "tool"

    _: KW_ONLY
    tool_call_id: str
    artifact: Any = None
    status: str = "success"


@dataclass
class RemoveMessage(Message):
    """Written to a list of messages, it removes the message with its ``id``."""

    type: ClassVar[str] = "remove"

    content: Content = ""
