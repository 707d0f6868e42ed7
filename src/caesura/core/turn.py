"""The loop, once: plan, run, settle, apply, save, until nothing is due or a person is needed.

A `Turn` is one run of a program on a thread. `Turn.run` is a generator of effects; a driver performs
them (`caesura.execution`) and sends the results in. All decisions are here or in the pure modules it
calls, so sync and async runs cannot differ.

A step goes: plan the tasks; set aside those that cannot get further (finished before, or waiting
for a person); take from the cache, if there is one, what it knows of the others; run the rest;
*settle* each as it ends, which stores its writes beside the checkpoint, so that it is never run
again; when all have ended, fold the writes into the state and save it as the next checkpoint. Tasks
that have ended by the time that the loop looks are stored together (`core.storing`), and the writes of
those that end last, in the same transaction as the checkpoint they lead to.
A pause stores the interrupts and ends the run. Steps are stored lazily, unless the run is to be "sync":
the database may take a moment to write them to its disk; a pause, an answer and the end of the run do not
count before all of it is there. So the last step is not stored lazily, where it is known to be the last.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from caesura.callbacks import GraphInterruptEvent, GraphLifecycleStatus, GraphResumeEvent
from caesura.checkpoint.operations import (
    Commit,
    Flush,
    InterruptRow,
    PutTogether,
    PutWrites,
    Sync,
)
from caesura.constants import CALLER, ERROR, INTERRUPT, NO_WRITES, NS_SEP
from caesura.core import events
from caesura.core.answers import asked_under, may_advance, rows_under
from caesura.core.apply import apply_writes, sources_of, sources_of_calls, task_order
from caesura.core.effects import CANCEL, WAIT, Effect, Emit, Keep, Log, Recall, Run, Store, Tell
from caesura.core.handling import hand_over, handlers_due, mark_of
from caesura.core.ids import path_text
from caesura.core.opening import open_thread
from caesura.core.plan import is_over, plan
from caesura.core.program import Program
from caesura.core.sharing import claim_handler, look_again, others_went_on, settle_contested
from caesura.core.state import HandlerTask, Task, ThreadState
from caesura.core.storing import is_refusal, store_together
from caesura.core.timing import refuse_sync
from caesura.errors import (
    EffectUnderWayError,
    GraphBubbleUp,
    GraphDrained,
    GraphRecursionError,
    StaleThreadError,
    StorageError,
    create_error_message,
)
from caesura.errors import ErrorCode as _Code
from caesura.interrupts.lifecycle import as_interrupt
from caesura.types import Interrupt

if TYPE_CHECKING:
    from uuid import UUID

_UNSTORED = (GraphBubbleUp, EffectUnderWayError)
"""What a task may end with without having failed."""
Steps = Generator[Effect, Any, None]
Stop = tuple[str, ...] | Literal["*"]
_STATUS: dict[str, GraphLifecycleStatus] = {
    "paused": "pending",
    "before": "interrupt_before",
    "after": "interrupt_after",
}


@dataclass(slots=True, eq=False, repr=False)
class Request:
    """What a run is asked to do. Times and new ids come from outside: ``now``, ``mint``."""

    program: Program
    input: Any
    thread_id: str
    mint: Callable[[str | None], str]
    """A new checkpoint id that sorts after the given one."""
    now: Callable[[], str]
    ns: str = ""
    checkpoint_id: str | None = None
    stored: bool = True
    durability: str = "async"
    recursion_limit: int = 10007
    before: Stop = ()
    after: Stop = ()
    wants: frozenset[str] = frozenset()
    output_keys: str | tuple[str, ...] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    lenient: bool = False
    strict_resume: bool = False
    actor: str | None = None
    nested: bool = False
    caller: str | None = None
    """Which call of which task made this nested run; a checkpoint of the same caller is resumed."""
    ancestors: tuple[str, ...] = ()
    under: tuple[str, str] | None = None
    """A nested graph: (namespace, id) of the checkpoint whose task it is part of, if that is stored."""
    older_than: str | None = None
    """A nested graph with a lasting history, replayed: start from its state before this id."""
    cancel_siblings: bool = False
    next_version: Callable[[Any], Any] | None = None
    drain: Callable[[], str | None] = lambda: None
    mine: set[str] | None = None
    """Set when the run accepts answers: their interrupts (`core.sharing`)."""
    token: Callable[[], str] = lambda: ""
    """Names this run among those that share a step; ``alive`` says if a run still exists."""
    run_id: str | None = None
    """The same for every attempt at one run, so that what it wrote first is not written again."""
    alive: Callable[[str], bool] = lambda token: True
    loose: list[Any] = field(default_factory=list)
    """A bare answer for the first question asked (`core.opening`), shared with nested graphs."""
    rows: tuple[InterruptRow, ...] = ()
    """A nested graph that stores nothing: the interrupts it asked in earlier attempts."""
    row_checkpoint: str = ""
    """A nested graph that stores nothing: the enclosing checkpoint its interrupts hang on."""
    caches: bool = False
    """There is a cache, and nodes that use it."""
    step_timeout: float | None = None
    """Seconds that a step may take."""
    telling: UUID | None = None
    """Lifecycle callbacks are to be called, and this is what they know the run by."""
    plain_store: bool = False
    """The saver knows nothing of interrupt rows: enclosing tasks store what they wait for too."""


class Outcome(NamedTuple):
    """How a run ended."""

    kind: Literal["done", "paused", "before", "after"]
    interrupts: tuple[Interrupt, ...] = ()
    rows: tuple[InterruptRow, ...] = ()


class Turn:
    """One run of a program on a thread."""

    __slots__ = (
        "_closing",
        "_fresh",
        "_held",
        "_hold",
        "_sync",
        "_tells",
        "_unsaved",
        "_value_keys",
        "_withdraw",
        "claims",
        "keys",
        "lazy",
        "loose",
        "outcome",
        "request",
        "resumed",
        "rewound_from",
        "shown_values",
        "state",
        "stop",
        "stored_head",
        "stored_id",
        "tried",
    )

    def __init__(self, request: Request) -> None:
        self.request = request
        self.state: ThreadState
        self.outcome = Outcome("done")
        self.stop = 0
        self.loose: list[Any] = request.loose
        self.resumed = False
        """The run goes on with a stored step (nested graphs then look for their own)."""
        self.rewound_from: str | None = None
        """The checkpoint this run was forked from, for nested graphs with a lasting history."""
        self._hold = request.stored and request.durability == "exit"
        self._held: list[PutWrites] = []
        self._sync: Sync = "lazy" if request.durability == "async" else "usual"
        self._tells = request.caches or bool(request.wants)
        """Somebody hears, between two steps, how tasks ended."""
        self.lazy = False
        """Something was stored lazily, and nothing begun since then makes sure of it."""
        self.claims: dict[str, str] = {}
        """Tasks this run holds against others → the write that releases each (`core.sharing`)."""
        self.tried: set[tuple[str, ...]] = set()
        """What tasks were started again with, so that none is for nothing (`core.sharing`)."""
        self.shown_values = False
        """There is an output to return: input or a node wrote it, or the thread had it."""
        self.stored_id: str | None = None
        """The newest stored checkpoint of this run's line: the parent of the next one stored."""
        self.stored_head: str | None = None
        """The newest checkpoint of the thread, as this run knows it."""
        self._closing: list[PutWrites] = []
        """What is to be stored with the next checkpoint, of tasks that ran on this one."""
        self._fresh = False
        self._unsaved = False
        self._withdraw: str | None = None
        keys = request.output_keys
        self.keys = request.program.stream_channels if keys is None else keys
        self._value_keys = frozenset((self.keys,) if isinstance(self.keys, str) else self.keys)

    # --- the loop ----------------------------------------------------------------------------

    def run(self) -> Generator[Effect, Any, Outcome]:
        """All effects of the run; returns how it ended. Raises what the program raises."""
        try:
            yield from open_thread(self)
            while (tasks := (yield from self._next_step())) is not None:
                if (yield from self._work(tasks)):
                    break
        except StaleThreadError:
            if not (yield from others_went_on(self)):
                raise
            self.outcome = Outcome("paused")
        except StorageError:
            self.lazy = False  # The database has other troubles; what it has is as it says.
            raise
        finally:
            if self._closing:  # The run fails, or is ended from outside.
                with contextlib.suppress(Exception):
                    yield from self._store_closing()
            if self._hold:
                yield from self._flush()
            if self.lazy and not self.request.nested:  # The outermost run makes sure of it.
                yield Store(Flush(self.request.thread_id))
        if self.request.telling is not None and not self.request.nested:
            yield from self._tell_stop()
        return self.outcome

    def _tell_stop(self) -> Steps:
        """Call back about a pause, once all of it is stored."""
        status = _STATUS.get(self.outcome.kind)
        if status is not None:
            run, state = self.request.telling, self.state
            event = GraphInterruptEvent(
                run, status, state.checkpoint_id, (), self.outcome.interrupts
            )
            yield Tell(event)

    def tell_resume(self) -> Steps:
        """Call back about a graph that goes on from a stored checkpoint."""
        request = self.request
        if request.telling is not None:
            ns = tuple(request.ns.split(NS_SEP)) if request.ns else ()
            yield Tell(GraphResumeEvent(request.telling, "pending", self.state.checkpoint_id, ns))

    def _next_step(self) -> Generator[Effect, Any, list[Task] | None]:
        """The tasks of the next step; None if the run ends here."""
        state = self.state
        if state.step + 1 > self.stop:
            raise GraphRecursionError(
                create_error_message(
                    message=f"Recursion limit of {self.request.recursion_limit} reached without "
                    "hitting a stop condition. You can increase the limit by setting the "
                    "`recursion_limit` config key.",
                    error_code=_Code.GRAPH_RECURSION_LIMIT,
                )
            )
        tasks = plan(state, self.stop)
        if state.notes:
            notes, state.notes = state.notes, []
            yield Log(notes)
        if self._fresh:
            yield from self._show_checkpoint(tasks)
        if not tasks:
            return None
        before = self.request.before
        if state.writes or state.rows or self.loose:  # Else nothing is stored of any task.
            for task in tasks:
                self.adopt(task)
        if state.writes and (handlers := handlers_due(state, tasks)):
            for handler in handlers:
                self.adopt(handler)
            tasks += handlers
        if self.request.mine is not None and self.request.stored:
            yield from settle_contested(self, tasks)
        if before and any(t.writes is None for t in tasks) and self._breaks(before, tasks):
            yield from self._break("before")
            return None
        return tasks

    def _work(self, tasks: list[Task]) -> Generator[Effect, Any, bool]:
        """Run one step; True if the run stops after it."""
        request = self.request
        idle, due = [], []
        for task in tasks:
            if task.pause is not None:
                idle.append(task)
            elif task.writes is None:
                due.append(task)
        if request.caches and due:
            due = yield from self._recall(due)
        if self.state.timed:
            refuse_sync(due, asynchronous=request.cancel_siblings)
        if request.wants:
            yield from self._announce(tasks)
        failure = (yield from self._run(due, tasks)) if due else None
        if failure is not None:
            raise failure
        if _any_waits(tasks):
            yield from self._store_closing()
            yield from self._join_others(tasks, idle)
            if _any_waits(tasks):
                yield from self._pause(tasks, [task for task in idle if task.pause is not None])
                return True
        yield from self._apply(tasks)
        if request.after and self._breaks(request.after, tasks):
            yield from self._show_checkpoint(plan(self.state, self.stop))
            yield from self._break("after")
            return True
        reason = request.drain()
        if reason is not None and (due := plan(self.state, self.stop)):
            yield from self._show_checkpoint(due)
            raise GraphDrained(reason)
        return False

    def _recall(self, due: list[Task]) -> Generator[Effect, Any, list[Task]]:
        """Give tasks what the cache knows, stored as if they had run; returns those left to run."""
        known = (yield Recall(due)) or [None] * len(due)
        for task, writes in zip(due, known, strict=True):
            task.writes, task.cached = writes, writes is not None
        left = [task for task in due if not task.cached]
        if self.request.stored:
            hits = [self._done(task) for task in due if task.cached]
            yield from self._put_finished(hits, last=not left)
        return left

    def _join_others(self, tasks: list[Task], idle: list[Task]) -> Steps:
        """Take over what other runs on this checkpoint stored, and start what became ours."""
        request = self.request
        alone = not idle and all(t.pause for t in tasks if t.pause is not None)
        if not request.stored or self._hold or (alone and request.mine is None):
            return
        while paused := [t for t in tasks if t.pause is not None]:
            again = yield from look_again(self, paused)
            if not again:
                return
            failure = yield from self._run(again, tasks)
            yield from self._store_closing()
            if failure is not None:
                raise failure

    def _show_checkpoint(self, tasks: list[Task]) -> Steps:
        """Tell about the checkpoint the run stands on, if that was not done."""
        if self._fresh and self.request.stored and "checkpoints" in self.request.wants:
            yield Emit(
                "checkpoints", events.checkpoint_payload(self.state, tasks, self._waiting(tasks))
            )
        self._fresh = False

    def adopt(self, task: Task) -> None:
        """Give a planned task what is stored of it: its writes, its interrupts, or its pause."""
        state = self.state
        task.writes = state.finished_writes(task.id)
        if task.writes is not None:
            task.cached = True
            return
        task.failed = state.has_failed(task.id)
        if state.rows:
            task.rows = [row for row in state.rows if row.task_id == task.id]
            task.personal = bool(asked_under(state.rows, task.id))
            under = rows_under(state.rows, task.id)
            if not task.failed and not may_advance(under, state.mine):
                task.pause = tuple(row for row in under if row.status == "open")
        if self.loose and task.pause is None:
            task.loose = self.loose

    def _adopt_handler(self, handler: Task) -> None:
        """A graph that stores nothing fails anew on every run; its handler gets its answers then."""
        self.adopt(handler)
        handler.pause = None

    # --- running -----------------------------------------------------------------------------

    def _announce(self, tasks: list[Task]) -> Steps:
        wants, hidden = self.request.wants, self.request.program.hidden
        shown = [task for task in tasks if task.name not in hidden]
        if "tasks" in wants:
            for task in shown:
                yield Emit("tasks", events.task_payload(task))
        if "updates" in wants:
            for task in shown:
                if task.cached:
                    update = events.update_payload(task, self.keys)
                    yield Emit("updates", events.as_cached(update))

    def _run(
        self, due: list[Task], tasks: list[Task]
    ) -> Generator[Effect, Any, BaseException | None]:
        """Run tasks to their end, settling each; returns the first failure.

        Handlers of tasks that fail are run too, and join ``tasks``, the step's.
        """
        left, stored = len(due), self.request.stored
        failure: BaseException | None = None
        finished: list[Task]
        if left == 1 and _passed_on(due[0]):
            finished = due
        else:
            finished = yield Run(due, self.request.step_timeout)
        while True:
            left -= len(finished)
            if not finished and failure is None:
                failure = TimeoutError("Timed out")
            handlers: dict[str, HandlerTask] = {}
            for task in finished:
                if task.error is not None:
                    handler = hand_over(self.state, task)
                    if handler is not None:
                        yield from claim_handler(self, handler)
                        self._adopt_handler(handler)
                        handlers[task.id], task.writes = handler, []
                    elif failure is None:
                        failure = task.error
            last = left == 0 and failure is None and not handlers
            if last and len(finished) == 1 and not self._tells and finished[0].pause is None:
                if stored:
                    self._closing = [self._done(finished[0])]
            elif stored or self._tells:
                yield from self._settle(finished, handlers, last=last)
            if handlers and failure is None:
                tasks += handlers.values()
                left += len(handlers)
                finished = yield Run(list(handlers.values()))
                continue
            if left == 0:
                return failure
            if failure is not None and self.request.cancel_siblings:
                yield CANCEL
            finished = yield WAIT

    def _settle(
        self, finished: list[Task], handlers: Mapping[str, HandlerTask], *, last: bool
    ) -> Steps:
        """Store together what tasks left behind, then tell of each. ``last``: they end the step."""
        request = self.request
        if request.stored:
            paused = any(task.pause is not None for task in finished)
            puts = [self._left_by(task, handlers.get(task.id)) for task in finished]
            left = [put for put in puts if put is not None]
            yield from self._put_finished(left, last=last and not paused)
            if paused and self._hold:  # Promise 3 in every mode: stored before it is told.
                yield from self._flush()
        if self._tells:
            for task in finished:
                if request.caches and task.pause is None and task.error is None:
                    yield Keep(task)
                yield from self._tell(task, tuple(as_interrupt(row) for row in task.pause or ()))

    def _left_by(self, task: Task, handler: HandlerTask | None) -> PutWrites | None:
        """The operation that stores what a task left behind, if there is anything to store."""
        if task.pause is not None:
            return self._pause_of(task)
        if task.error is None:
            return self._done(task)
        if isinstance(task.error, _UNSTORED):
            return None
        writes: list[tuple[str, Any]] = [(ERROR, repr(task.error))]
        if handler is not None:
            writes.append(mark_of(handler))
        return self.writes_of(task, writes, done=handler is not None)

    def _done(self, task: Task) -> PutWrites:
        """The operation that stores what a finished task wrote."""
        return self.writes_of(task, task.writes or [(NO_WRITES, None)], done=True)

    def _tell(self, task: Task, interrupts: tuple[Interrupt, ...]) -> Steps:
        wants = self.request.wants
        if not wants or (task.name in self.request.program.hidden and not interrupts):
            return
        if isinstance(task.error, GraphDrained):
            return  # It goes on later: this is no end of it.
        if interrupts:
            yield from self._tell_pause(interrupts)
        elif "updates" in wants and task.error is None:
            yield Emit("updates", events.update_payload(task, self.keys))
        if "tasks" in wants and task.name not in self.request.program.hidden:
            keys = self.request.program.stream_channels
            yield Emit("tasks", events.result_payload(task, keys, interrupts))

    def _tell_pause(self, interrupts: tuple[Interrupt, ...]) -> Steps:
        wants = self.request.wants
        if "updates" in wants:
            yield Emit("updates", {INTERRUPT: interrupts})
        if "values" in wants:
            yield Emit("values", events.pause_values(self.state, self.keys, interrupts))

    def writes_of(
        self, task: Task, writes: Sequence[tuple[str, Any]], *, done: bool = False
    ) -> PutWrites:
        """The operation that stores what a task left on the current checkpoint."""
        return PutWrites(
            self.state.thread_id,
            self.state.ns,
            self.state.checkpoint_id,
            task.id,
            path_text(task.path),
            writes,
            superseded=task.superseded,
            done=done and bool(self.state.rows),
            mended=done and task.failed,
            sync=self._sync,
        )

    def _pause_of(self, task: Task) -> PutWrites | None:
        """The operation that stores the interrupts that a task waits for."""
        pause = task.pause or ()
        here = self.state.checkpoint_id
        own = tuple(r for r in pause if r.task_id == task.id or r.checkpoint_id == here)
        rows = pause if self.request.plain_store else own
        if not rows and not task.superseded:
            return None
        operation = self.writes_of(task, ())
        operation.opened = rows
        operation.expected_head = None if self._hold else self.stored_head
        operation.sync = "now"
        return operation

    def hold(self, operation: PutWrites) -> bool:
        """Keep an operation for the end of the run, where durability says so."""
        if self._hold:
            self._held.append(operation)
        return self._hold

    def _put_finished(self, puts: list[PutWrites], *, last: bool) -> Steps:
        """Store what tasks left; of the ``last`` ones of a step, together with the checkpoint.

        Of several that are told of, only the very last waits for it: who is told may take his time.
        """
        if last:
            kept = max(len(puts) - 1, 0) if self._tells else 0
            puts, self._closing = puts[:kept], puts[kept:]
        if puts:
            yield from self._put(puts)

    def _put(self, puts: list[PutWrites]) -> Steps:
        """Store what tasks left. Raises what is wrong with the first that is refused."""
        if self._hold:
            self._held += puts
            return
        for error in (yield from store_together(puts, self._store)):
            if error is not None:
                raise error

    def _store(self, operation: Commit | PutWrites | PutTogether) -> Generator[Effect, Any, Any]:
        """Perform an operation. One that is not lazy makes sure of all that was stored before it began."""
        is_lazy, was_lazy = operation.sync == "lazy", self.lazy
        if not is_lazy:
            self.lazy = False
        try:
            result = yield Store(operation)
        except StaleThreadError:
            self.lazy = self.lazy or was_lazy  # what was refused makes sure of nothing
            raise
        if is_lazy:
            self.lazy = True
        return result

    def store_beside(self, operation: PutWrites | PutTogether) -> Steps:
        """Perform an operation while the loop waits for what runs."""
        yield Store(operation)
        self.stored_beside(operation)

    def stored_beside(self, operation: PutWrites | PutTogether) -> None:
        """An operation was performed while the loop waits for what runs."""
        if operation.sync == "lazy":
            self.lazy = True

    def _store_closing(self) -> Steps:
        closing, self._closing = self._closing, []
        if closing:
            yield from self._put(closing)

    # --- pausing -----------------------------------------------------------------------------

    def _waiting(self, tasks: list[Task]) -> dict[str, Sequence[Interrupt]]:
        if not self.state.rows:
            return {}
        return {
            t.id: [as_interrupt(row) for row in rows_under(self.state.rows, t.id)] for t in tasks
        }

    def _pause(self, tasks: list[Task], idle: list[Task]) -> Steps:
        """End the run at its open interrupts. ``idle``: tasks that wait and were not started."""
        rows = tuple(
            row for task in sorted(tasks, key=task_order) if task.pause for row in task.pause
        )
        interrupts = tuple(as_interrupt(row) for row in rows)
        self.outcome = Outcome("paused", interrupts, rows)
        if self._hold:
            yield from self._flush()
        wants = self.request.wants
        for task in idle:
            yield from self._tell(task, tuple(as_interrupt(row) for row in task.pause or ()))
        if not self._fold_finished(tasks).isdisjoint(self._value_keys) and "values" in wants:
            yield Emit("values", self.state.read(self.keys))
        if not self.request.lenient and not wants & {"values", "updates", "tasks"}:
            yield from self._show_pause_elsewhere(tasks, interrupts)

    def _fold_finished(self, tasks: list[Task]) -> set[str]:
        """The run is over: what it shows includes what the finished siblings wrote."""
        finished = [t for t in tasks if t.writes is not None and t.pause is None]
        if not finished:
            return set()
        with contextlib.suppress(Exception):
            return apply_writes(self.state, sources_of(finished))
        return set()

    def _show_pause_elsewhere(self, tasks: list[Task], interrupts: tuple[Interrupt, ...]) -> Steps:
        """Modes that would not show the pause by themselves show it too."""
        wants = self.request.wants
        if "checkpoints" in wants and self.request.stored:
            waiting = {t.id: [as_interrupt(r) for r in t.pause] for t in tasks if t.pause}
            yield Emit("checkpoints", events.checkpoint_payload(self.state, tasks, waiting))
        if "custom" in wants:
            yield Emit("custom", {INTERRUPT: interrupts})
        if "messages" in wants:
            yield Emit("messages", ({INTERRUPT: interrupts}, {}))

    def stands_on_stored(self) -> None:
        """The run goes on from a stored checkpoint: it is told of once more."""
        self._fresh = True

    def _breaks(self, stops: Stop, tasks: list[Task]) -> bool:
        """True if a static breakpoint holds: one of its nodes, and news since the last stop."""
        state = self.state
        seen = state.seen.get(INTERRUPT, {})
        if not any(c not in seen or v > seen[c] for c, v in state.versions.items()):
            return False
        names = {task.name for task in tasks}
        if stops == "*":
            return bool(names - self.request.program.hidden)
        return not names.isdisjoint(stops)

    def _break(self, kind: Literal["before", "after"]) -> Steps:
        self.outcome = Outcome(kind)
        if "updates" in self.request.wants:
            yield Emit("updates", {INTERRUPT: ()})

    # --- saving ------------------------------------------------------------------------------

    def _apply(self, tasks: list[Task]) -> Steps:
        state = self.state
        sources = sources_of(tasks)
        if state.pushing:
            sources += sources_of_calls(state)
            state.pushing = {}
        updated = apply_writes(state, sources)
        state.writes = {}
        if state.rows:
            over = {t.id for t in tasks}
            state.rows = [
                row
                for row in state.rows
                if row.task_id not in over and over.isdisjoint(row.ancestors)
            ]
        state.updated = updated
        if self.request.stored:
            yield from self.save("loop", state.step + 1)
        else:
            state.step += 1
        if not updated.isdisjoint(self._value_keys):
            self.shown_values = True
            if "values" in self.request.wants:
                yield Emit("values", state.read(self.keys))

    def may_wait(self) -> bool:
        """True if the thread may wait for a person: another run may have asked since it was read."""
        if any(row.status == "open" for row in self.state.rows):
            return True
        return self.stored_head is not None and not (self._hold or self.request.nested)

    def save(self, source: str, step: int, *, withdraw: str | None = None) -> Steps:
        """Make the state the next checkpoint. ``withdraw``: why open interrupts end here."""
        state, request = self.state, self.request
        state.step = step
        if not request.stored:
            return
        state.metadata = {"source": source, "step": step, "parents": request.parents}
        state.metadata.update(request.metadata)
        if request.caller is not None:
            state.metadata[CALLER] = request.caller
        state.parent_id = state.checkpoint_id or None
        state.checkpoint_id = request.mint(state.head_id)
        state.ts = request.now()
        self._fresh = self._unsaved = True
        self._withdraw = withdraw or self._withdraw
        if self._hold:
            self._closing = []
            self._held = []
            state.head_id = state.checkpoint_id
        else:
            yield from self._commit()

    def _commit(self) -> Steps:
        state = self.state
        state.parent_id = self.stored_id
        operation = Commit(
            thread_id=state.thread_id,
            ns=state.ns,
            checkpoint_id=state.checkpoint_id,
            parent_id=self.stored_id,
            expected_head=self.stored_head,
            ts=state.ts,
            metadata=state.metadata,
            versions=state.take_versions(),
            changes=state.take_changes(),
            seen=state.take_seen(),
            updated=sorted(state.updated) if state.updated else (),
            full=state.full,
            chain=state.chain,
            withdraw=self._withdraw,
            closing=self._closing,
            under=self.request.under if self.stored_head is None else None,
            sync=self._sync if self.request.nested or not is_over(state) else "usual",
        )
        try:
            state.chain = yield from self._store(operation)
        except BaseException as error:
            if not is_refusal(error):
                self._closing = []
            raise
        self._closing = []
        self._unsaved, self._withdraw = False, None
        self.stored_id = self.stored_head = state.head_id = state.checkpoint_id

    def _flush(self) -> Steps:
        """Durability "exit": store the last checkpoint, and what hangs on it."""
        if self._unsaved:
            yield from self._commit()
        held, self._held = self._held, []
        for operation in held:
            yield Store(operation)


def _passed_on(task: Task) -> bool:
    """True if all that the task had to do was to hand on its input.

    If that cannot be done, the task is run, so that it fails as others do.
    """
    if task.node is None or not task.node.passes_on:
        return False
    with contextlib.suppress(Exception):
        task.writes = task.node.collect(task.input)
    return task.writes is not None


def _any_waits(tasks: list[Task]) -> bool:
    """True if a task waits for a person."""
    for task in tasks:  # noqa: SIM110 (a generator would take three times as long)
        if task.pause is not None:
            return True
    return False
