"""Records, states and interrupts → the forms that clients know. Pure, and written once.

Where a form has grown over time, today's keys are given; see ``caesura.server.wire`` for their types.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from caesura.checkpoint.operations import InterruptRow
from caesura.constants import CONF
from caesura.records.shapes import Assistant, Cron, Run, Thread
from caesura.types import Interrupt, PregelTask, StateSnapshot

Json = dict[str, Any]


def select(view: Mapping[str, Any], fields: Sequence[str] | None) -> Json:
    """Only these fields of a view; all, if None."""
    if fields is None:
        return dict(view)
    return {name: view[name] for name in fields if name in view}


def assistant_view(assistant: Assistant) -> Json:
    """An assistant."""
    return {
        "assistant_id": assistant.assistant_id,
        "graph_id": assistant.graph_id,
        "config": dict(assistant.config),
        "context": dict(assistant.context),
        "metadata": dict(assistant.metadata),
        "name": assistant.name,
        "created_at": assistant.created_at,
        "updated_at": assistant.updated_at,
        "version": assistant.version,
        "description": assistant.description,
    }


def thread_view(thread: Thread, values: Any = None, rows: Iterable[InterruptRow] = ()) -> Json:
    """A thread; ``values``: of its newest checkpoint, ``rows``: its open interrupts."""
    view: Json = {
        "thread_id": thread.thread_id,
        "created_at": thread.created_at,
        "updated_at": thread.updated_at,
        "state_updated_at": thread.state_updated_at,
        "metadata": dict(thread.metadata),
        "status": thread.status,
        "config": dict(thread.config),
        "values": values,
    }
    if thread.touched:
        view["error"] = None if thread.error is None else dict(thread.error)
        view["interrupts"] = interrupts_by_task(rows)
    if thread.ttl is not None:
        view["ttl"] = {
            "strategy": thread.ttl.strategy,
            "ttl_minutes": thread.ttl.minutes,
            "expires_at": thread.expires_at,
        }
    return view


def interrupts_by_task(rows: Iterable[InterruptRow]) -> dict[str, list[Json]]:
    """Task of the root graph → what it waits for, itself or by way of a nested graph."""
    found: dict[str, list[Json]] = {}
    for row in rows:
        task = row.ancestors[0] if row.ancestors else row.task_id
        found.setdefault(task, []).append(row_view(row))
    return found


def row_view(row: InterruptRow) -> Json:
    """An interrupt as threads show it."""
    return _interrupt(row.id, row.payload, row.response_schema)


def interrupt_view(item: Interrupt) -> Json:
    """An interrupt as states show it."""
    return _interrupt(item.id, item.value, item.response_schema)


def _interrupt(id: str, value: Any, schema: Any) -> Json:
    view: Json = {"id": id, "value": value}
    if schema is not None:
        view["response_schema"] = schema
    return view


def run_view(run: Run) -> Json:
    """A run."""
    return {
        "run_id": run.run_id,
        "thread_id": run.thread_id,
        "assistant_id": run.assistant_id,
        "metadata": dict(run.metadata),
        "status": run.status,
        "kwargs": dict(run.kwargs),
        "multitask_strategy": run.multitask_strategy,
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "langsmith_session_name": None,
    }


def cron_view(cron: Cron) -> Json:
    """A cron."""
    return {
        "cron_id": cron.cron_id,
        "assistant_id": cron.assistant_id,
        "thread_id": cron.thread_id,
        "user_id": cron.user_id,
        "end_time": cron.end_time,
        "schedule": cron.schedule,
        "timezone": cron.timezone,
        "payload": dict(cron.payload),
        "next_run_date": cron.next_run_date,
        "metadata": dict(cron.metadata),
        "on_run_completed": cron.on_run_completed,
        "enabled": cron.enabled,
        "created_at": cron.created_at,
        "updated_at": cron.updated_at,
    }


# --- states ------------------------------------------------------------------------------------


def checkpoint_view(config: Mapping[str, Any] | None) -> Json | None:
    """The address of a checkpoint."""
    where = (config or {}).get(CONF)
    if not where or not where.get("checkpoint_id"):
        return None
    view: Json = {
        "checkpoint_id": where["checkpoint_id"],
        "thread_id": where["thread_id"],
        "checkpoint_ns": where.get("checkpoint_ns", ""),
    }
    if where.get("checkpoint_map"):
        view["checkpoint_map"] = dict(where["checkpoint_map"])
    return view


def state_view(state: StateSnapshot) -> Json:
    """A state of a thread."""
    checkpoint, parent = checkpoint_view(state.config), checkpoint_view(state.parent_config)
    if state.metadata is None:
        checkpoint = None
    return {
        "values": state.values,
        "next": list(state.next),
        "tasks": [task_view(task) for task in state.tasks],
        "metadata": None if state.metadata is None else _metadata(state, checkpoint),
        "created_at": state.created_at,
        "checkpoint": checkpoint,
        "parent_checkpoint": parent,
        "interrupts": [interrupt_view(item) for item in state.interrupts],
        "checkpoint_id": checkpoint and checkpoint["checkpoint_id"],
        "parent_checkpoint_id": parent and parent["checkpoint_id"],
    }


def _metadata(state: StateSnapshot, checkpoint: Json | None) -> Json:
    """A checkpoint's metadata; the thread is not stored in it, but clients expect it there."""
    return {"thread_id": checkpoint and checkpoint["thread_id"], **state.metadata}


def task_view(task: PregelTask) -> Json:
    """A task of a state; that of a nested graph has its state, or where to find it."""
    nested = task.state
    where = nested.get(CONF) if isinstance(nested, dict) else None
    return {
        "id": task.id,
        "name": task.name,
        "path": list(task.path),
        "error": None if task.error is None else _text(task.error),
        "interrupts": [interrupt_view(item) for item in task.interrupts],
        "checkpoint": None if where is None else dict(where),
        "state": state_view(nested) if isinstance(nested, StateSnapshot) else None,
        "result": task.result,
    }


def _text(error: Any) -> str:
    return error if isinstance(error, str) else repr(error)
