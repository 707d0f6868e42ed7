"""The parts of a database, and what can be asked of each: checkpoints, the store, a server's records.

A part has its own tables and migrations, which are made when the first of its operations comes, so a
database holds what is used and no more. The rooms above register their operations here when they are
imported; nothing is imported before it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final, NamedTuple

from caesura.storage.checkpoints import PERFORM
from caesura.storage.statements import Perform

CHECKPOINTS: Final = "checkpoints"
_ROOMS: Final = {
    "caesura.records.operations": "caesura.storage.records",
    "caesura.storage.store": "caesura.storage.store",
}
"""Module of an operation → module that performs it."""


class Performer(NamedTuple):
    """Who performs an operation: in which part, and how."""

    part: str
    perform: Perform


_known: Final[dict[type, Performer]] = {
    kind: Performer(CHECKPOINTS, perform) for kind, perform in PERFORM.items()
}


def register(part: str, operations: Mapping[type, Perform]) -> None:
    """Say how the operations of a part are performed."""
    for kind, perform in operations.items():
        _known[kind] = Performer(part, perform)


def performer_of(kind: type) -> Performer:
    """Who performs operations of this class. Raises TypeError if nobody does."""
    found = _known.get(kind)
    if found is None and kind.__module__ in _ROOMS:
        import_module(_ROOMS[kind.__module__])
        found = _known.get(kind)
    if found is None:
        raise TypeError(f"{kind.__name__} is no storage operation")
    return found
