"""What a server asks of its database, as plain data, in the manner of `caesura.checkpoint.operations`.

``await database.aexecute(op)`` takes one of these and returns what its docstring says. Each is one
atomic transaction; all of it is stored, or nothing is and an error of `caesura.records.errors` (or,
for answers, a `caesura.errors.ResumeError`) is raised. An operation that returned is durable.

``filters`` (from authorisation): metadata key → a value it must equal, ``{"$eq": v}``, or
``{"$contains": v or [v …]}`` (the metadata value is a list that holds all of them). A record that
does not match is treated as absent. ``metadata`` in a search: containment, every key must match.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from caesura.checkpoint.operations import Answer, InterruptRow
from caesura.records.shapes import (
    ApiKey,
    Assistant,
    CancelAction,
    Cron,
    Delivery,
    Json,
    Run,
    RunStatus,
    Thread,
    ThreadStatus,
    Ttl,
)

Filters = Mapping[str, Any]
NO_FILTERS: Filters = {}
Order = Literal["asc", "desc"]


class Page(NamedTuple):
    """One page of a search. ``more``: there are rows after it."""

    rows: Sequence[Any]
    more: bool


# --- assistants --------------------------------------------------------------------------------


@dataclass(slots=True)
class PutAssistant:
    """Store a new assistant as its version 1 → the `Assistant`.

    If the id exists: `AlreadyExistsError`, or with ``if_exists="do_nothing"`` the stored one (if
    ``filters`` let it be seen, else `AlreadyExistsError`); ``"replace"``: used at start for the
    graphs' own assistants; changes graph id and name, if they differ, without a new version.
    """

    assistant: Assistant
    if_exists: Literal["raise", "do_nothing", "replace"] = "raise"
    filters: Filters = field(default_factory=dict)


@dataclass(slots=True)
class GetAssistant:
    """→ `Assistant` or None."""

    assistant_id: str
    filters: Filters = field(default_factory=dict)


@dataclass(slots=True)
class UpdateAssistant:
    """Change what is not None, merge ``metadata``, and store it as the next version → `Assistant`
    or None if there is none."""

    assistant_id: str
    at: str
    graph_id: str | None = None
    config: Json | None = None
    context: Json | None = None
    metadata: Json | None = None
    name: str | None = None
    description: str | None = None
    filters: Filters = field(default_factory=dict)


@dataclass(slots=True)
class SetLatestVersion:
    """Make an older version the current one: all fields become what they were then → `Assistant`,
    or None if assistant or version do not exist. A later change gets the next unused number."""

    assistant_id: str
    version: int
    at: str
    filters: Filters = field(default_factory=dict)


@dataclass(slots=True)
class FindAssistants:
    """→ `Page` of `Assistant`. ``name``: substring, letter case ignored."""

    metadata: Json = field(default_factory=dict)
    graph_id: str | None = None
    name: str | None = None
    limit: int = 10
    offset: int = 0
    sort_by: Literal["assistant_id", "created_at", "updated_at", "name", "graph_id"] = "created_at"
    order: Order = "desc"
    filters: Filters = field(default_factory=dict)


@dataclass(slots=True)
class CountAssistants:
    """→ int."""

    metadata: Json = field(default_factory=dict)
    graph_id: str | None = None
    name: str | None = None
    filters: Filters = field(default_factory=dict)


@dataclass(slots=True)
class FindVersions:
    """Versions of an assistant, newest first → `Page` of `Assistant`."""

    assistant_id: str
    metadata: Json = field(default_factory=dict)
    limit: int = 10
    offset: int = 0
    filters: Filters = field(default_factory=dict)


@dataclass(slots=True)
class DeleteAssistant:
    """Delete an assistant, its versions and its crons → True, or False if there was none."""

    assistant_id: str
    filters: Filters = field(default_factory=dict)


# --- threads -----------------------------------------------------------------------------------


@dataclass(slots=True)
class CreateThread:
    """Store a new thread → the `Thread`. If the id exists: `AlreadyExistsError`, or with
    ``"do_nothing"`` the stored one, unchanged (if ``filters`` let it be seen)."""

    thread: Thread
    if_exists: Literal["raise", "do_nothing"] = "raise"
    filters: Filters = field(default_factory=dict)


@dataclass(slots=True)
class GetThread:
    """→ `Thread` or None."""

    thread_id: str
    filters: Filters = field(default_factory=dict)


@dataclass(slots=True)
class UpdateThread:
    """Merge ``metadata``, set ``ttl`` (a `Ttl`; None: leave) → the `Thread`, or None."""

    thread_id: str
    at: str
    metadata: Json | None = None
    ttl: Ttl | None = None
    filters: Filters = field(default_factory=dict)


@dataclass(slots=True)
class NoteState:
    """A state was written by hand: status, ``touched``, times → the `Thread`, or None."""

    thread_id: str
    at: str
    status: ThreadStatus
    metadata: Json | None = None


@dataclass(slots=True)
class FindThreads:
    """→ `Page` of `Thread`. ``ids`` None: all."""

    ids: Sequence[str] | None = None
    metadata: Json = field(default_factory=dict)
    status: ThreadStatus | None = None
    limit: int = 10
    offset: int = 0
    sort_by: Literal["thread_id", "status", "created_at", "updated_at", "state_updated_at"] = (
        "updated_at"
    )
    order: Order = "desc"
    filters: Filters = field(default_factory=dict)


@dataclass(slots=True)
class CountThreads:
    """→ int."""

    metadata: Json = field(default_factory=dict)
    status: ThreadStatus | None = None
    filters: Filters = field(default_factory=dict)


@dataclass(slots=True)
class RemoveThread:
    """Delete a thread with everything: runs, events, crons on it, checkpoints, writes, interrupts →
    the ids of its runs that had not ended, or None if there was no thread.

    ``expired_at``: only if `FindExpired` would find it at that time: it may have been used since it did."""

    thread_id: str
    filters: Filters = field(default_factory=dict)
    expired_at: str | None = None


@dataclass(slots=True)
class DuplicateThread:
    """Copy a thread's record (status ``idle`` or ``interrupted``, as the source stands) and all that
    `caesura.checkpoint.operations.CopyThread` copies → the new `Thread`, or None without a source."""

    source_id: str
    target_id: str
    at: str
    metadata: Json | None = None
    """Added to the copy's metadata."""
    filters: Filters = field(default_factory=dict)


@dataclass(slots=True)
class FindExpired:
    """Threads whose ``expires_at`` has passed and that have no run in flight and no open interrupt
    (for ``keep_latest``: open interrupts do not matter) → list of `Thread`."""

    now: str
    limit: int = 1000


@dataclass(slots=True)
class MeasureThread:
    """→ dict: ``total_bytes``, ``checkpoints`` {count, bytes}, ``channel_values`` {count, bytes,
    by_channel}, ``pending_writes`` {count, bytes}. As stored; by_channel counts decoded patches'
    encoded sizes, and is empty if they cannot be told apart."""

    thread_id: str


# --- runs --------------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What an `AcceptRun` did."""

    run: Run
    thread: Thread
    started: bool
    """The run was claimed for ``claim_for`` at once."""
    withdrawn: tuple[str, ...] = ()
    """Interrupts that the new input withdrew."""
    stopped: tuple[Run, ...] = ()
    """Runs in flight that the strategy asked to stop (running), or ended (pending)."""
    repeated: bool = False
    """The same idempotency key was used before: ``run`` is that one, and nothing was stored."""


@dataclass(slots=True)
class AcceptRun:
    """Accept a run: its row, the thread's status and, for a resume, the answers → `Outcome`.

    In one transaction:
    1. ``idempotency`` (scope, key, request digest): the scope and key were used with the same
       digest → the first outcome again; with another → `IdempotencyError`.
    2. The thread: absent → `UnknownRecordError`, unless ``new_thread`` is given, which is stored
       then (it is also what a temporary thread is made from). ``filters`` as for reading it.
    3. Runs in flight (pending or running) on it: ``reject`` → `ThreadBusyError`; ``interrupt`` and
       ``rollback`` → pending ones are ended (``interrupted``, or deleted), running ones get
       ``cancel`` set; ``enqueue`` → nothing.
    4. ``answers``: accepted all or none, by the rules of `caesura.interrupts.lifecycle.accept`;
       ``run.accepted`` becomes their ids. ``bind``: instead of ``answers``, a `Bound` resume whose
       answers are decided here, where what is open cannot change meanwhile.
    5. ``withdraw`` (a reason): open interrupts of the thread become ``withdrawn``. With
       ``refuse_waiting`` and something open: `ThreadWaitingError` (carries the rows) instead.
    6. The run's row. If ``claim_for`` (worker, lease_until) is given, nothing else is in flight on
       the thread and ``not_before`` is past, it is ``running``, attempt 1, at once.
    7. The thread: ``status`` busy, ``updated_at``, ``thread_metadata`` merged, ``thread_config`` set.

    ``fires``: the run is a cron's; its date is advanced first (`AdvanceCron`), and if that cannot be done
    any more: `AlreadyFiredError`.
    """

    run: Run
    at: str
    now: float
    """Seconds since 1970."""
    new_thread: Thread | None = None
    answers: Sequence[Answer] = ()
    bind: Bound | None = None
    withdraw: str | None = None
    refuse_waiting: bool = False
    claim_for: tuple[str, float] | None = None
    thread_metadata: Json = field(default_factory=dict)
    thread_config: Json | None = None
    idempotency: tuple[str, str, str] | None = None
    fires: AdvanceCron | None = None
    filters: Filters = field(default_factory=dict)


@dataclass(slots=True)
class Bound:
    """A resume as handed in: bound by `caesura.interrupts.binding.bind` to what is open (strictly)."""

    resume: Any
    actor: str | None = None


@dataclass(slots=True)
class GetRun:
    """→ `Run` or None. ``thread_id`` None: found by the run's id alone."""

    run_id: str
    thread_id: str | None = None


@dataclass(slots=True)
class FindRuns:
    """Runs of a thread (or, None, of all), newest first → list of `Run`."""

    thread_id: str | None = None
    statuses: Sequence[RunStatus] = ()
    run_ids: Sequence[str] | None = None
    limit: int | None = 10
    offset: int = 0


@dataclass(slots=True)
class ClaimRun:
    """Take up the run that is due longest → `Run` (``running``, ``attempt`` raised, lease set), or
    None if none is due.

    Due: ``pending``, ``not_before`` past, no other run of its thread is running, and no older pending
    run of its thread is due. Sets ``started_at`` on the first attempt.
    """

    worker: str
    now: float
    at: str
    lease_until: float
    thread_id: str | None = None
    """Only a run of this thread."""


@dataclass(slots=True)
class NextDue:
    """The earliest ``not_before`` in the future of a pending run → seconds since 1970, or None."""

    now: float


@dataclass(slots=True)
class ExtendLeases:
    """Extend the leases of a worker on these running runs → [(run_id, cancel)] of those it holds."""

    worker: str
    lease_until: float
    run_ids: Sequence[str]


@dataclass(slots=True)
class ReleaseRuns:
    """Make the running runs of workers pending again → their ids. Their next attempt fences off whoever
    held them. ``leased_until``: only those whose lease says just that, and was not extended since."""

    workers: Sequence[str]
    leased_until: float | None = None


@dataclass(slots=True)
class FindLeases:
    """The leases on running runs → list of (worker, until when), each once."""


@dataclass(slots=True)
class FinishRun:
    """End a run, if (run, attempt) still holds it → (`Run`, `Thread`), else None and nothing changed.

    ``status``: the run's. The thread becomes ``busy`` if other runs are in flight on it, else
    ``thread_status``; its ``error``, times, ``touched`` are set; its TTL starts anew. With
    ``remove_run``: the run's row is deleted (rollback). With ``remove_thread``: the thread is, with
    everything (`RemoveThread`); the `Thread` returned is then the last it was.
    """

    run: Run
    at: str
    status: RunStatus
    thread_status: ThreadStatus
    error: Json | None = None
    thread_error: Json | None = None
    remove_run: bool = False
    remove_thread: bool = False
    trace: Json | None = None
    delivery: Delivery | None = None
    """Stored with the end of the run."""


@dataclass(slots=True)
class CancelRuns:
    """Ask runs to stop → list of `Run` as they are now; those ended already are left out.

    Pending ones end here: ``interrupted`` (or deleted, for ``rollback``), their thread's status is
    set to what `AcceptRun` found before: ``interrupted`` at a question or a breakpoint, else ``idle``.
    Running ones get ``cancel`` set (a rollback stays one). A temporary thread goes with its run.
    ``run_ids`` None: all of ``thread_id``, or of every thread.
    ``status``: only pending or only running ones.
    """

    at: str
    action: CancelAction
    thread_id: str | None = None
    run_ids: Sequence[str] | None = None
    status: Literal["pending", "running", "all"] = "all"


@dataclass(slots=True)
class RemoveRun:
    """Delete a run's row and its events → the `Run` as it was, or None. Its checkpoints stay, unless
    it was in flight on a temporary thread: that goes with it."""

    thread_id: str
    run_id: str


@dataclass(slots=True)
class CountRuns:
    """→ dict status → number, of runs in flight; and ``oldest_pending``: its created_at or None."""


@dataclass(slots=True)
class Fenced:
    """Perform ``operation`` (of `caesura.checkpoint.operations`) in a transaction that first checks
    that run ``run_id`` is running as ``attempt``; else `LostLeaseError` and nothing is stored."""

    operation: Any
    run_id: str
    attempt: int


# --- crons -------------------------------------------------------------------------------------


@dataclass(slots=True)
class PutCron:
    """Store a cron, new or changed → the `Cron`. With ``thread_id`` set, the thread must exist.

    ``replaces``: the cron as it was read; if it was changed, fired or deleted since: None, and nothing is
    stored.
    """

    cron: Cron
    replaces: Cron | None = None


@dataclass(slots=True)
class GetCron:
    """→ `Cron` or None."""

    cron_id: str
    filters: Filters = field(default_factory=dict)


@dataclass(slots=True)
class FindCrons:
    """→ `Page` of `Cron`."""

    assistant_id: str | None = None
    thread_id: str | None = None
    enabled: bool | None = None
    metadata: Json = field(default_factory=dict)
    limit: int | None = 10
    offset: int = 0
    sort_by: Literal[
        "cron_id", "assistant_id", "thread_id", "next_run_date", "end_time",
        "created_at", "updated_at",
    ] = "created_at"  # fmt: skip
    order: Order = "desc"
    filters: Filters = field(default_factory=dict)


@dataclass(slots=True)
class CountCrons:
    """→ int."""

    assistant_id: str | None = None
    thread_id: str | None = None
    metadata: Json = field(default_factory=dict)
    filters: Filters = field(default_factory=dict)


@dataclass(slots=True)
class DeleteCron:
    """→ True, or False if there was none."""

    cron_id: str
    filters: Filters = field(default_factory=dict)


@dataclass(slots=True)
class FindDueCrons:
    """Enabled crons whose ``next_run_date`` has come → list of `Cron`."""

    now: str


@dataclass(slots=True)
class AdvanceCron:
    """Set an enabled cron's next date, if it still is ``expected`` → True for the one caller who did it.
    ``next_run_date`` None: it is over (disabled)."""

    cron_id: str
    expected: str
    next_run_date: str | None


# --- webhooks ----------------------------------------------------------------------------------


@dataclass(slots=True)
class ClaimDeliveries:
    """Claim webhooks that are due, longest due first → list of `Delivery`, ``attempts`` raised.

    Whoever claims one is alone with it until ``lease_until``; then it is due again.
    """

    worker: str
    now: float
    lease_until: float
    limit: int


@dataclass(slots=True)
class SettleDelivery:
    """What came of a claimed delivery → True, or False if it was claimed again since (nothing changes).

    ``reason`` None: it was delivered, and is deleted. Otherwise it is due at ``again_at``, or, None,
    dead: kept, and not claimed any more.
    """

    run_id: str
    attempts: int
    now: float
    reason: str | None = None
    again_at: float | None = None


@dataclass(slots=True)
class NextDelivery:
    """When the next delivery is due → seconds since 1970 (perhaps in the past), or None."""


@dataclass(slots=True)
class FindDeliverers:
    """The workers that have claimed deliveries → list of names."""


@dataclass(slots=True)
class ReleaseDeliveries:
    """Make what these workers have claimed due at once → number."""

    workers: Sequence[str]
    now: float


@dataclass(slots=True)
class CountDeliveries:
    """→ dict: how many are ``waiting`` and how many ``dead``."""


@dataclass(slots=True)
class SweepDeliveries:
    """Delete those that have been dead since before a time → number."""

    before: float


# --- events ------------------------------------------------------------------------------------


@dataclass(slots=True)
class AppendEvents:
    """Append to a thread's events: (kind, id, name, data) each → the seq of the first one.

    A seq is not given again when its event was swept. Of a thread that is gone nothing is stored → 0.
    """

    thread_id: str
    run_id: str
    events: Sequence[tuple[str, str, str, bytes]]
    at: float


@dataclass(slots=True)
class ReadEvents:
    """Events of a thread after ``after``, in order → list of `Event`."""

    thread_id: str
    kind: str
    run_id: str | None = None
    after: int = 0
    limit: int = 1000


@dataclass(slots=True)
class FindEvent:
    """The seq of the last event of this run and kind whose id is ≤ ``id`` (ids compare as
    (milliseconds, number)) → int, 0 if there is none."""

    thread_id: str
    run_id: str | None
    kind: str
    id: str


@dataclass(slots=True)
class SweepEvents:
    """Delete ``run`` events of runs that ended before ``before`` (seconds since 1970), and
    idempotency keys older than ``keys_before`` → number of events deleted."""

    before: float
    keys_before: float
    limit: int = 10_000


# --- interrupts --------------------------------------------------------------------------------


@dataclass(slots=True)
class FindQuestions:
    """Interrupts over all threads, with their threads → `Page` of (`InterruptRow`, `Thread`).

    Interrupts of threads without a record (run from the library on the same file) come with a
    `Thread` made of their id alone. ``q``: substring of title or payload text. ``filters`` apply to
    the thread's metadata. ``cursor``: (asked_at, interrupt id) of the last row seen; copies of a thread
    share both, so a page that ends among such twins holds them all, beyond ``limit``.
    """

    statuses: Sequence[str] = ("open",)
    thread_ids: Sequence[str] | None = None
    interrupt_id: str | None = None
    graph_id: str | None = None
    created_after: str | None = None
    q: str | None = None
    order: Order = "asc"
    limit: int = 100
    cursor: tuple[str, str] | None = None
    filters: Filters = field(default_factory=dict)


@dataclass(slots=True)
class CountQuestions:
    """→ int."""

    statuses: Sequence[str] = ("open",)
    thread_ids: Sequence[str] | None = None
    graph_id: str | None = None
    created_after: str | None = None
    q: str | None = None
    filters: Filters = field(default_factory=dict)


class Question(NamedTuple):
    """An interrupt and the thread it is asked on."""

    row: InterruptRow
    thread: Thread


ChangeKey = tuple[str, str, str, str]
"""(time, interrupt id, thread id, event): names one thing that happened to one interrupt."""


class Changed(NamedTuple):
    """One thing that happened to an interrupt; row and thread as they are now."""

    key: ChangeKey
    row: InterruptRow
    thread: Thread


@dataclass(slots=True)
class FindChangedQuestions:
    """What happened to interrupts from ``since`` on, over all threads, in order of the keys → list of
    `Changed`.

    Events: ``asked`` at ``asked_at``, ``answered`` at ``answered_at``, ``withdrawn`` and ``superseded``
    at ``closed_at``. ``known``: keys to leave out. Threads without a record: as in `FindQuestions`.
    """

    since: str
    known: Collection[ChangeKey] = ()
    limit: int = 500


# --- keys --------------------------------------------------------------------------------------


@dataclass(slots=True)
class PutKey:
    """Store a key → None."""

    key: ApiKey


@dataclass(slots=True)
class FindKeys:
    """Keys, oldest first; by digest or id if given → list of `ApiKey`."""

    digest: str | None = None
    key_id: str | None = None


@dataclass(slots=True)
class RevokeKey:
    """→ True, or False if there is no such key, or it is revoked already."""

    key_id: str
    at: str


@dataclass(slots=True)
class NoteKeyUse:
    """Note when a key was last used → None."""

    key_id: str
    at: str
