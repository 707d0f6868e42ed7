"""What happened → the payloads of the stream modes (source: semantics §6.2). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from caesura.constants import CALLER, CONF, ERROR, INTERRUPT, RETURN
from caesura.core.program import Write
from caesura.core.state import Task, ThreadState
from caesura.types import Interrupt, interrupt_as_dict


def thread_config(thread_id: str, ns: str, checkpoint_id: str | None) -> dict[str, Any]:
    """The config that addresses a checkpoint."""
    where: dict[str, Any] = {"thread_id": thread_id, "checkpoint_ns": ns}
    if checkpoint_id is not None:
        where["checkpoint_id"] = checkpoint_id
    return {CONF: where}


def visible_writes(writes: Iterable[Write], keys: str | tuple[str, ...]) -> list[Write]:
    """The writes to channels that ``keys`` names."""
    if isinstance(keys, str):
        return [w for w in writes if w[0] == keys]
    return [w for w in writes if w[0] in keys]


def update_payload(task: Task, keys: str | tuple[str, ...]) -> dict[str, Any]:
    """``{node: what it wrote}``: None, a bare value, a dict, or a list of one-key dicts."""
    writes = task.writes or []
    for channel, value in writes:
        if channel == RETURN:
            return {task.name: value}
    shown = visible_writes(writes, keys)
    if isinstance(keys, str):
        values = [value for _, value in shown]
        return {task.name: values[0] if len(values) == 1 else values or None}
    if len({channel for channel, _ in shown}) < len(shown):
        return {task.name: [{channel: value} for channel, value in shown]}
    return {task.name: dict(shown) or None}


def as_cached(update: Mapping[str, Any]) -> dict[str, Any]:
    """``update``, marked as that of a task that was not run."""
    return {**update, "__metadata__": {"cached": True}}


def task_payload(task: Task) -> dict[str, Any]:
    """A task starts."""
    payload = {
        "id": task.id,
        "name": task.name,
        "input": task.args if task.args is not None else task.input,
        "triggers": task.triggers,
    }
    if task.node is not None and task.node.metadata:
        payload["metadata"] = dict(task.node.metadata)
    return payload


def result_payload(
    task: Task, keys: str | tuple[str, ...], interrupts: Sequence[Interrupt]
) -> dict[str, Any]:
    """A task ended: well, with an error, or in a pause."""
    return {
        "id": task.id,
        "name": task.name,
        "error": task.error,
        "result": task_result(task.writes or (), keys),
        "interrupts": [interrupt_as_dict(i) for i in interrupts],
    }


def task_result(writes: Iterable[Write], keys: str | tuple[str, ...]) -> dict[str, Any]:
    """Channel → value written; repeated writes as ``{"$writes": [...]}``."""
    found: dict[str, Any] = {}
    repeated: set[str] = set()
    names = (keys,) if isinstance(keys, str) else keys
    for channel, value in writes:
        if channel not in names and channel != RETURN:
            continue
        if channel not in found:
            found[channel] = value
        elif channel in repeated:
            found[channel]["$writes"].append(value)
        else:
            repeated.add(channel)
            found[channel] = {"$writes": [found[channel], value]}
    return found


def checkpoint_payload(
    state: ThreadState, tasks: Sequence[Task], interrupts: Mapping[str, Sequence[Interrupt]]
) -> dict[str, Any]:
    """A checkpoint was saved (or is where a resumed run stands)."""
    return {
        "config": _address(state, state.checkpoint_id),
        "parent_config": _address(state, state.parent_id) if state.parent_id else None,
        "values": state.read(state.program.stream_channels),
        "metadata": {k: v for k, v in state.metadata.items() if k != CALLER},
        "next": [task.name for task in tasks],
        "tasks": [_checkpoint_task(state, task, interrupts.get(task.id, ())) for task in tasks],
    }


def _address(state: ThreadState, id: str) -> dict[str, Any]:
    """The config of a checkpoint; within a nested graph with those of the graphs around it."""
    config = thread_config(state.thread_id, state.ns, id)
    if state.ns:
        config[CONF]["checkpoint_map"] = {**state.metadata.get("parents", {}), state.ns: id}
    return config


def _checkpoint_task(
    state: ThreadState, task: Task, interrupts: Sequence[Interrupt]
) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": task.id, "name": task.name}
    shown["interrupts"] = tuple(interrupt_as_dict(i) for i in interrupts)
    shown["state"] = None
    if task.node is not None and task.node.subgraphs:
        shown["state"] = {CONF: {"thread_id": state.thread_id, "checkpoint_ns": task.ns}}
    writes = state.writes.get(task.id)
    if writes:
        error = next((value for channel, value in writes if channel == ERROR), None)
        if error is not None:
            shown["error"] = error
        else:
            shown["result"] = task_result(writes, state.program.stream_channels)
    return shown


def pause_values(state: ThreadState, keys: Any, interrupts: Sequence[Interrupt]) -> Any:
    """The ``values`` payload of a pause."""
    values = state.read(keys)
    shown = dict(values) if isinstance(values, dict) else {}
    shown[INTERRUPT] = tuple(interrupts)
    return shown
