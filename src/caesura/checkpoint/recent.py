"""What a saver read last, so that the next run on a thread reads only what came since.

A run begins by reading its thread, and what it finds is folded from all rows since the last full one. So
`Recent` keeps folded states, one for each (thread, ns), the least recently used ones going first, and the
next reading folds on from there (`rows.folded`). It is a shortcut and never the truth: a state is used only
if the row that it was read from is stored unchanged, and what that row builds on does not change.

Nothing is shared between a program and what is kept. Only *plain* states are kept, which are made of exact
lists, dicts and atoms and nothing else, so that no code of anybody runs when they are made anew: the usual
flat lists and dicts are copied, all else is packed and unpacked, which is the quickest way for each. States
of one codec are for that codec only: another may build other classes. Where a serializer may encrypt,
nothing is kept.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ormsgpack import (
    OPT_PASSTHROUGH_DATACLASS,
    OPT_PASSTHROUGH_DATETIME,
    OPT_PASSTHROUGH_ENUM,
    OPT_PASSTHROUGH_SUBCLASS,
    OPT_PASSTHROUGH_TUPLE,
    OPT_PASSTHROUGH_UUID,
    packb,
    unpackb,
)

if TYPE_CHECKING:
    from caesura.checkpoint.rows import Codec, Folded, Row

KEEP: Final = 16 * 2**20
"""Bytes of memory for what was read last, of each saver."""
_FEW: Final = 8 * 1024
"""What costs less to fold again is not worth keeping: bytes to decode, and what rows weigh."""
_PART: Final = 32
"""Nor is what costs so much less than the whole value is worth: to keep it takes time, too."""

Maker = Callable[[], Any]
"""Makes a value anew: none of its containers is anybody else's."""

_ATOMS: Final = frozenset({type(None), bool, int, float, str, bytes})
_ITEM: Final = 64
"""Bytes of memory that an item of a container takes, besides those that it has when it is encoded."""
_CONTAINER: Final = 128
_EXACTLY: Final = (
    OPT_PASSTHROUGH_SUBCLASS
    | OPT_PASSTHROUGH_TUPLE
    | OPT_PASSTHROUGH_DATACLASS
    | OPT_PASSTHROUGH_DATETIME
    | OPT_PASSTHROUGH_ENUM
    | OPT_PASSTHROUGH_UUID
)
"""Whatever would not come back as the very same type is refused."""


# --- making values anew ----------------------------------------------------------------------


def maker(value: Any) -> tuple[Maker, int] | None:
    """What makes ``value`` anew, and the memory it takes beside the bytes that the value has when it is
    encoded; None if the value is not plain."""
    kind = type(value)
    if kind in _ATOMS:
        return partial(_same, value), 0
    if kind is list and _ATOMS.issuperset(map(type, value)):
        return value.copy().copy, _room([value])
    if kind is dict and _are_flat([value]):
        return value.copy().copy, _room([value])
    if kind is list and set(map(type, value)) == {dict} and _are_flat(value):
        return partial(_copied, _copied(value)), _room([value, *value])
    try:
        return partial(unpackb, packb(value, None, _EXACTLY)), 0
    except TypeError:
        return None


def _same(value: Any) -> Any:
    return value


def _copied(dicts: list[dict[Any, Any]]) -> list[dict[Any, Any]]:
    return list(map(dict.copy, dicts))


def _are_flat(dicts: Sequence[dict[Any, Any]]) -> bool:
    keys = chain.from_iterable(dicts)
    values: Iterable[Any] = chain.from_iterable(map(dict.values, dicts))
    return _ATOMS.issuperset(map(type, keys)) and _ATOMS.issuperset(map(type, values))


def _room(containers: Sequence[list[Any] | dict[Any, Any]]) -> int:
    return _CONTAINER * len(containers) + _ITEM * sum(map(len, containers))


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
    values: Mapping[str, Maker]
    rest: Sequence[Maker]
    """Of versions, of what was seen, and of what was updated."""
    room: int

    def state(self) -> tuple[Any, ...]:
        """The parts of the state, which are the caller's own."""
        return {name: make() for name, make in self.values.items()}, *(make() for make in self.rest)

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
        """Keep a state that was read, if that pays. ``walked``: the rows read for it, the newest last."""
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
    first, last = walked[0], walked[-1]
    cost = len(first.body) + last.worth + last.weight - first.worth - first.weight
    return cost >= 2 * len(last.body) and cost >= max(_FEW, last.worth // _PART)


def _known(codec: Codec, row: Row, folded: Folded) -> Known | None:
    """A state to keep; None if it is not plain."""
    state, sealed = folded.state, folded.chain
    parts = [*state.values.values(), *state[1:]]
    made = []
    room = sealed.snapshot_weight + sealed.weight + len(row.body) + len(row.metadata)
    for part in parts:
        found = maker(part)
        if found is None:
            return None
        made.append(found[0])
        room += found[1]
    count = len(state.values)
    values = dict(zip(state.values, made[:count], strict=True))
    return Known(codec, row, sealed.snapshot_id, values, made[count:], room)
