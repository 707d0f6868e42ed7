"""Which tasks may have a timeout. Sync code cannot be stopped from outside, so only async ones may."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from caesura.core.program import Action
from caesura.core.state import Task
from caesura.types import TimeoutPolicy


def timeout_of(given: Any, action: Action, what: str = "Node") -> TimeoutPolicy | None:
    """The policy for ``given`` (see `TimeoutPolicy.coerce`). Raises ValueError for a sync ``action``."""
    policy = TimeoutPolicy.coerce(given)
    if policy is None or (policy.run_timeout is None and policy.idle_timeout is None):
        return None
    if action.afunc is None:
        raise _not_async(what, action.name)
    return policy


def refuse_sync(tasks: Iterable[Task], *, asynchronous: bool) -> None:
    """Raise ValueError if any of ``tasks`` has a timeout and would run as sync code."""
    for task in tasks:
        node = task.node
        if node is None or node.timeout is None:
            continue
        if not asynchronous or node.action.afunc is None:
            raise _not_async("Node", task.name)


def _not_async(what: str, name: str) -> ValueError:
    return ValueError(
        "Node timeouts are only supported for async nodes because sync Python execution cannot be "
        f"safely cancelled in-process. {what} '{name}' is sync."
    )
