"""What the engine asks of a saver, as plain data: the interface is this file.

`Saver.execute(op)` and `await Saver.aexecute(op)` take one of these and return what its docstring
says. Each operation is one atomic transaction within one thread: all of it is stored, or nothing is
and an error is raised. How durable it is then, its ``sync`` says. Operations hold plain Python values;
encoding them is the saver's work.

A saver stores a checkpoint as the *changes* against its parent. Reading folds the changes from the
last full one on (`caesura.core.patch`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

InterruptStatus = Literal["open", "answered", "withdrawn", "superseded"]
Sync = Literal["lazy", "usual", "now"]
"""When what an operation stored survives a crash of the machine: within a second; as the database is set
up; before the operation returns. The death of a process undoes none of them."""
_URGENCY: Final[Sequence[Sync]] = ("lazy", "usual", "now")
SHAPE: Final = 4
"""The form of checkpoints that the engine stores, and the newest that it reads."""
NO_FILTER: Final[Mapping[str, Any]] = MappingProxyType({})
Version = Any
"""Channel versions are ints here; foreign savers may use any ordered type."""


@dataclass(slots=True, unsafe_hash=True)
class InterruptRow:
    """One question to a person, as stored. Times are ISO-8601 UTC strings.

    A row does not change once it is made; `changed` makes another. (That is not enforced, because a
    frozen class takes four times as long to fill.)
    """

    id: str
    """32 hex characters, unique within the thread."""
    thread_id: str
    ns: str
    """Checkpoint namespace of the graph whose task asks."""
    checkpoint_id: str
    task_id: str
    """The task that called ``interrupt`` (a node's, or a ``@task`` call's)."""
    ancestors: tuple[str, ...]
    """Ids of the tasks around it, outermost first (enclosing nodes of parent graphs, callers)."""
    node: str
    """Name of the asking task."""
    slot: int
    """Position of the call among those of its task, from 0."""
    digest: str
    """SHA-256 (hex) of the payload's canonical JSON."""
    payload: Any
    key: str | None = None
    title: str | None = None
    response_schema: Any = None
    """JSON Schema of the answer, or None: anything goes."""
    asked_at: str = ""
    status: InterruptStatus = "open"
    answer: Any = None
    answered_at: str | None = None
    answered_by: str | None = None
    reason: str | None = None
    """Why it was withdrawn, or which paths of the payload differ where superseded."""
    superseded_by: str | None = None
    closed_at: str | None = None
    done: bool = False
    """The asking task has finished, so its answer is used up."""

    def changed(self, **fields: Any) -> InterruptRow:
        """A row like this one but for ``fields``."""
        made = InterruptRow(*_columns(self))
        for name, value in fields.items():
            setattr(made, name, value)
        return made


_columns = attrgetter(*(f.name for f in fields(InterruptRow)))


class Chain(NamedTuple):
    """Where a checkpoint sits in its chain of changes. The engine only hands it back."""

    snapshot_id: str
    """The checkpoint, at or before this one, that holds full values."""
    snapshot_weight: int
    """What the whole value is worth: its bytes, as estimated, plus a constant."""
    weight: int
    """Dead weight since the snapshot: bytes that do not add to the value, and the rows."""


class FullState(NamedTuple):
    """All of a checkpoint: what `Commit.full` returns."""

    values: Mapping[str, Any]
    versions: Mapping[str, Version]
    seen: Mapping[str, Mapping[str, Version]]


class TaskWrites(NamedTuple):
    """What one task wrote: stored beside the checkpoint it ran on until the step is applied."""

    task_id: str
    task_path: str
    writes: Sequence[tuple[str, Any]]


class Load(NamedTuple):
    """Read one checkpoint → `Loaded`, or None if there is none.

    ``checkpoint_id`` None: the newest of (thread, ns). ``before``: the newest older than that id.
    """

    thread_id: str
    ns: str
    checkpoint_id: str | None = None
    before: str | None = None


@dataclass(slots=True)
class Loaded:
    """A checkpoint with everything that hangs on it."""

    thread_id: str
    ns: str
    checkpoint_id: str
    parent_id: str | None
    ts: str
    metadata: dict[str, Any]
    values: dict[str, Any]
    """Channel name → stored value; channels without a value are absent."""
    versions: dict[str, Version]
    seen: dict[str, dict[str, Version]]
    updated: list[str] | None
    writes: list[tuple[str, str, Any]]
    """(task_id, channel, value), ordered by (task_path, task_id, index)."""
    rows: list[InterruptRow]
    """Every interrupt asked on this very checkpoint (any status), and every one that is open, or
    answered and not ``done``, of this namespace and those nested below it. Where a checkpoint was
    named, or is read as part of a history, also those asked inside of tasks that wrote on it."""
    head_id: str
    """The newest checkpoint of (thread, ns) at the time of reading."""
    chain: Chain | None = None
    shape: int = SHAPE
    """Which form it has: ``v`` of LangGraph's checkpoints."""
    rebuilt: tuple[str, ...] = ()
    """Channels whose values are not stored here, but were made of what is stored above."""


@dataclass(slots=True, eq=False)
class Commit:
    """Store a checkpoint → its `Chain`.

    Refused with `StaleThreadError` if ``expected_head`` is given (not `ANY_HEAD`) and the newest
    checkpoint of (thread, ns) is another, or if ``under`` is given, a checkpoint of the thread as (ns,
    id), and is not there: what is nested in a task goes with the task. Stored together, in one
    transaction: the checkpoint, ``writes`` (on this checkpoint), ``closing`` (writes on the parent, see
    `PutWrites`), and, if ``withdraw`` is a text, every open interrupt of this namespace and below becomes
    ``withdrawn`` with it as the reason.

    The saver writes ``full()`` instead of ``changes`` when ``chain`` is None or the dead weight
    since the snapshot has reached what the value is worth.
    """

    thread_id: str
    ns: str
    checkpoint_id: str
    parent_id: str | None
    expected_head: str | None
    ts: str
    metadata: Mapping[str, Any]
    changes: Mapping[str, Any]
    """Channel → `caesura.core.patch` patch against the parent."""
    versions: Mapping[str, Version]
    """Changed versions only."""
    seen: Mapping[str, Mapping[str, Version]]
    """Changed nodes only (each with its whole map)."""
    updated: Sequence[str]
    full: Callable[[], FullState]
    chain: Chain | None = None
    withdraw: str | None = None
    writes: Sequence[TaskWrites] = ()
    closing: Sequence[PutWrites] = ()
    under: tuple[str, str] | None = None
    sync: Sync = "usual"


ANY_HEAD = "*"
"""`Commit.expected_head`: do not check."""


@dataclass(slots=True, eq=False)
class PutWrites:
    """Store what a finished, failed or paused task left, on the checkpoint it ran on → None.

    ``writes``: (channel, value). Ordinary ones are kept as first written for (task_id, index);
    the special channels ``__error__ __scheduled__ __interrupt__ __resume__`` are overwritten.
    ``opened`` rows are inserted (an id that exists already is left as it is); each pair of
    ``superseded`` closes an open or answered row in favour of a new one: (old id, new id, reason).
    ``done``: mark the rows of this task done. ``mended``: an error stored for it goes. If ``opened`` is
    not empty and ``expected_head`` is given, the newest checkpoint must be it, else
    `StaleThreadError`; so is refused what hangs on a checkpoint that is not there (any more), unless
    it is ``early``.
    """

    thread_id: str
    ns: str
    checkpoint_id: str
    task_id: str
    task_path: str
    writes: Sequence[tuple[str, Any]]
    opened: Sequence[InterruptRow] = ()
    superseded: Sequence[tuple[str, str, str]] = ()
    done: bool = False
    mended: bool = False
    expected_head: str | None = None
    early: bool = False
    """May come before its checkpoint, as those of LangGraph's own loop do."""
    sync: Sync = "usual"


class PutTogether(NamedTuple):
    """Store what several tasks left on one checkpoint, as `PutWrites` one after the other would → None.

    All of it is stored or nothing: if one of ``puts`` is refused, all are.
    """

    puts: Sequence[PutWrites]

    @property
    def thread_id(self) -> str:
        """The thread of all of them."""
        return self.puts[0].thread_id

    @property
    def sync(self) -> Sync:
        """When all of it is durable."""
        return max((put.sync for put in self.puts), key=_URGENCY.index)


class Flush(NamedTuple):
    """Make sure of what was stored lazily, as the database is set up → None."""

    thread_id: str


class Answer(NamedTuple):
    """One person's answer to one interrupt."""

    interrupt_id: str
    value: Any
    actor: str | None = None


class Accept(NamedTuple):
    """Accept answers, all or none, and at once → the answered `InterruptRow`s, in the order given.

    The check and the write are one atomic step. Refusals (nothing is stored): unknown id →
    `UnknownInterruptError`; answered → `AlreadyAnsweredError`; withdrawn or superseded →
    `InterruptClosedError`; each lists what is open on the thread.
    ``writes``: stored on ``checkpoint_id`` of ``ns`` in the same transaction.
    """

    thread_id: str
    answers: Sequence[Answer]
    at: str
    ns: str = ""
    checkpoint_id: str | None = None
    writes: Sequence[TaskWrites] = ()


class Withdraw(NamedTuple):
    """Withdraw open interrupts of a thread, with a reason → rows withdrawn. ``ids`` None: all."""

    thread_id: str
    reason: str
    at: str
    ids: Sequence[str] | None = None


class FindInterrupts(NamedTuple):
    """List interrupts, oldest first → list of `InterruptRow`. Over all threads if none is named."""

    thread_id: str | None = None
    interrupt_id: str | None = None
    status: InterruptStatus | None = "open"
    limit: int | None = None


class FindThreads(NamedTuple):
    """List threads, most recently changed first → list of `ThreadSummary`."""

    limit: int | None = None
    thread_id: str | None = None


class ThreadSummary(NamedTuple):
    """One line about a thread."""

    thread_id: str
    checkpoint_id: str
    ts: str
    step: int
    checkpoints: int
    """Checkpoints of the root namespace."""
    open_interrupts: int


class History(NamedTuple):
    """Read checkpoints, newest first → iterator of `Loaded`. Of all threads, or namespaces, if None.

    ``filter``: equality on metadata keys. ``before``: ids strictly older. ``limit``: after
    filtering.
    """

    thread_id: str | None
    ns: str | None
    filter: Mapping[str, Any] = NO_FILTER
    before: str | None = None
    limit: int | None = None


# --- upkeep, asked by people and by LangGraph's own methods, never by a run -------------------


class Namespace(NamedTuple):
    """A (thread, ns) that has checkpoints, and its newest one."""

    thread_id: str
    ns: str
    head_id: str


class FindNamespaces(NamedTuple):
    """List every (thread, ns) → list of `Namespace`, in no order. Of all threads if none named."""

    thread_id: str | None = None


class Place(NamedTuple):
    """Where a checkpoint is. Places sort by age."""

    checkpoint_id: str
    thread_id: str
    ns: str


class FindCheckpoints(NamedTuple):
    """Name checkpoints, newest first → list of `Place`. Of all threads, or namespaces, if none named.

    ``before``: places that sort before this one. ``filter``: equality on metadata keys. Less than
    ``limit``: there are no more.
    """

    limit: int
    thread_id: str | None = None
    ns: str | None = None
    before: Place | None = None
    filter: Mapping[str, Any] = NO_FILTER


class FindRuns(NamedTuple):
    """Name the threads that hold checkpoints of these runs (metadata ``run_id``) → list of ids."""

    run_ids: Sequence[str]


class DeleteThread(NamedTuple):
    """Delete everything about a thread → None. A thread that does not exist is no error."""

    thread_id: str


class DeleteRuns(NamedTuple):
    """Delete the checkpoints of these runs from one thread, with what hangs on them → None.

    Checkpoints that built on a deleted one are stored in full and follow its nearest ancestor left.
    """

    thread_id: str
    run_ids: Sequence[str]


class Prune(NamedTuple):
    """Delete the history of a thread → None.

    Each namespace keeps its newest checkpoint, now stored in full, with its writes; interrupts that
    are open, or answered and not ``done``, stay wherever they were asked.
    """

    thread_id: str


class CopyThread(NamedTuple):
    """Copy everything about a thread to a new one, under the same checkpoint and interrupt ids →
    None.

    Refused with `StorageError` if the target has checkpoints.
    """

    source_id: str
    target_id: str
