"""The saver that keeps everything in memory: for tests, and for programs that need no more.

It holds the same rows as the savers on disk, in dicts, and values only as bytes: what a program
does to its objects later cannot reach what is stored. Every operation first does all that can fail,
and only then changes the dicts, under a lock.
"""

from __future__ import annotations

import heapq
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from types import TracebackType
from typing import Any, ClassVar, Final, Self, cast

from caesura.checkpoint import rows
from caesura.checkpoint.history import Asked, Request, Rows, Space, Stored, Walks, asked_in
from caesura.checkpoint.operations import (
    ANY_HEAD,
    Accept,
    Chain,
    Commit,
    CopyThread,
    DeleteRuns,
    DeleteThread,
    FindCheckpoints,
    FindInterrupts,
    FindNamespaces,
    FindRuns,
    FindThreads,
    Flush,
    History,
    InterruptRow,
    Load,
    Loaded,
    Namespace,
    Place,
    Prune,
    PutTogether,
    PutWrites,
    TaskWrites,
    ThreadSummary,
    Withdraw,
)
from caesura.checkpoint.recent import KEEP, Known
from caesura.checkpoint.rows import Headline, Row, WriteRow
from caesura.checkpoint.saver import EngineSaver, ReadOn
from caesura.checkpoint.serde.base import SerializerProtocol
from caesura.errors import StaleThreadError, StorageError
from caesura.interrupts import lifecycle

__all__ = ["InMemorySaver", "MemorySaver", "PersistentDict"]

_Writes = dict[tuple[str, int], WriteRow]
_Sealed = tuple[Any, ...]
_ID, _THREAD, _NS, _CHECKPOINT, _TASK, _STATUS, _DONE, _ASKED_AT = (
    rows.INTERRUPT_COLUMNS.index(name)
    for name in (
        "id",
        "thread_id",
        "ns",
        "checkpoint_id",
        "task_id",
        "status",
        "done",
        "asked_at",
    )
)


class _Space:
    """What is stored of one (thread, ns)."""

    __slots__ = ("closed", "head", "rows", "writes")

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.writes: dict[str, _Writes] = {}
        self.closed: dict[str, bytes] = {}
        """Checkpoint → what was stored of its writes with the checkpoint after it (`pack_closing`)."""
        self.head: str | None = None

    def copy(self) -> _Space:
        """A copy; the rows themselves never change."""
        made = _Space()
        made.rows, made.head, made.closed = dict(self.rows), self.head, dict(self.closed)
        made.writes = {k: dict(v) for k, v in self.writes.items()}
        return made


class _Thread:
    """What is stored of one thread."""

    __slots__ = ("interrupts", "spaces")

    def __init__(self) -> None:
        self.spaces: dict[str, _Space] = {}
        self.interrupts: dict[str, _Sealed] = {}
        """Id → columns, in order of asking."""


class InMemorySaver(EngineSaver):
    """Stores checkpoints in this process. Lost when it ends.

    Safe to share between threads and event loops. Usable as a context manager, sync or async, which
    does nothing.

    Args:
        serde: turns values into bytes and back.
        factory: accepted for programs that pass it; not used.
        keep: bytes of memory for what was read last, so that the next run on a thread need not decode
            all of it again; 0: nothing is kept. Where an encrypting serializer is used, nothing ever is.
    """

    at_once: ClassVar[bool] = True

    def __init__(
        self,
        *,
        serde: SerializerProtocol | None = None,
        factory: Callable[..., Any] = defaultdict,
        keep: int = KEEP,
    ) -> None:
        super().__init__(serde=serde, keep=keep)
        self._threads: dict[str, _Thread] = {}
        self._open: dict[tuple[str, str], str] = {}
        """(thread, interrupt id) → asked_at of every open interrupt, in order of asking."""
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> bool | None:
        return None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> bool | None:
        return None

    @property
    def storage(self) -> dict[str, dict[str, dict[str, Row]]]:
        """Thread → namespace → checkpoint id → row: a copy to look at."""
        with self._lock:
            return {
                thread_id: {ns: dict(space.rows) for ns, space in thread.spaces.items()}
                for thread_id, thread in self._threads.items()
            }

    def execute(self, op: Any) -> Any:
        """Perform one operation."""
        return _PERFORM[type(op)](self, op)

    async def aexecute(self, op: Any) -> Any:
        """Perform one operation; nothing here waits."""
        kind = type(op)
        return self.ahistory(op) if kind is History else _PERFORM[kind](self, op)

    # --- checkpoints ---

    def _commit(self, op: Commit) -> Chain:
        row, parent_id = rows.encode_commit(self.codec, op), op.parent_id
        hangs = op.writes or op.withdraw is not None or op.under is not None
        if hangs or op.expected_head != parent_id or not _closes(op.closing, parent_id):
            return self._commit_more(op, row)
        closing = rows.pack_closing(self.codec, op.closing) if op.closing else None
        with self._lock:
            space = self._space_at(op.thread_id, op.ns, parent_id)
            if closing is not None and parent_id is not None:
                self._close_step(space, parent_id, closing)
            self._insert(space, row)
        return rows.chain_after(row, op.chain)

    def _commit_more(self, op: Commit, row: Row) -> Chain:
        closing = [(put, self._encode_put(put)) for put in op.closing]
        writes = self._encode_tasks(op.writes) if op.writes else ()
        with self._lock:
            if op.under is not None:
                self._refuse_if_gone(op.thread_id, *op.under)
            space = self._space_at(op.thread_id, op.ns, op.expected_head)
            if row.weight and row.parent_id not in space.rows:
                row = rows.encode_commit(self.codec, op, full=True)
            if op.expected_head == ANY_HEAD:
                row = row._replace(follows=rows.put_mark(row.checkpoint_id))
                space.rows.update(self._freed(space, row.checkpoint_id))
                self.codec.recent.drop(op.thread_id)
            for put, encoded in closing:
                self._apply_put(put, *encoded)
            self._insert(space, row)
            if writes:
                self._add_writes(space, row.checkpoint_id, writes)
            if op.withdraw is not None:
                self._withdraw_within(op.thread_id, op.ns, op.withdraw, op.ts)
        return rows.chain_after(row, op.chain)

    def _freed(self, space: _Space, checkpoint_id: str) -> dict[str, Row]:
        """The rows that are built on this one, if it is there, as full ones."""
        made = {}
        for row in space.rows.values() if checkpoint_id in space.rows else ():
            if row.weight and row.parent_id == checkpoint_id:
                walked = rows.walk(_walk(space, row.checkpoint_id), row.checkpoint_id)
                made[row.checkpoint_id] = rows.collapsed(self.codec, walked, checkpoint_id)
        return made

    def _space_at(self, thread_id: str, ns: str, expected_head: str | None) -> _Space:
        """The space to write to. Raises `StaleThreadError` if its head is not the expected one."""
        thread = self._threads.get(thread_id)
        space = thread.spaces.get(ns) if thread else None
        head = space.head if space else None
        if expected_head != head and expected_head != ANY_HEAD:
            raise StaleThreadError(thread_id, expected_head, head)
        return space or self._space(thread_id, ns)

    def _space(self, thread_id: str, ns: str) -> _Space:
        thread = self._threads.get(thread_id)
        if thread is None:
            thread = self._threads[thread_id] = _Thread()
        space = thread.spaces.get(ns)
        if space is None:
            space = thread.spaces[ns] = _Space()
        return space

    def _close_step(self, space: _Space, checkpoint_id: str, closing: bytes) -> None:
        before = space.closed.get(checkpoint_id)
        if before is not None:  # What came after it was deleted.
            number = len(space.writes.get(checkpoint_id, ()))
            self._add_writes(space, checkpoint_id, [rows.packed_row(before, f"{number}")])
        space.closed[checkpoint_id] = closing

    @staticmethod
    def _insert(space: _Space, row: Row) -> None:
        space.rows[row.checkpoint_id] = row
        if space.head is None or row.checkpoint_id > space.head:
            space.head = row.checkpoint_id

    def _load(self, op: Load) -> Loaded | None:
        with self._lock:
            thread = self._threads.get(op.thread_id)
            space = thread.spaces.get(op.ns) if thread else None
            if thread is None or space is None or space.head is None:
                return None
            checkpoint_id = op.checkpoint_id or space.head
            if op.before is not None and op.checkpoint_id is None:
                checkpoint_id = max((i for i in space.rows if i < op.before), default="")
            row = space.rows.get(checkpoint_id)
            if row is None:
                return None
            known = self.codec.recent.before(self.codec, op.thread_id, op.ns, row)
            walked = rows.trace(_walk(space, checkpoint_id, known), checkpoint_id)
            stored = list(space.writes.get(checkpoint_id, {}).values())
            closing = space.closed.get(checkpoint_id)
            sealed = list(thread.interrupts.values())
            head = space.head
        folded = rows.folded(self.codec, walked, known)
        if folded is None:
            raise rows.broken(walked)
        if checkpoint_id == head:
            self.codec.recent.note(self.codec, op.thread_id, op.ns, walked, folded)
        writes = rows.read_writes(self.codec, stored, closing)
        asked = [self._unseal(c) for c in _relevant(sealed, op.ns, checkpoint_id)]
        if op.checkpoint_id is not None and writes:
            here = {row.id for row in asked}
            below = [self._unseal(c) for c in sealed if lifecycle.is_within(c[_NS], op.ns)]
            asked = [row for row in below if row.id in here or rows.inside_of(row, writes)]
        return rows.assemble(
            self.codec,
            op,
            walked[-1],
            *folded,
            head_id=head,
            writes=writes,
            interrupts=asked,
        )

    def _unseal(self, columns: _Sealed) -> InterruptRow:
        return rows.unseal_interrupt(self.codec, columns)

    def _read_on(self, op: ReadOn) -> list[Loaded]:
        steps, answer = op.reader.page(), None
        with self._lock:
            while True:
                try:
                    request = steps.send(answer)
                except StopIteration as done:
                    return cast("list[Loaded]", done.value)
                answer = self._answer(request)

    def _answer(self, request: Request) -> Any:
        if isinstance(request, FindCheckpoints):
            return self._find_checkpoints(request)
        if isinstance(request, Rows):
            find = request.places
            places = self._find_checkpoints(find) if isinstance(find, FindCheckpoints) else find
            return [row for place in places if (row := self._stored(place)) is not None]
        if isinstance(request, Asked):
            threads = [self._threads.get(i) for i in {thread_id for thread_id, _ in request.spaces}]
            sealed = [c for thread in threads if thread for c in thread.interrupts.values()]
            return asked_in(self.codec, request, sealed)
        if isinstance(request, Walks):
            return [
                rows.walk(_walk(self._seen(*space), row.checkpoint_id), row.checkpoint_id)
                for space, row in request.ends
            ]
        return [
            (place, write)
            for place in request.places
            for write in self._seen(*place[1:]).writes.get(place.checkpoint_id, {}).values()
        ]

    def _seen(self, thread_id: str, ns: str) -> _Space:
        """A space as it is, if there is one."""
        thread = self._threads.get(thread_id)
        return (thread and thread.spaces.get(ns)) or _Space()

    def _stored(self, place: Place) -> Stored | None:
        space = self._seen(place.thread_id, place.ns)
        row = space.rows.get(place.checkpoint_id)
        return row and Stored(
            place, cast(str, space.head), row, space.closed.get(row.checkpoint_id)
        )

    # --- writes ---

    def _put_writes(self, op: PutWrites) -> None:
        self._put((op,))

    def _put_together(self, op: PutTogether) -> None:
        self._put(op.puts)

    def _put(self, puts: Sequence[PutWrites]) -> None:
        encoded = [(put, self._encode_put(put)) for put in puts]
        with self._lock:
            for put in puts:
                self._refuse_stale(put)
            for put, rows_of_it in encoded:
                self._apply_put(put, *rows_of_it)

    def _refuse_stale(self, op: PutWrites) -> None:
        if op.opened and op.expected_head is not None:
            self._space_at(op.thread_id, op.ns, op.expected_head)
        if not op.early:
            self._refuse_if_gone(op.thread_id, op.ns, op.checkpoint_id)

    def _refuse_if_gone(self, thread_id: str, ns: str, checkpoint_id: str) -> None:
        thread = self._threads.get(thread_id)
        space = thread.spaces.get(ns) if thread else None
        if space is None or checkpoint_id not in space.rows:
            raise StaleThreadError(thread_id, checkpoint_id, space.head if space else None)

    def _encode_put(self, op: PutWrites) -> tuple[list[WriteRow], list[_Sealed]]:
        writes = rows.encode_writes(self.codec, op.task_id, op.task_path, op.writes)
        return writes, [self._seal(row) for row in op.opened] if op.opened else []

    def _encode_tasks(self, tasks: Sequence[TaskWrites]) -> list[WriteRow]:
        return [
            row
            for task in tasks
            for row in rows.encode_writes(self.codec, task.task_id, task.task_path, task.writes)
        ]

    def _apply_put(self, op: PutWrites, writes: list[WriteRow], opened: list[_Sealed]) -> None:
        """Nothing in here can be refused."""
        space = self._space(op.thread_id, op.ns)
        if op.mended:
            space.writes.get(op.checkpoint_id, {}).pop((op.task_id, -1), None)
        if writes:
            self._add_writes(space, op.checkpoint_id, writes)
        if opened or op.superseded or op.done:
            self._apply_interrupts(op, opened)

    @staticmethod
    def _add_writes(space: _Space, checkpoint_id: str, writes: Iterable[WriteRow]) -> None:
        stored = space.writes.get(checkpoint_id)
        if stored is None:
            stored = space.writes[checkpoint_id] = {}
        for row in writes:
            key = (row.task_id, row.idx)
            if row.idx < 0 or key not in stored:
                stored[key] = row

    def _apply_interrupts(self, op: PutWrites, opened: list[_Sealed]) -> None:
        stored = self._threads[op.thread_id].interrupts
        for columns in opened:
            if columns[_ID] not in stored:
                self._store_interrupt(op.thread_id, columns)
        if op.superseded:
            asked_at = {row.id: row.asked_at for row in op.opened}
            for old, new, reason in op.superseded:
                if old in stored:
                    row = self._unseal(stored[old])
                    closed = lifecycle.supersede(row, new, reason, asked_at.get(new))
                    if closed is not None:
                        self._store_interrupt(op.thread_id, self._seal(closed))
        if op.done:
            for columns in [c for c in stored.values() if c[_TASK] == op.task_id]:
                done = (*columns[:_DONE], 1, *columns[_DONE + 1 :])
                self._store_interrupt(op.thread_id, done)

    # --- interrupts ---

    def _seal(self, row: InterruptRow) -> _Sealed:
        return rows.seal_interrupt(self.codec, row)

    def _store_interrupt(self, thread_id: str, columns: _Sealed) -> None:
        self._threads[thread_id].interrupts[columns[_ID]] = columns
        if columns[_STATUS] == "open":
            self._open[thread_id, columns[_ID]] = columns[_ASKED_AT]
        else:
            self._open.pop((thread_id, columns[_ID]), None)

    def _interrupts(self, thread_id: str) -> list[InterruptRow]:
        thread = self._threads.get(thread_id)
        columns = thread.interrupts.values() if thread else ()
        return [self._unseal(c) for c in columns]

    def _accept(self, op: Accept) -> list[InterruptRow]:
        writes = self._encode_tasks(op.writes)
        target = rows.target_of(op) if writes else ""
        with self._lock:
            made = lifecycle.accept(self._interrupts(op.thread_id), op.answers, op.at)
            sealed = [self._seal(row) for row in made]
            for columns in sealed:
                self._store_interrupt(op.thread_id, columns)
            if writes:
                self._add_writes(self._space(op.thread_id, op.ns), target, writes)
        return made

    def _withdraw(self, op: Withdraw) -> list[InterruptRow]:
        with self._lock:
            found = self._interrupts(op.thread_id)
            named = found if op.ids is None else [row for row in found if row.id in op.ids]
            return self._close(op.thread_id, named, op.reason, op.at)

    def _withdraw_within(self, thread_id: str, ns: str, reason: str, at: str) -> None:
        inside = [r for r in self._interrupts(thread_id) if lifecycle.is_within(r.ns, ns)]
        self._close(thread_id, inside, reason, at)

    def _close(
        self, thread_id: str, found: Iterable[InterruptRow], reason: str, at: str
    ) -> list[InterruptRow]:
        made = [row for r in found if (row := lifecycle.withdraw(r, reason, at)) is not None]
        for columns in [self._seal(row) for row in made]:
            self._store_interrupt(thread_id, columns)
        return made

    def _find_interrupts(self, op: FindInterrupts) -> list[InterruptRow]:
        with self._lock:
            found = self._candidates(op)
        if op.interrupt_id is not None:
            found = [c for c in found if c[_ID] == op.interrupt_id]
        if op.status is not None:
            found = [c for c in found if c[_STATUS] == op.status]
        found.sort(key=lambda c: (c[_ASKED_AT], c[_THREAD]))
        return [rows.unseal_interrupt(self.codec, c) for c in found[: op.limit]]

    def _candidates(self, op: FindInterrupts) -> list[_Sealed]:
        if op.thread_id is not None:
            thread = self._threads.get(op.thread_id)
            return list(thread.interrupts.values()) if thread else []
        if op.status == "open":
            return [self._threads[t].interrupts[i] for t, i in self._open]
        return [c for t in self._threads.values() for c in t.interrupts.values()]

    # --- threads ---

    def _find_threads(self, op: FindThreads) -> list[ThreadSummary]:
        with self._lock:
            waiting: dict[str, int] = defaultdict(int)
            for thread_id, _ in self._open:
                waiting[thread_id] += 1
            names = self._threads if op.thread_id is None else [op.thread_id]
            found = [
                (name, space)
                for name in names
                if (thread := self._threads.get(name)) and (space := thread.spaces.get(""))
            ]
            made = [_summary(name, space, waiting[name]) for name, space in found if space.head]
        made.sort(key=lambda s: s.checkpoint_id, reverse=True)
        return made[: op.limit]

    def _find_namespaces(self, op: FindNamespaces) -> list[Namespace]:
        with self._lock:
            names = list(self._threads) if op.thread_id is None else [op.thread_id]
            return [
                Namespace(name, ns, space.head)
                for name in names
                if name in self._threads
                for ns, space in self._threads[name].spaces.items()
                if space.head is not None
            ]

    def _find_checkpoints(self, op: FindCheckpoints) -> list[Place]:
        with self._lock:
            names = self._threads if op.thread_id is None else [op.thread_id]
            found = [
                Place(checkpoint_id, name, ns)
                for name in names
                if (thread := self._threads.get(name))
                for ns, space in thread.spaces.items()
                if op.ns is None or op.ns == ns
                for checkpoint_id in self._newest_of(space, op, (name, ns))
            ]
        return heapq.nlargest(op.limit, found)

    def _newest_of(self, space: _Space, op: FindCheckpoints, name: Space) -> Iterable[str]:
        """The newest of a space that are asked for, as many as could be among the newest of all."""
        ids: Iterable[str] = space.rows
        if op.before is not None:
            last, *others = op.before
            same = name < tuple(others)
            ids = [id for id in ids if id < last or (same and id == last)]
        if op.filter:
            decode, stored = self.codec.decode, space.rows
            newest = sorted(ids, reverse=True)
            matching = (i for i in newest if rows.matches(decode(stored[i].metadata), op.filter))
            return islice(matching, op.limit)
        return ids if len(space.rows) <= op.limit else heapq.nlargest(op.limit, ids)

    def _find_runs(self, op: FindRuns) -> list[str]:
        wanted = set(op.run_ids)
        with self._lock:
            return [
                name
                for name, thread in self._threads.items()
                if any(r.run_id in wanted for s in thread.spaces.values() for r in s.rows.values())
            ]

    # --- upkeep ---

    def _delete_thread(self, op: DeleteThread) -> None:
        with self._lock:
            thread = self._threads.pop(op.thread_id, None)
            for interrupt_id in thread.interrupts if thread else ():
                self._open.pop((op.thread_id, interrupt_id), None)
        self.codec.recent.drop(op.thread_id)

    def _copy_thread(self, op: CopyThread) -> None:
        with self._lock:
            target = self._threads.get(op.target_id)
            if target is not None and any(space.rows for space in target.spaces.values()):
                raise StorageError(rows.target_exists(op))
            source = self._threads.get(op.source_id)
            if source is None:
                return
            made = self._threads[op.target_id] = _Thread()
            made.spaces = {ns: space.copy() for ns, space in source.spaces.items()}
            for columns in source.interrupts.values():
                row = rows.unseal_interrupt(self.codec, columns)
                self._store_interrupt(op.target_id, self._seal(rows.moved(row, op.target_id)))

    def _prune(self, op: Prune) -> None:
        with self._lock:
            thread = self._threads.get(op.thread_id, _Thread())
            doomed = {ns: space.rows.keys() - {space.head} for ns, space in thread.spaces.items()}
            self._remove(op.thread_id, thread, doomed, keep_live=True)

    def _delete_runs(self, op: DeleteRuns) -> None:
        wanted = set(op.run_ids)
        with self._lock:
            thread = self._threads.get(op.thread_id, _Thread())
            doomed = {
                ns: {i for i, row in space.rows.items() if row.run_id in wanted}
                for ns, space in thread.spaces.items()
            }
            self._remove(op.thread_id, thread, doomed, keep_live=False)

    def _remove(
        self, thread_id: str, thread: _Thread, doomed: Mapping[str, set[str]], *, keep_live: bool
    ) -> None:
        rescued = {ns: self._rescue(thread.spaces[ns], ids) for ns, ids in doomed.items()}
        self.codec.recent.drop(thread_id)
        for ns, ids in doomed.items():
            space = thread.spaces[ns]
            space.rows.update(rescued[ns])
            for checkpoint_id in ids:
                del space.rows[checkpoint_id]
                space.writes.pop(checkpoint_id, None)
                space.closed.pop(checkpoint_id, None)
            space.head = max(space.rows, default=None)
        for columns in list(thread.interrupts.values()):
            gone = columns[_CHECKPOINT] in doomed.get(columns[_NS], ())
            if gone and not (keep_live and rows.sealed_is_live(columns)):
                del thread.interrupts[columns[_ID]]
                self._open.pop((thread_id, columns[_ID]), None)

    def _rescue(self, space: _Space, doomed: set[str]) -> dict[str, Row]:
        """The rows that build on doomed ones, in full."""
        lines = [
            Headline(r.checkpoint_id, r.parent_id, r.weight, r.run_id) for r in space.rows.values()
        ]
        made = {}
        for line, parent in rows.orphans(lines, doomed):
            walked = rows.walk(_walk(space, line.checkpoint_id), line.checkpoint_id)
            made[line.checkpoint_id] = rows.collapsed(self.codec, walked, parent)
        return made


def _closes(closing: Sequence[PutWrites], parent_id: str | None) -> bool:
    """True if these are writes on the parent and no more, which can be kept in one piece."""
    for put in closing:  # noqa: SIM110 (a generator would take three times as long)
        if put.checkpoint_id != parent_id or not rows.only_writes(put):
            return False
    return True


def _walk(space: _Space, checkpoint_id: str, known: Known | None = None) -> list[Row]:
    """From a checkpoint up to its full row, or to the row of a known state."""
    made = []
    row = space.rows.get(checkpoint_id)
    while row is not None:
        made.append(row)
        if known is not None and known.is_at(row):
            break
        row = space.rows.get(row.parent_id) if row.weight and row.parent_id else None
    return made


def _relevant(interrupts: Iterable[_Sealed], ns: str, checkpoint_id: str) -> list[_Sealed]:
    """Those that a `Loaded` shows."""
    return [
        c
        for c in interrupts
        if (c[_CHECKPOINT] == checkpoint_id and c[_NS] == ns)
        or (rows.sealed_is_live(c) and lifecycle.is_within(c[_NS], ns))
    ]


def _summary(thread_id: str, space: _Space, waiting: int) -> ThreadSummary:
    head = space.rows[cast(str, space.head)]
    count = len(space.rows)
    return ThreadSummary(thread_id, head.checkpoint_id, head.ts, head.step, count, waiting)


_PERFORM: Final[dict[type, Callable[[InMemorySaver, Any], Any]]] = {
    Load: InMemorySaver._load,
    Commit: InMemorySaver._commit,
    PutWrites: InMemorySaver._put_writes,
    PutTogether: InMemorySaver._put_together,
    Flush: lambda saver, op: None,
    Accept: InMemorySaver._accept,
    Withdraw: InMemorySaver._withdraw,
    FindInterrupts: InMemorySaver._find_interrupts,
    FindThreads: InMemorySaver._find_threads,
    FindNamespaces: InMemorySaver._find_namespaces,
    FindCheckpoints: InMemorySaver._find_checkpoints,
    FindRuns: InMemorySaver._find_runs,
    History: InMemorySaver.history,
    ReadOn: InMemorySaver._read_on,
    DeleteThread: InMemorySaver._delete_thread,
    DeleteRuns: InMemorySaver._delete_runs,
    Prune: InMemorySaver._prune,
    CopyThread: InMemorySaver._copy_thread,
}

MemorySaver = InMemorySaver
"""LangGraph's other name of `InMemorySaver`."""


class PersistentDict(dict[Any, Any]):
    """LangGraph's pickled dict. Kept as a name only: Caesura never stores or reads pickles."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            "PersistentDict stores pickles, which Caesura does not do. Use SqliteSaver."
        )
