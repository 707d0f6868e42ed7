"""Checkpoints of older versions of LangGraph: what in them stands under another name today.

Before version 4 of the shape, `Send`s that were still to run stood in ``pending_sends``. Before version
3, an edge that had fired was a channel named for it: ``start:b``, ``branch:a:condition:b``, or the name
of the node it leaves; today each is ``branch:to:b``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from caesura.checkpoint.operations import Loaded
from caesura.constants import EXTRAS, TASKS
from caesura.core.program import Program

_TO = "branch:to:"


def additions(program: Program, loaded: Loaded) -> dict[str, tuple[Any, Any]]:
    """Channel → (value, version), of what a checkpoint says in an older way."""
    extras = loaded.metadata[EXTRAS]
    version = extras.get("v", 4)
    found: dict[str, tuple[Any, Any]] = {}
    sends = extras.get("pending_sends")
    if version < 4 and sends and TASKS in program.channels:
        found[TASKS] = (list(sends), max(loaded.versions.values(), default=None))
    if version < 3:
        for channel, target in _fired(program, loaded):
            found[_TO + target] = (loaded.values[channel], loaded.versions[channel])
    return found


def _fired(program: Program, loaded: Loaded) -> Iterator[tuple[str, str]]:
    """Channels of edges that fired, with the node each leads to, if that has not run since."""
    for channel, version in loaded.versions.items():
        if channel in program.channels or channel not in loaded.values:
            continue
        for target in _targets(program, channel):
            seen = loaded.seen.get(target, {}).get(channel)
            if _TO + target in program.channels and (seen is None or version > seen):
                yield channel, target


def _targets(program: Program, channel: str) -> list[str]:
    if channel.startswith(("start:", "branch:")):
        return [channel.rpartition(":")[2]]
    node = program.nodes.get(channel)
    if node is None:
        return []
    static = node.collect(None)
    return [name[len(_TO) :] for name, _ in static if name.startswith(_TO)]
