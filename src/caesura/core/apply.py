"""Finished tasks' writes → next state.

Writes are folded in the order of task paths (nodes by name, then `Send`s in their order), so the
result does not depend on which task finished first (source: semantics §2.4).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from caesura.constants import DIGEST, INPUT, RESERVED_WRITES, RETURN, TASKS
from caesura.core.program import Program, Write
from caesura.core.state import Task, ThreadState

Source = tuple[str, tuple[str, ...], Iterable[Write]]
"""Node name, triggers, writes."""


def task_order(task: Task) -> tuple[Any, ...]:
    """Sort key of the tasks of one step."""
    return task.path[:2]


def sources_of(tasks: list[Task]) -> list[Source]:
    """Tasks as `apply_writes` takes them, in path order."""
    ordered = sorted(tasks, key=task_order) if len(tasks) > 1 else tasks
    return [(t.name, t.triggers, t.writes or ()) for t in ordered]


def sources_of_calls(state: ThreadState) -> list[Source]:
    """What ``@task`` calls of the step wrote to channels, in the order of the calls."""
    pushing = state.pushing
    return [
        (id, (), [write for write in state.writes[id] if write[0] not in (RETURN, DIGEST)])
        for id in sorted(pushing, key=pushing.__getitem__)
        if id in state.writes
    ]


def apply_writes(state: ThreadState, sources: list[Source]) -> set[str]:
    """Fold ``sources`` into ``state``; returns the channels that changed and have a value.

    Raises `InvalidUpdateError` or what a reducer raises; the state is then unusable.
    """
    program, channels = state.program, state.channels
    version = state.bump()
    updated: set[str] = set()
    stepped = _mark_seen(state, sources)
    if program.consuming:
        _consume(state, sources, version)
    for name, values in _grouped(program, sources, state.notes).items():
        channel = channels[name]
        if channel.update(values) and state.note(name, channel, version):
            updated.add(name)
    if stepped:
        _end_step(state, updated, version)
        if program.finishing and updated.isdisjoint(program.listeners):
            _finish(state, updated, version)
    return updated


def _mark_seen(state: ThreadState, sources: list[Source]) -> bool:
    """Each node has now seen its triggers; True if any source was a real task."""
    versions, stepped = state.versions, False
    for name, triggers, _ in sources:
        if not triggers:
            continue
        stepped = True
        seen = state.seen.get(name)
        if seen is None:
            seen = state.seen[name] = {}
        for trigger in triggers:
            if trigger in versions:
                seen[trigger] = versions[trigger]
                state.seen_changed.add(name)
    return stepped


def _consume(state: ThreadState, sources: list[Source], version: Any) -> None:
    for name in state.program.consuming:
        triggered = name == TASKS or any(name in triggers for _, triggers, _ in sources)
        if triggered and (channel := state.channels[name]).consume():
            state.note(name, channel, version)


def _grouped(program: Program, sources: list[Source], notes: list[str]) -> dict[str, list[Any]]:
    channels = program.channels
    grouped: dict[str, list[Any]] = {}
    for task, _, writes in sources:
        for channel, value in writes:
            if channel in grouped:
                grouped[channel].append(value)
            elif channel in channels:
                grouped[channel] = [value]
            elif channel not in RESERVED_WRITES and channel not in program.managed:
                notes.append(
                    f"Task {task or INPUT} wrote to unknown channel {channel}, ignoring it."
                )
    return grouped


def _end_step(state: ThreadState, updated: set[str], version: Any) -> None:
    """Tell the channels that live for a step, and were not written, that it is over."""
    for name in state.live - updated:
        channel = state.channels[name]
        if channel.update(()):
            if state.note(name, channel, version):
                updated.add(name)
        elif not channel.is_available():
            state.live.discard(name)


def _finish(state: ThreadState, updated: set[str], version: Any) -> None:
    """Nothing else can run: let the channels that waited for that show their value."""
    for name in state.program.finishing:
        channel = state.channels[name]
        if channel.finish() and state.note(name, channel, version):
            updated.add(name)
