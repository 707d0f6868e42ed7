"""Reading checkpoints backward, page by page, without folding any of them from the start. Pure.

A `Reader` is where one reading stands. `Reader.page` is a generator: it yields what it wants to
read (`Headlines`, `Walk`, `Writes`, `Closing`, `Asked`), is sent the stored rows, and returns the next
checkpoints. Between two pages nothing is locked, so a reading may be as slow as its reader; each
page is consistent in itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from caesura.checkpoint import rows
from caesura.checkpoint.operations import History, InterruptRow, Loaded
from caesura.checkpoint.rows import Codec, Row, Strand, WriteRow, Written
from caesura.interrupts.lifecycle import is_live

PAGE: Final = 64
_STRANDS: Final = 4


class Headlines(NamedTuple):
    """Rows without bodies, newest first → `Row`s whose ``body`` is empty."""

    before: str | None
    limit: int


class Walk(NamedTuple):
    """The rows from that of a headline up to its full one → `Row`s, in any order."""

    row: Row


class Writes(NamedTuple):
    """Writes on the checkpoints from ``first`` to ``last``, stored by themselves →
    ``(checkpoint_id, WriteRow)``s."""

    first: str
    last: str


class Closing(NamedTuple):
    """Writes on a checkpoint, stored with the row after it → `pack_closing` of them, or None."""

    checkpoint_id: str


class Asked(NamedTuple):
    """All interrupts of the namespace and below → `InterruptRow`s, in order of asking."""


Request = Headlines | Walk | Writes | Closing | Asked


class Reader:
    """Where the reading of one `History` stands. ``size``: how many to read at a time, at most."""

    def __init__(self, codec: Codec, op: History, size: int = PAGE) -> None:
        self.op = op
        self._size = size
        self.exhausted = op.limit is not None and op.limit <= 0
        self._codec = codec
        self._before = op.before
        self._left = op.limit
        self._head_id: str | None = None
        self._closing: dict[str | None, bytes] = {}
        """Checkpoint of this page → what the row after it holds of its writes."""
        self._strands: list[Strand] = []
        self._live: list[InterruptRow] = []
        self._inside: dict[str, list[InterruptRow]] = defaultdict(list)
        """Task → what was asked in graphs inside of it, and is over."""
        self._asked: dict[str, list[InterruptRow]] = defaultdict(list)

    def page(self) -> Generator[Request, Any, list[Loaded]]:
        """The next checkpoints; `exhausted` is set with the last ones. May be empty before that."""
        begins = self._head_id is None
        if begins and self._before is not None:
            yield from self._headlines_of(None, 1)
        found = yield from self._headlines()
        if begins and self._head_id is not None:
            yield from self._begin()
        if not found:
            return []
        writes = yield from self._writes(found)
        made = []
        for row in found:
            strand = yield from self._strand(row)
            if strand is not None:
                made.append(self._assemble(row, strand, writes[row.checkpoint_id]))
        return made

    def _begin(self) -> Generator[Request, Any, None]:
        asked: list[InterruptRow] = yield Asked()
        self._live = [row for row in asked if is_live(row)]
        for row in asked:
            self._asked[row.checkpoint_id].append(row)
            for task_id in () if is_live(row) else row.ancestors:
                self._inside[task_id].append(row)

    def _headlines_of(self, before: str | None, limit: int) -> Generator[Request, Any, list[Row]]:
        """Headlines; the first ones ever tell which checkpoint is the newest."""
        found: list[Row] = yield Headlines(before, limit)
        if self._head_id is None and found:
            self._head_id = found[0].checkpoint_id
        return found

    def _headlines(self) -> Generator[Request, Any, list[Row]]:
        wanted = self.op.filter
        limit = self._size if self._left is None or wanted else min(self._size, self._left)
        found = yield from self._headlines_of(self._before, limit)
        self.exhausted = len(found) < limit
        if found:
            yield from self._note_closing(found)
            self._before = found[-1].checkpoint_id
        if wanted:
            decode = self._codec.decode
            found = [row for row in found if rows.matches(decode(row.metadata), wanted)]
        if self._left is not None:
            found = found[: self._left]
            self._left -= len(found)
            self.exhausted = self.exhausted or self._left == 0
        return found

    def _note_closing(self, found: Sequence[Row]) -> Generator[Request, Any, None]:
        newest = found[0].checkpoint_id
        self._closing = {row.parent_id: row.closing for row in found if row.closing is not None}
        if newest != self._head_id and (closing := (yield Closing(newest))) is not None:
            self._closing[newest] = closing

    def _writes(self, found: Sequence[Row]) -> Generator[Request, Any, dict[str, list[Written]]]:
        grouped: dict[str, list[WriteRow]] = defaultdict(list)
        pairs = yield Writes(found[-1].checkpoint_id, found[0].checkpoint_id)
        for checkpoint_id, write in pairs:
            grouped[checkpoint_id].append(write)
        read = partial(rows.read_writes, self._codec)
        ids = [row.checkpoint_id for row in found]
        return {id: read(grouped.get(id, ()), self._closing.get(id)) for id in ids}

    def _strand(self, row: Row) -> Generator[Request, Any, Strand | None]:
        for strand in self._strands:
            if row.checkpoint_id in strand:
                return strand
        walked = rows.walk((yield Walk(row)), row.checkpoint_id)
        if not walked:  # pruned since the last page
            return None
        strand = Strand(self._codec, walked)
        self._strands = [strand, *self._strands[: _STRANDS - 1]]
        return strand

    def _assemble(self, row: Row, strand: Strand, writes: list[Written]) -> Loaded:
        own = self._asked.get(row.checkpoint_id, ())
        here = {r.id: r for r in own if r.ns == self.op.ns}
        for task_id in dict.fromkeys(write.task_id for write in writes):
            here.update((r.id, r) for r in self._inside.get(task_id, ()))
        return rows.assemble(
            self._codec,
            self.op,
            row,
            strand.state(row.checkpoint_id),
            strand.chain(row.checkpoint_id),
            head_id=self._head_id or "",
            writes=writes,
            interrupts=[*here.values(), *(r for r in self._live if r.id not in here)],
        )
