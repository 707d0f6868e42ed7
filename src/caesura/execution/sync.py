"""The sync driver: performs the effects of a `Turn` with threads. No decision is taken here.

A step with one task runs it inline, in the calling thread. Several run in threads, and so does one
whose events must be seen while it runs (``live``). What finishes comes back through a queue.
"""

from __future__ import annotations

import concurrent.futures
import contextvars
import logging
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from caesura.checkpoint.operations import PutWrites
from caesura.config import _scope
from caesura.core.effects import CANCEL, WAIT, Emit, Keep, Log, Recall, Run, Store, Tell
from caesura.core.program import Action
from caesura.core.state import Task
from caesura.core.turn import Outcome
from caesura.execution import langchain
from caesura.execution.body import retry_of, retry_wait, task_body
from caesura.execution.call import Planned, log_unawaited, no_sync_form
from caesura.execution.clock import clock
from caesura.execution.context import Frame, TaskScope
from caesura.execution.effects import perform
from caesura.execution.gathering import Ended
from caesura.execution.listeners import tell
from caesura.execution.threads import do_instead_of_waiting, go_on, spawn


class RunClosed(BaseException):
    """The consumer of the stream went away; thrown into the loop so that it stores what is done."""


class SyncDriver:
    """Drives the graphs of one invocation."""

    def __init__(self, *, live: bool = False, max_concurrency: int | None = None) -> None:
        self.live = live
        self.max_concurrency = max_concurrency
        self.wake: SimpleQueue[Task | None] | None = None
        """Where the outermost graph waits; None in it says that an event was sent."""

    # --- the loop ----------------------------------------------------------------------------

    def drive(self, frame: Frame) -> Generator[None, None, Outcome]:
        """Run a graph; yields whenever events may be waiting."""
        try:
            return (yield from self._drive(frame))
        finally:
            frame.over()

    def _drive(self, frame: Frame) -> Generator[None, None, Outcome]:
        steps = frame.turn.run()
        work = _Work(self, frame)
        if frame.outer is None:
            self.wake = work.done
        value: Any = None
        advance: Callable[[Any], Any] = steps.send
        watch = frame.watch
        while True:
            if watch is not None:
                watch.progress()
            try:
                effect = advance(value)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            except BaseException:
                work.finish()
                raise
            try:
                kind = type(effect)
                if kind is Store:
                    value = frame.setting.saver.execute(effect.operation)
                elif kind is Run:
                    if work.may_run_here(effect):
                        work.run_here(effect.tasks)
                        if frame.wants:
                            yield None
                        value = work.collect()
                    else:
                        value = yield from work.start(effect.tasks, effect.timeout)
                elif effect is WAIT:
                    value = yield from work.wait()
                elif kind is Emit:
                    frame.emit(effect.mode, effect.payload)
                    yield None
                    value = None
                elif kind is Log:
                    for text in effect.texts:
                        logging.getLogger("caesura").warning("%s", text)
                    value = None
                elif kind is Recall and frame.cache is not None:
                    value = frame.cache.recall(effect.tasks)
                elif kind is Keep and frame.cache is not None:
                    frame.cache.keep(effect.task)
                    value = None
                elif effect is CANCEL:
                    value = None
                elif kind is Tell:
                    tell(frame.setting.listeners, effect.event)
                    value = None
                advance = steps.send
            except GeneratorExit:
                self._close(frame, steps, work, effect)
                raise
            except BaseException as error:
                value, advance = error, steps.throw

    def _close(
        self, frame: Frame, steps: Generator[Any, Any, Outcome], work: _Work, effect: Any
    ) -> None:
        """Wait for what runs, and let the loop store what is done, up to where it would run more.

        ``effect``: the one that was being performed.
        """
        value: Any = None
        try:
            effect = WAIT if type(effect) is Run or effect is WAIT else steps.send(None)
            while True:
                if effect is WAIT:
                    value = work.finish()
                if type(effect) is Run or (effect is WAIT and not value):
                    effect = steps.throw(RunClosed())
                    continue
                if type(effect) is Store:
                    value = frame.setting.saver.execute(effect.operation)
                elif type(effect) is Tell:
                    tell(frame.setting.listeners, effect.event)
                effect, value = steps.send(value), None
        except (RunClosed, StopIteration):
            return

    # --- tasks -------------------------------------------------------------------------------

    def run_task(self, frame: Frame, task: Task) -> None:
        """Run a node's task to its end, in this thread."""
        self.attempt(TaskScope(frame, task, frame.turn.request.ancestors), self._node)

    def attempt(self, scope: TaskScope, work: Callable[[TaskScope], None]) -> None:
        """Run ``work`` in ``scope``, again as the retry policy says; records how it ended."""
        scope.first_attempt = clock().epoch()
        token, entered = _scope.set(scope), langchain.enter(scope)
        error: BaseException | None = None
        try:
            while True:
                error = None
                try:
                    work(scope)
                except BaseException as caught:
                    error = caught
                if scope.children:
                    self._wait_children(scope)
                policy = retry_of(scope, error) if error is not None else None
                if policy is None:
                    scope.end(error)
                    return
                time.sleep(retry_wait(policy, scope.attempt, random.random()))
                scope.again()
        finally:
            error = None  # Its traceback holds this frame, and all that the run has.
            if entered is not None:
                langchain.leave(entered)
            _scope.reset(token)

    def _node(self, scope: TaskScope) -> None:
        body = task_body(scope)
        value: Any = None
        advance: Callable[[Any], Any] = body.send
        try:
            while True:
                action, args = advance(value)
                try:
                    value = call_sync(scope, action, args)
                    advance = body.send
                except BaseException as error:
                    value, advance = error, body.throw
        except StopIteration as stop:
            scope.task.writes = stop.value
        finally:
            value = None  # As in `attempt`.

    def _wait_children(self, scope: TaskScope) -> None:
        concurrent.futures.wait(scope.children)
        for future in scope.children:
            if not getattr(future, "taken", False):
                log_unawaited(scope, future)

    # --- calls -------------------------------------------------------------------------------

    def start_call(self, planned: Planned) -> TaskFuture:
        """Start an ``@task`` call in a thread; one that is stored or waits is not run."""
        future = TaskFuture(planned.scope)
        if planned.task.cached:
            future.set_result(planned.task.result)
        elif planned.task.pause is not None:
            future.set_exception(planned.pause_signal())
        elif planned.action.func is None:
            raise RuntimeError("In an sync context async tasks cannot be called")
        else:
            future.job = partial(future.context.run, self._run_call, planned, future)
            spawn(future.job)
        return future

    def _run_call(self, planned: Planned, future: TaskFuture) -> None:
        future.job = None
        try:
            left = self._finish_call(planned)
        except BaseException as error:
            future.end(None, error)
            return
        if left is None:
            self._end_call(planned, future, None)
        elif planned.frame.gathering.lead():
            self._store_call(planned, future, left)
        elif planned.frame.gathering.add(Ended(left, partial(self._may_go_on, planned, future))):
            self._store_calls(planned.frame)

    def _finish_call(self, planned: Planned) -> PutWrites | None:
        """Run the function, or take what the cache has; returns what is to be stored."""
        task, scope, cache = planned.task, planned.child_scope(), planned.cache
        if cache is None or not planned.take(cache.recall([task])):

            def work(scope: TaskScope) -> None:
                task.result = self._perform(planned, scope)
                task.writes = []

            self.attempt(scope, work)
        return planned.left()

    def _store_call(self, planned: Planned, future: TaskFuture, left: PutWrites) -> None:
        """Store what a call left while nobody else is storing; then what others left meanwhile."""
        frame, why = planned.frame, None
        try:
            frame.setting.saver.execute(left)
            frame.turn.stored_beside(left)
        except BaseException as error:
            why = error
        if not frame.gathering.rest():
            self._end_call(planned, future, why)
            return
        self._may_go_on(planned, future, why)
        self._go_on_storing(frame)

    def _store_calls(self, frame: Frame) -> None:
        """Store what calls left. This thread's own is stored in the first round."""
        if perform(frame.gathering.round(), frame.setting.saver):
            self._go_on_storing(frame)

    def _go_on_storing(self, frame: Frame) -> None:
        go_on(partial(contextvars.copy_context().run, self._store_calls, frame))

    def _may_go_on(self, planned: Planned, future: TaskFuture, why: BaseException | None) -> None:
        """What the call left is stored, or ``why`` not. Nothing here takes time: others are waiting."""
        end = partial(self._end_call, planned, future, why)
        if planned.cache is None and future.ends_quietly():
            end()
            return
        try:
            spawn(partial(future.context.copy().run, end))
        except RuntimeError:
            end()

    def _end_call(self, planned: Planned, future: TaskFuture, why: BaseException | None) -> None:
        try:
            if planned.is_fresh() and why is None and planned.cache is not None:
                planned.cache.keep(planned.task)
            error = planned.outcome(why)
        except BaseException as raised:
            error = raised
        future.end(planned.task.result, error)

    def _perform(self, planned: Planned, scope: TaskScope) -> Any:
        if planned.once is None:
            return call_sync(scope, planned.action, planned.args, planned.kwargs)
        steps = planned.steps_once(scope)
        value: Any = None
        advance: Callable[[Any], Any] = steps.send
        while True:
            try:
                wanted = advance(value)
            except StopIteration as stop:
                return stop.value
            try:
                if type(wanted) is Store:
                    value = planned.frame.setting.saver.execute(wanted.operation)
                else:
                    value = call_sync(scope, planned.action, planned.args, planned.kwargs)
                advance = steps.send
            except BaseException as error:
                value, advance = error, steps.throw


class TaskFuture(concurrent.futures.Future[Any]):
    """The result of an ``@task`` call in sync code."""

    def __init__(self, scope: TaskScope) -> None:
        super().__init__()
        self._caller = scope
        self.taken = False
        self.job: Callable[[], None] | None = None
        """Makes the call; None once that has begun."""
        self.context = contextvars.copy_context()
        """That of the call."""
        self._heard = self._ending = False

    def add_done_callback(self, fn: Callable[[Any], Any]) -> None:
        """As of any future."""
        self._heard = True
        if self._ending:
            concurrent.futures.wait([self])
        super().add_done_callback(fn)

    def ends_quietly(self) -> bool:
        """True if nobody is called when it ends, which it then does at once."""
        self._ending = True
        return not self._heard

    def end(self, value: Any, error: BaseException | None) -> None:
        """The call has ended; if it was given up by `cancel` meanwhile, nobody is told how."""
        try:
            if error is None:
                self.set_result(value)
            else:
                self.set_exception(error)
        except concurrent.futures.InvalidStateError:
            self.set_running_or_notify_cancel()

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the call. Raises what it raised; `GraphInterrupt` if it waits for a person."""
        self.taken = True
        job = self.job
        if job is not None and timeout is None and not _in_event_loop():
            do_instead_of_waiting(job)
        try:
            return super().result(timeout)
        except concurrent.futures.TimeoutError:
            raise
        except Exception:
            raise
        except BaseException:
            self._caller.delivered = True
            raise

    def follow(self, inner: concurrent.futures.Future[Any]) -> None:
        """Take over the outcome of ``inner``, which is done."""
        if inner.cancelled():
            self.cancel()
        elif (error := inner.exception()) is not None:
            self.set_exception(error)
        else:
            self.set_result(inner.result())

    def __await__(self) -> Iterator[Any]:
        import asyncio

        return asyncio.wrap_future(self).__await__()


def _in_event_loop() -> bool:
    """True if this thread runs an event loop, in which a task could not start one of its own."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


def call_sync(scope: TaskScope, action: Action, args: tuple[Any, ...], kwargs: Any = None) -> Any:
    """Call a user function in this thread."""
    if action.func is None:
        raise no_sync_form(action.name)
    if action.inject:
        return action.func(*args, **{**scope.injected(action), **(kwargs or {})})
    return action.func(*args, **kwargs) if kwargs else action.func(*args)


class _Work:
    """The tasks of one graph that are running."""

    __slots__ = ("deadline", "done", "driver", "finished", "frame", "running", "waiting")

    def __init__(self, driver: SyncDriver, frame: Frame) -> None:
        self.driver, self.frame = driver, frame
        self.deadline: float | None = None
        """When the step's time is up, as `Clock.ticks` counts; None: never, or it was told."""
        self.done: SimpleQueue[Task | None] = SimpleQueue()
        self.waiting: deque[Task] = deque()
        self.finished: list[Task] = []
        """Tasks that the loop has not been told of."""
        self.running = 0

    def may_run_here(self, effect: Run) -> bool:
        """True if there is one task, and nobody who must hear of it while it runs."""
        return (
            len(effect.tasks) == 1
            and effect.timeout is None
            and not self.running
            and self.deadline is None
            and not (self.driver.live and self.frame.outer is None)
        )

    def run_here(self, tasks: list[Task]) -> None:
        """Run one task in this thread."""
        contextvars.copy_context().run(self.driver.run_task, self.frame, tasks[0])
        self.finished = tasks

    def start(self, tasks: list[Task], timeout: float | None) -> Generator[None, None, list[Task]]:
        if timeout is not None:
            self.deadline = clock().ticks() + timeout
        limit = self.driver.max_concurrency
        places = max(limit - self.running, 0) if limit else len(tasks)
        self.waiting.extend(tasks[places:])
        for task in tasks[:places]:
            self._spawn(task)
        return (yield from self.wait())

    def _spawn(self, task: Task) -> None:
        context = contextvars.copy_context()
        self.running += 1

        def job() -> None:
            try:
                context.run(self.driver.run_task, self.frame, task)
            except BaseException as error:
                task.error = error
            self.done.put(task)

        spawn(job)

    def wait(self) -> Generator[None, None, list[Task]]:
        """The tasks that finished next, none if the time is up; yields while events come in."""
        while True:
            task = self._next(block=not self.finished)
            if task is _NOTHING:
                return self.collect()
            if task is None:
                yield None
                continue
            self.finished.append(task)
            self.running -= 1
            if self.waiting:
                self._spawn(self.waiting.popleft())

    def finish(self) -> list[Task]:
        """The run is over: wait for what still runs, so that nothing goes on behind its back.

        Returns the tasks that have finished.
        """
        self.waiting.clear()
        while self.running:
            task = self.done.get()
            if task is not None:
                self.finished.append(task)
                self.running -= 1
        return self.collect()

    def collect(self) -> list[Task]:
        """The tasks that have finished and that the loop has not been told of."""
        finished, self.finished = self.finished, []
        return finished

    def _next(self, *, block: bool) -> Any:
        if block and self.deadline is None:
            return self.done.get()
        left = 0.0 if not block or self.deadline is None else self.deadline - clock().ticks()
        try:
            return self.done.get(timeout=left) if left > 0 else self.done.get_nowait()
        except Empty:
            if block:
                self.deadline = None
            return _NOTHING


_NOTHING: Any = object()
