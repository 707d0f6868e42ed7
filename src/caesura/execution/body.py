"""One task's work as a generator: it yields the calls to make, the drivers make them.

A node: its action, then its branches. Each says what to call and with what; the driver sends the
result in, or throws the exception. The last value is the task's writes.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

from caesura.channels.base import MISSING
from caesura.constants import PUSH
from caesura.core.program import Action, Write
from caesura.core.state import ThreadState
from caesura.errors import ParentCommand
from caesura.execution.context import TaskScope
from caesura.managed.base import StepPosition
from caesura.types import RetryPolicy

Call = tuple[Action, tuple[Any, ...]]
"""What to call, and with which arguments (beside what it has injected)."""


def task_body(scope: TaskScope) -> Generator[Call, Any, list[Write]]:
    """The work of a node's task."""
    task = scope.task
    node = task.node
    assert node is not None
    value = task.input
    if node.coerce is not None and task.path[0] != PUSH:
        value = node.coerce(value)
    try:
        result = yield node.action, (value,)
    except ParentCommand as signal:
        # It came out of a graph inside this node, so this is the graph it is meant for.
        result = replace(signal.command, graph=None)
    writes = node.collect(result)
    if scope.pushed:
        writes = [*scope.pushed, *writes]
    for branch in node.branches:
        turn = scope.frame.turn
        fresh = FreshState(turn.state, writes, task.step, turn.stop)
        chosen = yield branch.action, (branch.read(fresh, result),)
        writes += branch.route(chosen)
    return writes


class FreshState:
    """The state as it was when the step began plus one task's own writes."""

    __slots__ = ("_own", "_state", "_step", "_stop")

    def __init__(self, state: ThreadState, writes: list[Write], step: int, stop: int) -> None:
        self._state = state
        self._own = writes
        self._step, self._stop = step, stop

    @property
    def position(self) -> StepPosition:
        return StepPosition(self._step, self._stop)

    def read(self, keys: str | tuple[str, ...]) -> Any:
        """As `ThreadState.read`."""
        state, own = self._state, self._own
        if isinstance(keys, str):
            channel = state.channels[keys]
            if mine := [value for name, value in own if name == keys]:
                value = channel.after(mine)
                return None if value is MISSING else value
            return channel.get() if channel.is_available() else None
        found: dict[str, Any] = state.read(keys)
        grouped: dict[str, list[Any]] = {}
        for name, value in own:
            if name in found or (name in state.program.shown and name in keys):
                grouped.setdefault(name, []).append(value)
        in_order = True
        for name, values in grouped.items():
            in_order = in_order and name in found
            value = state.channels[name].after(values)
            if value is MISSING:
                found.pop(name, None)
            else:
                found[name] = value
        return found if in_order else {key: found[key] for key in keys if key in found}


def retry_of(scope: TaskScope, error: BaseException) -> RetryPolicy | None:
    """The policy under which a failed attempt is made again; None: it is not.

    The node's policies count, else those of the graph; of several the first that matches.
    """
    node = scope.task.node
    if not isinstance(error, Exception) or node is None:
        return None
    for policy in node.retry or retry_policies(scope.frame.graph.retry_policy):
        if matches(policy, error):
            return policy if scope.attempt < policy.max_attempts else None
    return None


def retry_policies(given: Any) -> tuple[RetryPolicy, ...]:
    """One policy, several, or None, as a tuple."""
    if not given:
        return ()
    return (given,) if isinstance(given, RetryPolicy) else tuple(given)


def matches(policy: RetryPolicy, error: Exception) -> bool:
    """True if ``policy`` is meant for ``error``."""
    rule = policy.retry_on
    if isinstance(rule, type):
        return isinstance(error, rule)
    if isinstance(rule, Sequence):
        return isinstance(error, tuple(rule))
    if not callable(rule):
        raise TypeError(
            "retry_on must be an Exception class, a list or tuple of Exception classes, or a callable"
        )
    return bool(rule(error))


def retry_wait(policy: RetryPolicy, attempt: int, jitter: float) -> float:
    """Seconds to wait after failed attempt ``attempt`` (from 1); ``jitter`` in 0..1."""
    wait = policy.initial_interval * policy.backoff_factor ** (attempt - 1)
    return min(policy.max_interval, wait) + (jitter if policy.jitter else 0.0)
