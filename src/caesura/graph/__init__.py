"""Graphs of functions over a shared state."""

from caesura.constants import END, START
from caesura.graph.message import MessageGraph, MessagesState, add_messages
from caesura.graph.state import StateGraph

__all__ = ("END", "START", "MessageGraph", "MessagesState", "StateGraph", "add_messages")
