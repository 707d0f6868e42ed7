"""Reading checkpoints backward, page by page, of one thread or of all. Pure.

A `Reader` is where one reading stands. `Reader.page` is a generator: it yields what it wants to
read (`FindCheckpoints`, `Rows`, `Asked`, `Writes`, `Walks`), is sent what is stored, and returns the next
checkpoints. Each request is about a whole page, of however many threads it may be, so that a saver
answers it at once. Between two pages nothing is locked, so a reading may be as slow as its reader; each
page is consistent in itself. A page that could not be read to its end is read again: the
reading moves on when all of it is there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterable, Sequence
from operator import attrgetter, itemgetter
from typing import Any, Final, NamedTuple

from caesura.checkpoint import rows
from caesura.checkpoint.operations import (
    Chain,
    FindCheckpoints,
    History,
    InterruptRow,
    Loaded,
    Place,
)
from caesura.checkpoint.rows import Codec, Row, State, Strand, WriteRow, Written
from caesura.interrupts.lifecycle import is_live, is_within

PAGE: Final = 64
_MOST_FOUND: Final = 16_384
"""Checkpoints that are found at a time, to be read later: to find some of all takes a look at every one."""
_STRANDS: Final = 4
"""Strands of a namespace that are kept."""

Space = tuple[str, str]
"""(thread_id, ns)."""


class Stored(NamedTuple):
    """A checkpoint as it is stored."""

    place: Place
    head_id: str
    """The newest checkpoint of its space."""
    row: Row
    closing: bytes | None
    """Writes on it that are stored with the row after it (`pack_closing`)."""

    @property
    def space(self) -> Space:
        """Thread and namespace."""
        return self.place[1:]


class Rows(NamedTuple):
    """The rows at these places, or at those to be found → `Stored`s of those there are, in any order."""

    places: Sequence[Place] | FindCheckpoints


class Asked(NamedTuple):
    """All interrupts of each space and below → ``(space, InterruptRow)``s, in order of asking."""

    spaces: Sequence[Space]


def asked_in(
    codec: Codec, request: Asked, sealed: Iterable[Sequence[Any]]
) -> list[tuple[Space, InterruptRow]]:
    """The answer to ``request``, out of all stored interrupts of its threads."""
    wanted: dict[str, list[Space]] = defaultdict(list)
    for space in request.spaces:
        wanted[space[0]].append(space)
    made = []
    for columns in sealed:
        thread_id, ns = _thread_and_ns(columns)
        within = [space for space in wanted[thread_id] if is_within(ns, space[1])]
        if within:
            row = rows.unseal_interrupt(codec, columns)
            made += [(space, row) for space in within]
    return made


_thread_and_ns = itemgetter(*map(rows.INTERRUPT_COLUMNS.index, ("thread_id", "ns")))


class Writes(NamedTuple):
    """Writes on these checkpoints, stored by themselves → ``(place, WriteRow)``s."""

    places: Sequence[Place]


class Walks(NamedTuple):
    """The rows from each row up to its full one → a walk for each, oldest first. One row a space."""

    ends: Sequence[tuple[Space, Row]]


Request = FindCheckpoints | Rows | Asked | Writes | Walks


class Reader:
    """Where the reading of one `History` stands."""

    def __init__(self, codec: Codec, op: History) -> None:
        self.op = op
        self.exhausted = op.limit is not None and op.limit <= 0
        self._codec = codec
        self._left = op.limit
        self._size = PAGE
        """How many to find next."""
        self._last = None if op.before is None else Place(op.before, "", "")
        """The last one found."""
        self._all_found = False
        self._named: list[Place] = []
        """Found, and not read yet: the next one is last."""
        self._spaces: dict[Space, _Space] = {}

    def page(self) -> Generator[Request, Any, list[Loaded]]:
        """The next checkpoints; `exhausted` is set with the last ones. May be empty before that."""
        find = self._find()
        if self._named:
            made = yield from self._read(self._named[-PAGE:])
        elif find.limit <= PAGE and not find.filter:
            made = yield from self._read(find)
            self._found(find, [Place(each.checkpoint_id, each.thread_id, each.ns) for each in made])
        else:
            self._named = self._found(find, (yield find))[::-1]
            made = yield from self._read(self._named[-PAGE:])
        del self._named[-PAGE:]
        if self._left is not None:
            self._left -= len(made)
        self.exhausted = self._left == 0 or (self._all_found and not self._named)
        return made

    def _find(self) -> FindCheckpoints:
        op, size = self.op, self._size if self._left is None else min(self._size, self._left)
        return FindCheckpoints(size, op.thread_id, op.ns, self._last, op.filter)

    def _found(self, find: FindCheckpoints, places: list[Place]) -> list[Place]:
        self._all_found = len(places) < find.limit
        self._last = places[-1] if places else None
        self._size = min(4 * self._size, _MOST_FOUND)
        return places

    def _read(
        self, places: Sequence[Place] | FindCheckpoints
    ) -> Generator[Request, Any, list[Loaded]]:
        found: list[Stored] = (yield Rows(places)) if places else []  # some may have gone
        if not found:
            return []
        found.sort(key=attrgetter("place"), reverse=True)
        yield from self._enter(found)
        writes = yield from self._writes(found)
        states = yield from self._states(found)
        return [self._assemble(each, *states[each.place], writes[each.place]) for each in found]

    def _enter(self, found: Sequence[Stored]) -> Generator[Request, Any, None]:
        """Know the spaces of this page, and only those; what is known of them stays as it was."""
        heads = {each.space: each.head_id for each in found}
        spaces = {name: self._spaces.get(name) or _Space(head) for name, head in heads.items()}
        new = [name for name in spaces if name not in self._spaces]
        for name, row in (yield Asked(new)) if new else ():
            spaces[name].note(row, name[1])
        for space in spaces.values():
            space.near = {}
        for each in found:
            spaces[each.space].near[each.row.checkpoint_id] = each.row
        self._spaces = spaces

    def _writes(
        self, found: Sequence[Stored]
    ) -> Generator[Request, Any, dict[Place, list[Written]]]:
        grouped: dict[Place, list[WriteRow]] = defaultdict(list)
        for place, write in (yield Writes([each.place for each in found])):
            grouped[place].append(write)
        return {
            each.place: rows.read_writes(self._codec, grouped.get(each.place, ()), each.closing)
            for each in found
        }

    def _states(
        self, found: Sequence[Stored]
    ) -> Generator[Request, Any, dict[Place, tuple[State, Chain]]]:
        """Newest first within a space, so that one walk serves all that it passes."""
        made: dict[Place, tuple[State, Chain]] = {}
        while found:
            later, apart = [], {}
            for each in found:
                space, id = self._spaces[each.space], each.row.checkpoint_id
                state = None if each.space in apart else space.state(self._codec, id)
                if state is None:
                    apart[each.space] = space
                    later.append(each)
                else:
                    made[each.place] = state
            if apart:
                walks = yield Walks([(name, space.end) for name, space in apart.items()])
                for space, walked in zip(apart.values(), walks, strict=True):
                    space.join(self._codec, walked)
            found = later
        return made

    def _assemble(self, each: Stored, state: State, chain: Chain, writes: list[Written]) -> Loaded:
        space = self._spaces[each.space]
        return rows.assemble(
            self._codec,
            each.place,
            each.row,
            state,
            chain,
            head_id=space.head_id,
            writes=writes,
            interrupts=space.shown(each.row.checkpoint_id, writes),
        )


class _Space:
    """What is known of one (thread, ns) while it is read."""

    def __init__(self, head_id: str) -> None:
        self.head_id = head_id
        self.near: dict[str, Row] = {}
        """The rows of this page."""
        self._traced: list[Row] = []
        """A part of a walk, oldest first, that begins with no full row."""
        self._strands: list[Strand] = []
        self._live: list[InterruptRow] = []
        self._inside: dict[str, list[InterruptRow]] = defaultdict(list)
        """Task → what was asked in graphs inside of it, and is over."""
        self._asked: dict[str, list[InterruptRow]] = defaultdict(list)

    def note(self, row: InterruptRow, ns: str) -> None:
        """Know of an interrupt."""
        if row.ns == ns:
            self._asked[row.checkpoint_id].append(row)
        if is_live(row):
            self._live.append(row)
        else:
            for task_id in row.ancestors:
                self._inside[task_id].append(row)

    def shown(self, checkpoint_id: str, writes: Iterable[Written]) -> list[InterruptRow]:
        """The interrupts that a `Loaded` with these writes shows."""
        here = {row.id: row for row in self._asked.get(checkpoint_id, ())}
        if self._inside:
            for task_id in dict.fromkeys(write.task_id for write in writes):
                here.update((row.id, row) for row in self._inside.get(task_id, ()))
        return [*here.values(), *(row for row in self._live if row.id not in here)]

    def state(self, codec: Codec, checkpoint_id: str) -> tuple[State, Chain] | None:
        """A checkpoint of this page; None: `join` it first with what `end` builds on."""
        for strand in self._strands:
            if checkpoint_id in strand:
                return strand.state(checkpoint_id), strand.chain(checkpoint_id)
        traced = rows.trace_in(self.near, checkpoint_id)
        if traced[0].weight:
            self._traced = traced
            return None
        if len(traced) == 1:  # what builds on it is newer, and was read before
            return State(*codec.decode(traced[0].body)), rows.chain_of(traced)
        self._add(Strand(codec, traced))
        return self.state(codec, checkpoint_id)

    @property
    def end(self) -> Row:
        """The row up to which must be walked."""
        return self._traced[0]

    def join(self, codec: Codec, walked: Sequence[Row]) -> None:
        """Go on from the walk to `end`, oldest row first."""
        self._add(Strand(codec, [*walked[:-1], *self._traced]))

    def _add(self, strand: Strand) -> None:
        self._strands = [strand, *self._strands[: _STRANDS - 1]]
