"""State → the tasks that are due.

First one for every `Send` in the tasks channel, in the order written; then one for every node with
a trigger channel whose version it has not seen, by node name (source: semantics §2.4).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from caesura.constants import PUSH, TASKS
from caesura.core.program import NO_INPUT, Node
from caesura.core.state import Task, ThreadState
from caesura.managed.base import StepPosition
from caesura.types import Send


def plan(state: ThreadState, stop: int) -> list[Task]:
    """The tasks of the next step, Sends first, then nodes by name."""
    step = state.step + 1
    position = StepPosition(step, stop) if state.program.managed else None
    tasks = _planned_sends(state, step)
    for node in _candidates(state):
        if not _is_due(state, node):
            continue
        value = node.read(state, position)
        if value is not NO_INPUT:
            tasks.append(_task(state, step, node, node.path, node.triggers, node.place, value))
    return tasks


def is_over(state: ThreadState) -> bool:
    """True if it is certain, before anything is planned, that nothing will be due."""
    topic, updated = state.channels.get(TASKS), state.updated
    sent = topic is not None and topic.is_available()
    return not sent and updated is not None and updated.isdisjoint(state.program.listeners)


def _planned_sends(state: ThreadState, step: int) -> list[Task]:
    topic = state.channels.get(TASKS)
    if topic is None or not topic.is_available():
        return []
    tasks = []
    for index, send in enumerate(topic.get()):
        node = state.program.nodes.get(send.node) if isinstance(send, Send) else None
        if node is None:
            state.notes.append(
                f"Ignoring unknown node name {getattr(send, 'node', send)} in pending sends"
            )
            continue
        if send.timeout is not None:
            node, state.timed = replace(node, timeout=send.timeout), True
        path = (PUSH, index, False)
        tasks.append(_task(state, step, node, path, (PUSH,), f"push\x1f{index}", send.arg))
    return tasks


def _candidates(state: ThreadState) -> Iterable[Node]:
    """The nodes that may be due, by name."""
    listeners = state.program.listeners
    if state.updated is None:
        found = list(listeners.values())
    else:
        found = [listeners[channel] for channel in state.updated if channel in listeners]
        if len(found) == 1:
            return found[0]
    by_name = {node.name: node for nodes in found for node in nodes}
    return [by_name[name] for name in sorted(by_name)]


def _is_due(state: ThreadState, node: Node) -> bool:
    seen, versions, channels = state.seen.get(node.name), state.versions, state.channels
    for trigger in node.triggers:
        version = versions.get(trigger)
        if version is None or not channels[trigger].is_available():
            continue
        if seen is None or trigger not in seen or version > seen[trigger]:
            return True
    return False


def _task(
    state: ThreadState,
    step: int,
    node: Node,
    path: tuple[Any, ...],
    triggers: tuple[str, ...],
    place: str,
    value: Any,
) -> Task:
    seed = (state.checkpoint_id, state.ns, place)
    return Task(seed, state.ns, node.name, path, triggers, node, value, step)
