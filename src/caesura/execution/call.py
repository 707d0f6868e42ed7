"""Calling user functions, and ``@task`` calls made inside tasks.

`start_call` decides with `core.calls` what a call is (stored, paused, or to run) and has the driver of
the run do it. The future it returns is a ``concurrent.futures.Future`` in sync code and an
``asyncio.Future`` in async code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from caesura.checkpoint.operations import PutWrites
from caesura.constants import RETURN
from caesura.core import events
from caesura.core.calls import diverged, finish_call, plan_call
from caesura.core.once import Once, OneCall, Steps
from caesura.core.program import Action, Node
from caesura.core.state import Task
from caesura.core.turn import Request
from caesura.digests import digest_of
from caesura.errors import EffectRefusedError, GraphInterrupt
from caesura.execution.cache import TaskCache
from caesura.execution.context import Frame, TaskScope
from caesura.execution.once import EffectScope
from caesura.execution.tokens import runs_here
from caesura.interrupts.lifecycle import as_interrupt
from caesura.types import TimeoutPolicy


@dataclass(slots=True, eq=False)
class TaskSpec:
    """An ``@task`` function as the drivers call it."""

    action: Action
    retry: tuple[Any, ...] = ()
    strict: bool = False
    cache: Any = None
    timeout: TimeoutPolicy | None = None
    once: Once | None = None
    """It must not happen twice."""
    node: Node = field(init=False)
    """Holds its policies, where a node's would stand."""

    def __post_init__(self) -> None:
        self.node = CallNode(self)


class CallNode(Node):
    """The policies of a called task, where a node's would stand."""

    __slots__ = ()

    def __init__(self, spec: TaskSpec) -> None:
        super().__init__(
            name=spec.action.name,
            triggers=(),
            action=spec.action,
            read=_nothing,
            collect=_nothing,
            retry=spec.retry,
            cache=spec.cache,
            timeout=spec.timeout,
        )


def _nothing(*_: Any) -> Any:
    return []


def no_sync_form(name: str) -> TypeError:
    """An async-only function was called in a sync run."""
    return TypeError(
        f'No synchronous function provided to "{name}".\nEither initialize with a synchronous '
        "function or invoke via the async API (ainvoke, astream, etc.)"
    )


@dataclass(slots=True, eq=False)
class Planned:
    """One ``@task`` call: what it is, and everything to run it."""

    scope: TaskScope
    task: Task
    action: Action
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    digest: str | None
    once: Once | None = None
    inner: TaskScope | None = None
    """The scope its function runs in, once it does."""

    @property
    def frame(self) -> Frame:
        """The graph whose task calls."""
        return self.scope.frame

    def _settle(self, value: Any) -> PutWrites | None:
        """The call returned: note its result."""
        task, turn = self.task, self.frame.turn
        finish_call(turn.state, task, value, self.digest, self.inner.pushed if self.inner else [])
        assert task.writes is not None
        if not turn.request.stored:
            return None
        operation = turn.writes_of(task, task.writes, done=True)
        return None if turn.hold(operation) else operation

    def is_fresh(self) -> bool:
        """The call has a result, and the cache did not have it."""
        task = self.task
        return task.error is None and task.pause is None and not task.cached

    def left(self) -> PutWrites | None:
        """The operation that stores how the call ended, or None."""
        if self.task.pause is not None:
            return self._pause()
        return None if self.task.error is not None else self._settle(self.task.result)

    def _pause(self) -> PutWrites | None:
        """The interrupts the call waits for."""
        task, turn = self.task, self.frame.turn
        if not turn.request.stored:
            return None
        here = turn.state.checkpoint_id
        operation = turn.writes_of(task, ())
        operation.sync = "now"
        operation.opened = tuple(
            r for r in task.pause or () if r.task_id == task.id or r.checkpoint_id == here
        )
        if not operation.opened and not operation.superseded:
            return None
        return None if turn.hold(operation) else operation

    @property
    def cache(self) -> TaskCache | None:
        """Where its result may be found and is to be kept, if anywhere."""
        return self.frame.cache if self.task.node.cache is not None else None  # type: ignore[union-attr]

    def outcome(self, why: BaseException | None) -> BaseException | None:
        """Tell how the call ended, now that it is stored, or ``why`` it is not. Returns what taking its
        result raises, if it does."""
        if why is not None:
            return why
        if self.task.pause is not None:
            return self.pause_signal()
        self.tell()
        return self.task.error

    def take(self, known: Sequence[Any]) -> bool:
        """Give the call the result that the cache has; True if it has one."""
        for channel, value in known[0] or ():
            if channel == RETURN:
                self.task.cached, self.task.result = True, value
        return self.task.cached

    def announce(self) -> None:
        """Tell that the call starts."""
        self._progress()
        if "tasks" in self.frame.wants:
            self.frame.emit("tasks", events.task_payload(self.task))

    def tell(self) -> None:
        """Tell how the call ended. Of a pause its caller tells."""
        self._progress()
        task, wants = self.task, self.frame.wants
        keys = self.frame.turn.request.program.stream_channels
        if "updates" in wants and task.error is None:
            update = events.update_payload(task, keys)
            self.frame.emit("updates", events.as_cached(update) if task.cached else update)
        if "tasks" in wants and not task.cached:
            self.frame.emit("tasks", events.result_payload(task, keys, ()))

    def _progress(self) -> None:
        if self.scope.watch is not None:
            self.scope.watch.progress()

    def child_scope(self) -> TaskScope:
        """The scope its function runs in."""
        kind = TaskScope if self.once is None else EffectScope
        inner = kind(self.frame, self.task, self.scope.ancestors())
        inner.loop, inner.caller, inner.watch = self.scope.loop, self.scope, self.scope.watch
        self.inner = inner
        return inner

    def steps_once(self, scope: TaskScope) -> Steps:
        """What there is to do for a call that must not happen twice, in its `child_scope`."""
        once, digest = self.once, self.digest
        assert once is not None
        assert digest is not None
        assert isinstance(scope, EffectScope)
        turn, given = self.frame.turn, (self.args, self.kwargs)
        call = OneCall(turn, self.task, once, digest, *given, scope.outcome, runs_here)
        return call.steps()

    def pause_signal(self) -> GraphInterrupt:
        """The call waits for a person: its caller does too. What taking its result raises."""
        self.scope.add_pause(self.task.pause or ())
        return GraphInterrupt([as_interrupt(row) for row in self.task.pause or ()])


def start_call(
    scope: TaskScope, spec: TaskSpec, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Schedule an ``@task`` call; returns its future."""
    planned = _plan(scope, spec, args, kwargs)
    planned.announce()
    future = scope.frame.driver.start_call(planned)
    scope.children.append(future)
    return future


def _plan(
    scope: TaskScope, spec: TaskSpec, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Planned:
    turn, caller = scope.frame.turn, scope.task
    if spec.once is not None:
        _refuse_unjournalled(turn.request, spec.once)
    ordinal = scope.next_call()
    task = plan_call(turn.state, caller, ordinal, spec.action.name)
    digest = None
    if turn.request.stored:
        digest = digest_of([spec.action.name, list(args), kwargs])
        task = _checked(scope, spec, task, ordinal, digest)
    task.node = spec.node
    task.args = (args, kwargs)
    return Planned(scope, task, spec.action, args, kwargs, digest, spec.once)


def _refuse_unjournalled(request: Request, once: Once) -> None:
    if not request.stored:
        why = "nothing is stored here. Compile the program with a checkpointer"
    elif request.durability == "exit":
        why = 'with durability="exit" it is stored too late. Use "async" or "sync"'
    else:
        return
    raise EffectRefusedError(
        f"Task {once.name!r} has effect=True: that it starts must be stored before it does, and "
        f"{why}. It was not called."
    )


def _checked(scope: TaskScope, spec: TaskSpec, task: Task, ordinal: int, digest: str) -> Task:
    """``task``, unless it was stored with other arguments (and LangGraph's leniency is off)."""
    turn = scope.frame.turn
    other = diverged(
        turn.state, scope.task, ordinal, task, digest, strict=spec.strict or spec.once is not None
    )
    if other is None:
        return task
    from warnings import warn

    from caesura.warnings import TaskReplayWarning

    used = "is used all the same" if turn.request.lenient else "is not used; the task runs anew"
    warn(
        f"Call {ordinal} of {scope.task.name!r}, task {spec.action.name!r}, has other arguments "
        f"than the stored result was made from; it {used}.",
        TaskReplayWarning,
        stacklevel=5,
    )
    return task if turn.request.lenient else other


def log_unawaited(scope: TaskScope, future: Any) -> None:
    """A task whose result nobody took failed: the run goes on, the failure is logged."""
    error = None if future.cancelled() else future.exception()
    if error is not None and not isinstance(error, GraphInterrupt):
        import logging

        logging.getLogger("caesura").error(
            "A task called by %r failed and its result was never taken: %r", scope.task.name, error
        )


def in_loop(scope: TaskScope) -> bool:
    """True if the calling code runs in the event loop of the run."""
    if scope.loop is None:
        return False
    import asyncio  # a sync program needs none of it

    try:
        return asyncio.get_running_loop() is scope.loop
    except RuntimeError:
        return False
