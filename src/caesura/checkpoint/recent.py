"""What a saver read last, so that the next run on a thread reads only what came since.

A run begins by reading its thread, and what it finds is folded from all rows since the last full one. So
`Recent` keeps folded states, one for each (thread, ns), the least recently used ones going first, and the
next reading folds on from there (`rows.folded`). It is a shortcut and never the truth: a state is used only
if the row that it was read from is stored unchanged, and what that row builds on does not change.

Nothing is shared between a program and what is kept. Only *plain* states are kept, which are made of exact
lists, dicts and atoms and nothing else; what they are made of is looked at once, when they come to be kept,
and then they are copied out in the quickest way there is for it. States of one codec are for that codec
only: another may build other classes. Where a serializer may encrypt, nothing is kept.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from caesura.checkpoint.rows import Codec, Folded, Row

KEEP: Final = 16 * 2**20
"""Bytes of memory for what was read last, of each saver."""
_FEW_ROWS: Final = 16
_FEW_BYTES: Final = 32 * 1024
"""Less than both is folded again rather than kept."""

Copier = Callable[[Any], Any]

_ATOMS: Final = frozenset({type(None), bool, int, float, str, bytes})
_CONTAINERS: Final = frozenset({list, dict})
_PLAIN: Final = _ATOMS | _CONTAINERS
_ITEM: Final = 64
"""Bytes of memory that an item of a container takes, besides those that it has when it is encoded."""
_CONTAINER: Final = 128
_LEVELS: Final = 32
"""Containers within containers; what is nested deeper is not kept."""


# --- copying ---------------------------------------------------------------------------------


def copier(value: Any, levels: int = _LEVELS) -> tuple[Copier, int] | None:
    """What makes a copy of ``value`` that shares no container with it, and the memory that the
    containers take; None if it is not plain."""
    kind = type(value)
    if kind in _ATOMS:
        return _same, 0
    if kind is dict and levels:
        return _copier_of_dict(value, levels)
    if kind is list and _ATOMS.issuperset(map(type, value)):
        return list.copy, _room([value])
    if kind is list and set(map(type, value)) == {dict} and _are_flat(value):
        return _copy_dicts, _room([value, *value])
    room = _room_within(value, levels)
    return None if room is None else (_copy_deep, room)


def _copier_of_dict(value: dict[Any, Any], levels: int) -> tuple[Copier, int] | None:
    """`copier` of a dict: each of its containers has one of its own."""
    if not _ATOMS.issuperset(map(type, value)):
        return None
    room, copiers = _room([value]), {}
    for key, item in value.items():
        if type(item) not in _ATOMS:
            found = copier(item, levels - 1)
            if found is None:
                return None
            copiers[key] = found[0]
            room += found[1] + _ITEM
    return (partial(_copy_by, copiers) if copiers else dict.copy), room


def _copy_by(copiers: Mapping[Any, Copier], value: dict[Any, Any]) -> dict[Any, Any]:
    made = value.copy()
    for key, copy in copiers.items():
        made[key] = copy(value[key])
    return made


def _same(value: Any) -> Any:
    return value


def _copy_dicts(value: list[dict[Any, Any]]) -> list[dict[Any, Any]]:
    return list(map(dict.copy, value))


def _copy_deep(value: Any) -> Any:
    if type(value) is list:
        return [_copy_deep(v) if type(v) in _CONTAINERS else v for v in value]
    return {k: _copy_deep(v) if type(v) in _CONTAINERS else v for k, v in value.items()}


def _are_flat(dicts: Sequence[dict[Any, Any]]) -> bool:
    keys = chain.from_iterable(dicts)
    values: Iterable[Any] = chain.from_iterable(map(dict.values, dicts))
    return _ATOMS.issuperset(map(type, keys)) and _ATOMS.issuperset(map(type, values))


def _room(containers: Sequence[list[Any] | dict[Any, Any]]) -> int:
    return _CONTAINER * len(containers) + _ITEM * sum(map(len, containers))


def _room_within(value: Any, levels: int) -> int | None:
    """The memory that a container and those within take; None if something in it is not plain."""
    kind = type(value)
    if kind not in _CONTAINERS or not levels:
        return None
    if kind is dict and not _ATOMS.issuperset(map(type, value)):
        return None
    items = value.values() if kind is dict else value
    if not _PLAIN.issuperset(map(type, items)):
        return None
    total = _room([value])
    for item in items:
        if type(item) in _CONTAINERS:
            room = _room_within(item, levels - 1)
            if room is None:
                return None
            total += room
    return total


# --- keeping ---------------------------------------------------------------------------------

_mark = attrgetter("checkpoint_id", "parent_id", "worth", "weight", "ts", "body", "follows")
"""What tells a row from another one that was stored in its place."""


class Known(NamedTuple):
    """A state that was read. Nothing in it ever changes."""

    codec: Codec
    row: Row
    """The row of the state's checkpoint, as it was stored."""
    snapshot_id: str
    """The full row that the state was folded from."""
    kept: Sequence[Any]
    """The parts of the state."""
    copiers: Sequence[Copier]
    room: int

    def parts(self) -> Sequence[Any]:
        """The parts of the state, in containers that are the caller's own."""
        return [copy(part) for copy, part in zip(self.copiers, self.kept, strict=True)]

    def is_at(self, row: Row) -> bool:
        """True if ``row`` is the very row that the state was read from."""
        return row.checkpoint_id == self.row.checkpoint_id and _mark(row) == _mark(self.row)


class Recent:
    """The states that were read last. Safe to use from several threads.

    Args:
        keep: bytes of memory that they may take, about.
    """

    def __init__(self, keep: int = KEEP) -> None:
        self.keep = keep
        self.room = 0
        """Bytes of memory that they take, about."""
        self._known: OrderedDict[tuple[str, str], Known] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def before(self, codec: Codec, thread_id: str, ns: str, row: Row) -> Known | None:
        """The state that is kept of a (thread, ns), if ``row`` may be it, or build on it."""
        key = (thread_id, ns)
        with self._lock:
            known = self._known.get(key)
            if known is None or known.codec is not codec:
                return None
            self._known.move_to_end(key)
        start = known.row
        if start.checkpoint_id > row.checkpoint_id or start.weight > row.weight:
            return None
        return known

    def note(
        self, codec: Codec, thread_id: str, ns: str, walked: Sequence[Row], folded: Folded
    ) -> None:
        """Keep what was read, if that pays: ``walked`` was, the newest row last, and `Folded`."""
        if _pays(walked) and folded.chain.snapshot_weight + folded.chain.weight <= self.keep:
            known = _known(codec, walked[-1], folded)
            if known is not None and known.room <= self.keep:
                self._keep((thread_id, ns), known)

    def _keep(self, key: tuple[str, str], known: Known) -> None:
        with self._lock:
            self._drop([key])
            self._known[key] = known
            self.room += known.room
            while self.room > self.keep:
                self._drop([next(iter(self._known))])

    def drop(self, thread_id: str) -> None:
        """Keep nothing of a thread any more."""
        with self._lock:
            self._drop([key for key in self._known if key[0] == thread_id])

    def _drop(self, keys: Iterable[tuple[str, str]]) -> None:
        for key in keys:
            known = self._known.pop(key, None)
            self.room -= known.room if known is not None else 0


def _pays(walked: Sequence[Row]) -> bool:
    """True if folding ``walked`` once more would cost more than keeping the state. The last row is read
    each time, so it must be the smaller part."""
    last, size = len(walked[-1].body), sum(len(row.body) for row in walked)
    return 2 * last <= size and (len(walked) >= _FEW_ROWS or size >= _FEW_BYTES)


def _known(codec: Codec, row: Row, folded: Folded) -> Known | None:
    """A copy of the state to keep; None if it is not plain."""
    state, sealed = folded.state, folded.chain
    room = sealed.snapshot_weight + sealed.weight + len(row.body) + len(row.metadata)
    copiers = []
    for part in state:
        found = copier(part)
        if found is None:
            return None
        copiers.append(found[0])
        room += found[1]
    shared = Known(codec, row, sealed.snapshot_id, state, copiers, room)
    return shared._replace(kept=shared.parts())
