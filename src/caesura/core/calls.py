"""Calls of ``@task`` functions → tasks: their identity, and what is stored of them.

A call is known by the task that makes it and its ordinal there (source: semantics §5.3). Beside each
result stands a digest of the function's name and arguments. If a replayed call's digest differs, its
result is not used: the call is another one and gets an id of its own.
"""

from __future__ import annotations

from typing import Any

from caesura.constants import DIGEST, PUSH, RETURN
from caesura.core.answers import asked_under, may_advance, rows_under
from caesura.core.ids import path_text
from caesura.core.program import Write
from caesura.core.state import Task, ThreadState
from caesura.errors import TaskReplayMismatchError


def plan_call(state: ThreadState, caller: Task, ordinal: int, name: str) -> Task:
    """The task for the ``ordinal``-th call that ``caller`` makes."""
    return _call_task(state, caller, ordinal, name, "")


def _call_task(state: ThreadState, caller: Task, ordinal: int, name: str, salt: str) -> Task:
    path = (PUSH, caller.path, ordinal, True)
    seed = (state.checkpoint_id, state.ns, f"call\x1f{caller.id}\x1f{ordinal}{salt}")
    task = Task(seed, caller.ns, name, path, (PUSH,), None, None, caller.step)
    adopt_call(state, task)
    return task


def adopt_call(state: ThreadState, task: Task) -> None:
    """Give a planned call its stored result, its interrupts, or its pause."""
    writes = state.writes.get(task.id)
    if writes is not None:
        for channel, value in writes:
            if channel == RETURN:
                if task.id in state.pushing:
                    state.pushing[task.id] = path_text(task.path)
                task.writes, task.result, task.cached = [(RETURN, value)], value, True
                return
    if state.rows:
        task.rows = [row for row in state.rows if row.task_id == task.id]
        task.personal = bool(asked_under(state.rows, task.id))
        under = rows_under(state.rows, task.id)
        if not may_advance(under, state.mine):
            task.pause = tuple(row for row in under if row.status == "open")


def stored_digest(state: ThreadState, task: Task) -> str | None:
    """The digest beside a stored result, if there is one."""
    for channel, value in state.writes.get(task.id, ()):
        if channel == DIGEST:
            return str(value)
    return None


def diverged(
    state: ThreadState, caller: Task, ordinal: int, task: Task, digest: str, *, strict: bool
) -> Task | None:
    """The task to run instead of a stored one made from other arguments; None if they agree.

    Raises `TaskReplayMismatchError` under ``strict``.
    """
    before = stored_digest(state, task)
    if before is None or before == digest:
        return None
    if strict:
        raise TaskReplayMismatchError(
            f"Call {ordinal} of {caller.name!r}, task {task.name!r}, was stored with other "
            "arguments: the program took another path than when it was paused. Nothing was run. "
            "Make the calls before a pause the same on every run, or start the thread anew."
        )
    return _call_task(state, caller, ordinal, task.name, f"\x1f{digest}")


def call_writes(value: Any, digest: str | None) -> list[Write]:
    """What is stored of a finished call."""
    return [(RETURN, value)] if digest is None else [(RETURN, value), (DIGEST, digest)]


def finish_call(
    state: ThreadState, task: Task, value: Any, digest: str | None, pushed: list[Write]
) -> None:
    """The call returned ``value``; what it ``pushed`` on the way is written with the step."""
    task.result = value
    task.writes = call_writes(value, digest)
    if pushed:
        task.writes = [*pushed, *task.writes]
        state.pushing[task.id] = path_text(task.path)
    state.writes[task.id] = task.writes
