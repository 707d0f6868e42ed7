"""Error handlers: who runs in place of a task that failed for good.

A node may name another node as its handler. When the node's task has failed and no retry is left, the
task is *handed over*: stored with its error goes a mark (``__scheduled__``) that says which handler
runs and describes the exception, and the handler becomes a task of the same step, with the failed
task's input and its place in the order of writes. From then on the failed task counts as finished
without writes, so its edges do not fire, and only the handler is started: also by a later run that
finds the mark, after a pause or a crash.

Control signals are not handed over, nor is a swallowed pause: nobody gets past a person that way. What
the engine meets when it stores is not the node's failure either: the run fails and can go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

from caesura import errors
from caesura.constants import ERROR, SCHEDULED
from caesura.core.program import Write
from caesura.core.state import HandlerTask, Task, ThreadState
from caesura.errors import (
    NodeError,
    RestoredError,
    StaleThreadError,
    StorageError,
    SwallowedInterruptError,
)

_NOT_ITS_OWN = (SwallowedInterruptError, StorageError, StaleThreadError)
_PLAIN = (str, int, float, bool, type(None))


def hand_over(state: ThreadState, task: Task) -> HandlerTask | None:
    """The handler that runs in place of a task that failed; None if there is none for its error."""
    error = task.error
    if task.node is None or task.node.handler is None:
        return None
    if not isinstance(error, Exception) or isinstance(error, _NOT_ITS_OWN):
        return None
    return _handler(state, task, task.node.handler, error)


def mark_of(handler: HandlerTask) -> Write:
    """What is stored beside the error of a task that was handed over."""
    error = cast(Exception, handler.failure().error)
    return (SCHEDULED, {"node": handler.name, "error": _described(error)})


def handlers_due(state: ThreadState, tasks: Sequence[Task]) -> list[Task]:
    """The handlers of those of ``tasks`` that an earlier run handed over; those are then finished."""
    found: list[Task] = []
    for task in tasks:
        handler = _stored_handler(state, task)
        if handler is not None:
            task.writes = []
            found.append(handler)
    return found


def outcome_of(state: ThreadState, task: Task) -> list[Write] | None:
    """What a task wrote, or the handler it was handed over to; None if that is not finished."""
    writes = state.finished_writes(task.id)
    if writes is None and (handler := _stored_handler(state, task)) is not None:
        return state.finished_writes(handler.id)
    return writes


def _stored_handler(state: ThreadState, task: Task) -> HandlerTask | None:
    stored = dict(state.writes.get(task.id, ()))
    mark = stored.get(SCHEDULED)
    if ERROR not in stored or not isinstance(mark, dict) or mark["node"] not in state.program.nodes:
        return None
    return _handler(state, task, mark["node"], _restored(mark["error"]))


def _handler(state: ThreadState, task: Task, name: str, error: Exception) -> HandlerTask:
    node = state.program.nodes[name]
    if task.node is not None and node.coerce is not task.node.coerce:
        node = replace(node, coerce=task.node.coerce)  # It sees what the failed task saw.
    seed = (state.checkpoint_id, state.ns, f"handler\x1f{task.id}")
    return HandlerTask(task, NodeError(task.name, error), node=node, seed=seed)


# --- exceptions as data ------------------------------------------------------------------------


def _built_in(kind: type[Exception]) -> Iterator[tuple[str, type]]:
    yield kind.__name__, kind
    for below in kind.__subclasses__():
        if below.__module__ == "builtins":
            yield from _built_in(below)


_KNOWN: dict[str, Any] = {
    **dict(_built_in(Exception)),
    **{k: v for k, v in vars(errors).items() if isinstance(v, type) and issubclass(v, Exception)},
}
"""The classes that stored names may point to: the built-in exceptions, and our own."""


def _described(error: Exception) -> dict[str, Any]:
    """An exception as plain data: names, texts, and the attributes that are plain."""
    base = next(kind for kind in type(error).__mro__ if _KNOWN.get(kind.__name__) is kind)
    return {
        "name": type(error).__name__,
        "base": base.__name__,
        "text": str(error),
        "repr": repr(error),
        "attributes": {k: v for k, v in vars(error).items() if isinstance(v, _PLAIN)},
    }


def _restored(record: dict[str, Any]) -> Exception:
    """An exception that looks like the described one."""
    base = _KNOWN.get(record["base"], Exception)
    bases = (RestoredError,) if issubclass(RestoredError, base) else (RestoredError, base)
    error = _unmade(record, bases) or _unmade(record, (RestoredError,))
    error.__dict__.update(record["attributes"])
    RestoredError.__init__(error, record["text"], record["repr"])
    return cast(Exception, error)


def _unmade(record: dict[str, Any], bases: tuple[Any, ...]) -> Any:
    """An instance without its ``__init__``; None for a class that is not made of one text."""
    kind: Any = type(record["name"], bases, {"__module__": RestoredError.__module__})
    try:
        return kind.__new__(kind, record["text"])
    except TypeError:
        return None
