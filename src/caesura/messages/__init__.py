"""Messages of a conversation: their kinds, what stands for one, and which of them are new.

Caesura brings message types of its own, so that conversations work without LangChain. Where a
program uses LangChain's, those are used: `reading` decides, and LangChain is never imported for it.
"""

from caesura.messages.kinds import (
    REMOVE_ALL_MESSAGES,
    AIMessage,
    AnyMessage,
    HumanMessage,
    Message,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from caesura.messages.reading import is_message, read_message, read_messages
from caesura.messages.telling import message_ids, new_messages

__all__ = (
    "REMOVE_ALL_MESSAGES",
    "AIMessage",
    "AnyMessage",
    "HumanMessage",
    "Message",
    "RemoveMessage",
    "SystemMessage",
    "ToolMessage",
    "is_message",
    "message_ids",
    "new_messages",
    "read_message",
    "read_messages",
)
