"""Being told when a run pauses and when it goes on: handlers in ``config["callbacks"]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from uuid import UUID

    from caesura.types import Interrupt

__all__ = (
    "GraphCallbackHandler",
    "GraphInterruptEvent",
    "GraphLifecycleEvent",
    "GraphLifecycleStatus",
    "GraphResumeEvent",
)

GraphLifecycleStatus = Literal[
    "input", "pending", "done", "interrupt_before", "interrupt_after", "out_of_steps"
]


@dataclass(frozen=True)
class GraphInterruptEvent:
    """A run paused. ``status``: "pending" if people are asked, else which static breakpoint it was.

    ``run_id``: the config's, or one made for this run. ``checkpoint_ns``: where the graph is nested,
    a part a level; empty for the outermost. ``interrupts``: all that wait.
    """

    run_id: UUID | None
    status: GraphLifecycleStatus
    checkpoint_id: str
    checkpoint_ns: tuple[str, ...]
    interrupts: tuple[Interrupt, ...]


@dataclass(frozen=True)
class GraphResumeEvent:
    """A graph goes on from a stored checkpoint: the outermost one, or one nested in it."""

    run_id: UUID | None
    status: GraphLifecycleStatus
    checkpoint_id: str
    checkpoint_ns: tuple[str, ...]


GraphLifecycleEvent = GraphInterruptEvent | GraphResumeEvent


class GraphCallbackHandler:
    """Derive from it and put an instance into ``config["callbacks"]``, a list.

    The methods may be ``async``. What they raise is logged, unless ``raise_error`` is true; when
    `on_interrupt` is called, the pause is stored already.
    """

    raise_error: bool = False

    # LangChain, which is given the same list, has nothing to tell it.
    run_inline = False
    ignore_llm = ignore_retry = ignore_chain = ignore_agent = True
    ignore_retriever = ignore_chat_model = ignore_custom_event = True

    def on_interrupt(self, event: GraphInterruptEvent) -> Any:
        """The run paused, once for each pause of the outermost graph."""

    def on_resume(self, event: GraphResumeEvent) -> Any:
        """A graph goes on; called for the outermost one and for each nested one that goes on."""
