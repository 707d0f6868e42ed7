"""What the loop asks its driver to do. The driver performs, and sends the result back in.

`Store` → what the operation returns. `Run` → tasks that are finished, one or more; while some are
still running the loop yields `WAIT` for the next ones, or `CANCEL` first to stop them. No task comes
back, once, when the step's time is up. `Recall` → for each task what it wrote, or None. `Keep`, `Emit`,
`Log`, `Tell` → None.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from caesura.callbacks import GraphLifecycleEvent
from caesura.core.state import Task


class Store(NamedTuple):
    """Perform a storage operation (`caesura.checkpoint.operations`)."""

    operation: Any


class Run(NamedTuple):
    """Start these tasks. ``timeout``: seconds from now for all that runs in the step."""

    tasks: list[Task]
    timeout: float | None = None


class Recall(NamedTuple):
    """Look up in the cache what these tasks write."""

    tasks: list[Task]


class Keep(NamedTuple):
    """Keep in the cache what this finished task wrote, if it has a policy."""

    task: Task


class Emit(NamedTuple):
    """Hand an event to whoever streams: mode and payload, in the namespace of the loop."""

    mode: str
    payload: Any


class Log(NamedTuple):
    """Log these texts as warnings."""

    texts: list[str]


class Tell(NamedTuple):
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
