"""Values of `DeltaChannel`s of which LangGraph stored no more than the writes.

It stores a value now and then only. Here the value is stored with the next checkpoint, as any other.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from caesura.channels.base import MISSING
from caesura.checkpoint.operations import Load, Loaded
from caesura.core.effects import Store
from caesura.core.program import Program


def rebuilt(program: Program, loaded: Loaded) -> Generator[Store, Any, Loaded]:
    """The checkpoint with the values of its `DeltaChannel`s, where only writes to them were stored.

    What is missing is made of the nearest stored value above and the writes from there on.
    """
    missing = [
        name for name in program.deltas if name in loaded.versions and name not in loaded.values
    ]
    if not missing:
        return loaded
    steps: list[Loaded] = []
    left, above = set(missing), loaded.parent_id
    while left and above is not None:
        step: Loaded | None = yield Store(Load(loaded.thread_id, loaded.ns, above))
        if step is None:
            break
        steps.append(step)
        left -= step.values.keys()
        above = step.parent_id
    values = {name: _replayed(program, name, steps) for name in missing}
    return replace(loaded, values={**loaded.values, **values}, rebuilt=tuple(missing))


def _replayed(program: Program, name: str, steps: list[Loaded]) -> Any:
    """The value of a channel; ``steps``: the checkpoints above, nearest first."""
    writes: list[tuple[str, str, Any]] = []
    stored = MISSING
    for step in steps:
        writes[:0] = [write for write in step.writes if write[1] == name]
        if name in step.values:
            stored = step.values[name]
            break
    channel = program.channels[name].from_checkpoint(stored)
    channel.replay_writes(writes)  # type: ignore[attr-defined]
    return channel.checkpoint()
