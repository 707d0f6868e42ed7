"""Editing a thread's state from outside: ``update_state`` and ``bulk_update_state``.

An update acts as a node: its values go through that node's `collect` and branches, so reducers apply
and its edges fire, in a new checkpoint on top of the addressed one (source: semantics §3.6).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

from caesura.checkpoint.operations import Load, Loaded
from caesura.constants import CALLER, COPY, END, INPUT, INTERRUPT, START
from caesura.core.apply import Source, apply_writes, task_order
from caesura.core.effects import Effect, Store
from caesura.core.handling import outcome_of
from caesura.core.inspect import FAR
from caesura.core.opening import apply_command_writes
from caesura.core.plan import plan
from caesura.core.program import Branch, Node, Write
from caesura.core.replaying import rebuilt
from caesura.core.state import Task, ThreadState
from caesura.core.turn import Request, Turn
from caesura.errors import InvalidUpdateError
from caesura.types import StateUpdate

Decide = Callable[[Branch, Any, list[Write], ThreadState], Generator[Any, Any, list[Write]]]
Steps = Generator[Effect, Any, None]


def update_thread(
    request: Request, supersteps: Sequence[Sequence[StateUpdate]], decide: Decide
) -> Generator[Effect, Any, str]:
    """Apply each superstep as a checkpoint; returns the id of the last. ``decide`` runs a branch."""
    if not supersteps:
        raise ValueError("No supersteps provided")
    if any(not updates for updates in supersteps):
        raise ValueError("No updates provided")
    turn = Turn(request)
    load = Load(request.thread_id, request.ns, request.checkpoint_id)
    loaded: Loaded | None = yield Store(load)
    if loaded is None and request.checkpoint_id is not None:
        raise InvalidUpdateError(
            f"Thread {request.thread_id!r} has no checkpoint {request.checkpoint_id!r} to update. "
            "Nothing was stored. Leave the checkpoint_id out to update the newest one."
        )
    if loaded is not None:
        loaded = yield from rebuilt(request.program, loaded)
    _stand(turn, loaded)
    for updates in supersteps:
        yield from _superstep(turn, updates, decide)
    return turn.state.checkpoint_id


def _stand(turn: Turn, loaded: Loaded | None) -> None:
    request = turn.request
    how: dict[str, Any] = {"stored": True, "next_version": request.next_version}
    if loaded is None:
        turn.state = ThreadState.empty(request.program, request.thread_id, request.ns, **how)
        return
    turn.state = ThreadState.from_loaded(request.program, loaded, **how)
    turn.stored_id, turn.stored_head = loaded.checkpoint_id, loaded.head_id
    request.caller = loaded.metadata.get(CALLER)
    apply_command_writes(turn.state)


def _superstep(turn: Turn, updates: Sequence[StateUpdate], decide: Decide) -> Steps:
    state = turn.state
    if len(updates) > 1:
        _check_several([update.as_node for update in updates])
    elif (special := _SPECIAL.get(updates[0].as_node or "")) is not None:
        yield from special(turn, updates[0], decide)
        return
    if state.versions and updates[0].values is None and updates[0].as_node is None:
        yield from _save(turn, "update", state.step + 1)
        return
    sources: list[Source] = []
    for update in updates:
        node = _acting(turn, update)
        writes = yield from _writes_as(state, node, update.values, decide)
        sources.append((node.name, (INTERRUPT,), writes))
    state.updated = apply_writes(state, sources)
    yield from _save(turn, "update", max(state.step, -1) + 1)


def _check_several(names: Sequence[str | None]) -> None:
    """Raises `InvalidUpdateError` for what cannot be one of several updates of a checkpoint."""
    if None in names:
        raise InvalidUpdateError("as_node is required when applying multiple updates")
    for name, text in _ALONE.items():
        if name in names:
            raise InvalidUpdateError(text)


def _save(turn: Turn, source: str, step: int) -> Steps:
    state = turn.state
    withdraw = "the state was updated" if turn.may_wait() else None
    state.writes, state.rows = {}, []
    yield from turn.save(source, step, withdraw=withdraw)


def _acting(turn: Turn, update: StateUpdate) -> Node:
    nodes = turn.request.program.nodes
    name = update.as_node or _last_node(turn.state)
    if name not in nodes:
        raise InvalidUpdateError(f"Node {name} does not exist")
    return nodes[name]


def _last_node(state: ThreadState) -> str:
    """The node an update acts as when none is named."""
    nodes = state.program.nodes
    seen = {
        name: max(versions.values())
        for name, versions in state.seen.items()
        if name in nodes and versions
    }
    if not seen:
        return START if START in nodes else next(iter(nodes))
    visible = [name for name in nodes if name != START]
    if len(visible) == 1:
        return visible[0]
    latest = max(seen.values())
    last = [name for name, version in seen.items() if version == latest]
    if len(last) > 1:
        raise InvalidUpdateError("Ambiguous update, specify as_node")
    return last[0]


def _writes_as(
    state: ThreadState, node: Node, values: Any, decide: Decide
) -> Generator[Any, Any, list[Write]]:
    writes = node.collect(values)
    for branch in node.branches:
        writes = writes + (yield from decide(branch, values, writes, state))
    return writes


def _finish(turn: Turn, update: StateUpdate, decide: Decide) -> Steps:
    """As ``END``: apply what siblings saved, and clear all tasks."""
    if update.values is not None:
        raise InvalidUpdateError("Received non-null values for END")
    state = turn.state
    tasks = sorted(plan(state, state.step + FAR), key=task_order)
    sources: list[Source] = [(t.name, t.triggers, _saved(state, t)) for t in tasks]
    state.updated = apply_writes(state, [*sources, (INPUT, (INTERRUPT,), ())])
    yield from _save(turn, "update", max(state.step, -1) + 1)


def _saved(state: ThreadState, task: Task) -> list[Write]:
    return [w for w in outcome_of(state, task) or () if w[0] in state.program.channels]


def _as_input(turn: Turn, update: StateUpdate, decide: Decide) -> Steps:
    """As ``__input__``: like new input, which START has yet to take."""
    state = turn.state
    channels, given = turn.request.program.input_channels, update.values
    if given is None:
        raise InvalidUpdateError(f"Received no input writes for {channels}")
    writes: list[Write] = (
        [(channels, given)] if isinstance(channels, str) else [(k, given[k]) for k in given]
    )
    state.updated = apply_writes(state, [("", (), writes)])
    yield from _save(turn, "input", state.step + 1)


def _as_copy(turn: Turn, update: StateUpdate, decide: Decide) -> Steps:
    """As ``__copy__``: a fork beside the addressed checkpoint, with its parent. A list of values is
    a list of updates, ``(values, as_node)``, of one more checkpoint on top."""
    state = turn.state
    if not state.versions:
        raise InvalidUpdateError("Cannot copy a non-existent checkpoint")
    items = update.values if isinstance(update.values, (list, tuple)) else ()
    updates = [_follow_up(item) for item in items]
    turn.stored_id = state.parent_id
    state.chain = None
    yield from _save(turn, "fork", state.step + 1)
    if updates:
        yield from _superstep(turn, updates, decide)


def _follow_up(item: Any) -> StateUpdate:
    if not isinstance(item, (list, tuple)) or not 1 <= len(item) <= 3:
        raise InvalidUpdateError(f"Expected (values, as_node) to follow a copy, got {item!r}")
    return StateUpdate(*item)


_ALONE = {
    INPUT: "Cannot apply multiple updates when updating as input",
    END: "Cannot apply multiple updates when clearing state",
    COPY: "Cannot copy checkpoint with multiple updates",
}
_SPECIAL: dict[str, Any] = {END: _finish, INPUT: _as_input, COPY: _as_copy}
