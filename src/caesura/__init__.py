"""Caesura: a durable runtime for programs that stop for a person and go on later.

The public names live where LangGraph has them (``caesura.graph``, ``caesura.func``,
``caesura.types``, ``caesura.checkpoint`` …). The ones used most are here too.
"""

from caesura.constants import END, START
from caesura.func import entrypoint, task
from caesura.graph import StateGraph
from caesura.types import Command, Interrupt, Send, interrupt, interrupts
from caesura.version import __version__

__all__ = (
    "END",
    "START",
    "Command",
    "Interrupt",
    "Send",
    "StateGraph",
    "__version__",
    "entrypoint",
    "interrupt",
    "interrupts",
    "task",
)
