"""One task's work as a generator: it yields the calls to make, the drivers make them.

A node: its action, then its branches. Each says what to call and with what; the driver sends the
result in, or throws the exception. The last value is the task's writes.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from caesura.channels.base import BaseChannel
from caesura.constants import PUSH
from caesura.core.program import Action, Write
from caesura.errors import ParentCommand
from caesura.execution.context import TaskScope
from caesura.managed.base import StepPosition
from caesura.types import RetryPolicy


class Call(NamedTuple):
    """Call ``action`` with ``args`` (and what it has injected)."""

    action: Action
    args: tuple[Any, ...]


def task_body(scope: TaskScope) -> Generator[Call, Any, list[Write]]:
    """The work of a node's task."""
    task = scope.task
    node = task.node
    assert node is not None
    value = task.input
    if node.coerce is not None and task.path[0] != PUSH:
        value = node.coerce(value)
    try:
        result = yield Call(node.action, (value,))
    except ParentCommand as signal:
        # It came out of a graph inside this node, so this is the graph it is meant for.
        result = replace(signal.command, graph=None)
    writes = node.collect(result)
    if scope.pushed:
        writes = [*scope.pushed, *writes]
    for branch in node.branches:
        turn = scope.frame.turn
        read = FreshReader(turn.state.channels, writes, StepPosition(task.step, turn.stop))
        chosen = yield Call(branch.action, (branch.read(read, result),))
        writes += branch.route(chosen)
    return writes


class FreshReader:
    """Reads the state as it was when the step began plus one task's own writes."""

    __slots__ = ("_channels", "_writes", "position")

    def __init__(
        self,
        channels: Mapping[str, BaseChannel[Any, Any, Any]],
        writes: list[Write],
        position: StepPosition,
    ) -> None:
        self._channels = channels
        self._writes = writes
        self.position = position

    def __call__(self, keys: Sequence[str] | str) -> Any:
        if isinstance(keys, str):
            channel = self._fresh(keys)
            return channel.get() if channel.is_available() else None
        return {key: c.get() for key in keys if (c := self._fresh(key)).is_available()}

    def _fresh(self, key: str) -> BaseChannel[Any, Any, Any]:
        channel = self._channels[key]
        mine = [value for name, value in self._writes if name == key]
        if mine:
            channel = channel.copy()
            channel.update(mine)
        return channel


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
