"""Graphs of functions over a shared state."""

from typing import TYPE_CHECKING, Any

from caesura.constants import END, START
from caesura.graph.state import StateGraph

if TYPE_CHECKING:
    from caesura.graph.message import MessageGraph, MessagesState, add_messages

__all__ = ("END", "START", "MessageGraph", "MessagesState", "StateGraph", "add_messages")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from caesura.graph import message  # only conversations need it

    return getattr(message, name)
