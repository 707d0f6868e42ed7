"""A stored checkpoint → the `StateSnapshot` that programs see (source: semantics §3.5).

Without a checkpoint id the *live* view: finished siblings' writes are folded in, and ``next`` names only
what is unfinished. With one, and in history, the *record* view: values as the step found them, every
task with its result and the interrupts it raised. Reading never runs a node, and never raises for
writes that do not fold.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from caesura.checkpoint.operations import InterruptRow, Load, Loaded
from caesura.constants import CALLER, CONF, ERROR, EXTRAS, PUSH, RETURN
from caesura.core import events
from caesura.core.apply import apply_writes, task_order
from caesura.core.effects import Store
from caesura.core.handling import outcome_of
from caesura.core.opening import apply_command_writes
from caesura.core.plan import plan
from caesura.core.program import Program
from caesura.core.replaying import rebuilt
from caesura.core.state import Task, ThreadState
from caesura.interrupts.lifecycle import as_interrupt, open_interrupts
from caesura.types import Interrupt, PregelTask, StateSnapshot

FAR = 1_000_000
"""Steps left, for managed values where no run is going on."""


def snapshot_at(
    program: Program,
    config: dict[str, Any],
    load: Load,
    *,
    subgraphs: bool,
) -> Generator[Store, Any, StateSnapshot]:
    """Load a checkpoint and describe it."""
    loaded: Loaded | None = yield Store(load)
    if loaded is None:
        return empty_snapshot(config)
    live = load.checkpoint_id is None
    return (yield from snapshot_of(program, loaded, live=live, subgraphs=subgraphs))


def empty_snapshot(config: dict[str, Any]) -> StateSnapshot:
    """The state of a thread that does not exist."""
    return StateSnapshot({}, (), config, None, None, None, (), ())


def snapshot_of(
    program: Program,
    loaded: Loaded,
    *,
    live: bool,
    subgraphs: bool = False,
) -> Generator[Store, Any, StateSnapshot]:
    """Describe a loaded checkpoint."""
    loaded = yield from rebuilt(program, loaded)
    state = ThreadState.from_loaded(program, loaded, stored=False)
    apply_command_writes(state)
    tasks = _as_declared(program, plan(state, state.step + FAR))
    for task in tasks:
        task.writes = outcome_of(state, task)
    finished = [t for t in tasks if t.writes is not None]
    values = _folded(program, loaded, state, finished) if live else None
    shown = []
    for task in tasks:
        inner = yield from _inner_state(state, task, subgraphs)
        shown.append(_describe(state, task, live=live, inner=inner))
    return StateSnapshot(
        values=state.read(program.stream_channels) if values is None else values[0],
        next=_next(tasks, live=live),
        config=_config(loaded, loaded.checkpoint_id),
        metadata={k: v for k, v in loaded.metadata.items() if k not in (CALLER, EXTRAS)},
        created_at=loaded.ts,
        parent_config=_config(loaded, loaded.parent_id) if loaded.parent_id else None,
        tasks=tuple(shown),
        interrupts=(
            *(i for task in shown for i in task.interrupts),
            *(_without_asker(state, tasks) if live and not state.ns else ()),
        ),
    )


def _without_asker(state: ThreadState, tasks: list[Task]) -> list[Interrupt]:
    """What waits although the program has lost the node that asked."""
    planned = {task.id for task in tasks}
    return open_interrupts(r for r in state.rows if planned.isdisjoint((r.task_id, *r.ancestors)))


def _as_declared(program: Program, tasks: list[Task]) -> list[Task]:
    """Tasks as states show them: `Send`s first, then nodes in the order they were declared in."""
    if len(tasks) < 2:
        return tasks
    places = {name: place for place, name in enumerate(program.nodes)}
    return sorted(tasks, key=lambda t: -1 if t.path[0] == PUSH else places.get(t.name, 0))


def _next(tasks: list[Task], *, live: bool) -> tuple[str, ...]:
    """What is still to run; where all has run but the step was not closed, all of it."""
    left = [t.name for t in tasks if not (live and t.writes is not None)]
    return tuple(left or [t.name for t in tasks])


def _config(loaded: Loaded, checkpoint_id: str) -> dict[str, Any]:
    config = events.thread_config(loaded.thread_id, loaded.ns, checkpoint_id)
    parents = loaded.metadata.get("parents")
    if parents:
        config[CONF]["checkpoint_map"] = {**parents, loaded.ns: checkpoint_id}
    return config


def _folded(
    program: Program, loaded: Loaded, state: ThreadState, finished: list[Task]
) -> tuple[Any] | None:
    """The values with the finished tasks' writes in them; None if they do not fold."""
    if not finished:
        return None
    copy = ThreadState.from_loaded(program, loaded, stored=False)
    apply_command_writes(copy)
    try:
        ordered = sorted(finished, key=task_order)
        apply_writes(copy, [(t.name, t.triggers, t.writes or ()) for t in ordered])
    except Exception:
        return None
    return (copy.read(program.stream_channels),)


def _inner_state(state: ThreadState, task: Task, subgraphs: bool) -> Generator[Store, Any, Any]:
    """The state of a task that is a graph: where to find it, or with ``subgraphs`` itself."""
    graphs = task.node.subgraphs if task.node is not None else ()
    if not graphs or task.writes is not None:
        return None
    graph = graphs[0]
    ns = task.ns if graph.checkpointer is not True else lasting_ns(state.ns, task.name)
    if not subgraphs:
        return {CONF: {"thread_id": state.thread_id, "checkpoint_ns": ns}}
    config = {CONF: {"thread_id": state.thread_id, "checkpoint_ns": ns}}
    load = Load(state.thread_id, ns)
    return (yield from snapshot_at(graph.program, config, load, subgraphs=True))


def lasting_ns(ns: str, name: str) -> str:
    """The namespace of a nested graph with a lasting history: the names of the nodes around it."""
    above = [part.split(":")[0] for part in ns.split("|") if part and not part.isdigit()]
    return "|".join([*above, name])


def _describe(state: ThreadState, task: Task, *, live: bool, inner: Any) -> PregelTask:
    rows = [row for row in state.rows if row.task_id == task.id or task.id in row.ancestors]
    return PregelTask(
        id=task.id,
        name=task.name,
        path=task.path,
        error=_stored_error(state, task),
        interrupts=tuple(as_interrupt(row) for row in _shown_rows(rows, live=live)),
        state=inner,
        result=_result(state, task),
    )


def _shown_rows(rows: list[InterruptRow], *, live: bool) -> list[InterruptRow]:
    """Live: what waits. On record: what waits, or else what was asked last."""
    waiting = [row for row in rows if row.status == "open"]
    if live or waiting:
        return waiting
    answered = [row for row in rows if row.status in ("answered", "withdrawn")]
    last: dict[str, InterruptRow] = {}
    for row in answered:
        last[row.task_id] = row
    return list(last.values())


def _stored_error(state: ThreadState, task: Task) -> Any:
    for channel, value in state.writes.get(task.id, ()):
        if channel == ERROR:
            return value
    return None


def _result(state: ThreadState, task: Task) -> Any:
    writes = state.finished_writes(task.id)
    if writes is None:
        return None
    for channel, value in writes:
        if channel == RETURN:
            return value
    program = state.program
    result = events.task_result(writes, program.stream_channels)
    if program.functional or isinstance(program.stream_channels, str):
        return next(iter(result.values()), None)
    return result
