"""What the loop asks its driver to do. The driver performs, and sends the result back in.

`Store` → what the operation returns. `Run` → tasks that are finished, one or more; while some are
still running the loop yields `WAIT` for the next ones, or `CANCEL` first to stop them. No task comes
back, once, when the step's time is up. `Recall` → for each task what it wrote, or None. `Keep`, `Emit`,
`Log`, `Tell` → None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from caesura.callbacks import GraphLifecycleEvent
from caesura.core.state import Task


@dataclass(slots=True)
class Store:
    """Perform a storage operation (`caesura.checkpoint.operations`)."""

    operation: Any


@dataclass(slots=True)
class Run:
    """Start these tasks. ``timeout``: seconds from now for all that runs in the step."""

    tasks: list[Task]
    timeout: float | None = None


@dataclass(slots=True)
class Recall:
    """Look up in the cache what these tasks write."""

    tasks: list[Task]


@dataclass(slots=True)
class Keep:
    """Keep in the cache what this finished task wrote, if it has a policy."""

    task: Task


@dataclass(slots=True)
class Emit:
    """Hand an event to whoever streams: mode and payload, in the namespace of the loop."""

    mode: str
    payload: Any


@dataclass(slots=True)
class Log:
    """Log these texts as warnings."""

    texts: list[str]


@dataclass(slots=True)
class Tell:
    """Call the lifecycle callbacks of the run."""

    event: GraphLifecycleEvent


class _Wait:
    """Wait for the next finished tasks."""

    __slots__ = ()


class _Cancel:
    """Stop the tasks that are still running."""

    __slots__ = ()


WAIT: Final = _Wait()
CANCEL: Final = _Cancel()
Effect = Store | Run | Recall | Keep | Emit | Log | Tell | _Wait | _Cancel
