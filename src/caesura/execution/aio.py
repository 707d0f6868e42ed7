"""The async driver: performs the effects of a `Turn` in an event loop. No decision is taken here.

A step with one async task is awaited in place. Several become asyncio tasks; sync functions run in
threads with the context copied. Where events must be seen while a task runs (``live``), a single task
becomes an asyncio task too.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import random
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import Any

from caesura.checkpoint.operations import PutWrites
from caesura.config import _scope
from caesura.core.effects import CANCEL, WAIT, Emit, Keep, Log, Recall, Run, Store, Tell
from caesura.core.program import Action
from caesura.core.state import Task
from caesura.core.turn import Outcome
from caesura.errors import NodeCancelledError
from caesura.execution import langchain
from caesura.execution.body import retry_of, retry_wait, task_body
from caesura.execution.call import Planned, in_loop, log_unawaited
from caesura.execution.clock import clock
from caesura.execution.context import Frame, TaskScope
from caesura.execution.effects import aexecute, aperform
from caesura.execution.gathering import Ended, Gathering
from caesura.execution.listeners import atell
from caesura.execution.sync import RunClosed, TaskFuture
from caesura.execution.threads import in_thread
from caesura.execution.timeout import timed


class AsyncDriver:
    """Drives the graphs of one invocation."""

    def __init__(self, *, live: bool = False, max_concurrency: int | None = None) -> None:
        self.live = live
        self.max_concurrency = max_concurrency
        self.loop = asyncio.get_running_loop()
        self._signal: asyncio.Event | None = None
        self._storing: dict[Frame, asyncio.Task[None]] = {}
        """What stores the results of a graph's calls, or did so last."""

    def notify(self) -> None:
        """An event was sent: wake the outermost graph. May be called from any thread."""
        signal = self._signal
        if signal is not None and self.live:
            self.loop.call_soon_threadsafe(signal.set)

    # --- the loop ----------------------------------------------------------------------------

    async def drive(self, frame: Frame) -> AsyncGenerator[Outcome | None, None]:
        """Run a graph; yields None whenever events may be waiting, and the `Outcome` last."""
        steps = frame.turn.run()
        work = _Work(self, frame)
        if frame.outer is None:
            self._signal = work.signal
        try:
            value: Any = None
            advance: Callable[[Any], Any] = steps.send
            watch, told = frame.watch, bool(frame.wants)
            while True:
                if watch is not None:
                    watch.progress()
                try:
                    effect = advance(value)
                except StopIteration as stop:
                    work.rest()
                    yield stop.value
                    return
                except BaseException:
                    await self._stop(frame, work)
                    raise
                try:
                    value = None
                    kind = type(effect)
                    if kind is Run or effect is WAIT:
                        if kind is Run:
                            await work.start(effect.tasks, effect.timeout)
                        while not (value := work.collect()) and not work.time_is_up():
                            await work.wait()
                            if told:
                                yield None
                        if told:
                            yield None
                    elif kind is Store:
                        value = await aexecute(frame.setting.saver, effect.operation)
                    elif kind is Emit:
                        frame.emit(effect.mode, effect.payload)
                        yield None
                    else:
                        value = await self._perform(frame, work, effect)
                    advance = steps.send
                except (GeneratorExit, asyncio.CancelledError) as closing:
                    cancelled = isinstance(closing, asyncio.CancelledError)
                    await self._close(frame, steps, work, cancelled=cancelled)
                    raise
                except BaseException as error:
                    value, advance = error, steps.throw
        finally:
            self._storing.pop(frame, None)
            frame.over()

    async def _perform(self, frame: Frame, work: _Work, effect: Any) -> Any:
        """One of the rarer effects; returns its result."""
        kind = type(effect)
        if kind is Log:
            for text in effect.texts:
                logging.getLogger("caesura").warning("%s", text)
        elif kind is Recall and frame.cache is not None:
            return await frame.cache.arecall(effect.tasks)
        elif kind is Keep and frame.cache is not None:
            await frame.cache.akeep(effect.task)
        elif effect is CANCEL:
            work.cancel()
        elif kind is Tell:
            await atell(frame.setting.listeners, effect.event)
        return None

    async def _close(
        self,
        frame: Frame,
        steps: Generator[Any, Any, Outcome],
        work: _Work,
        *,
        cancelled: bool,
    ) -> None:
        """Stop what runs, and let the loop store what is done."""
        await self._stop(frame, work)
        value: Any = None
        try:
            effect = steps.throw(RunClosed()) if cancelled else steps.send(None)
            while True:
                if type(effect) is Run or effect is WAIT:
                    effect = steps.throw(RunClosed())
                    continue
                value = None
                if type(effect) is Store:
                    value = await aexecute(frame.setting.saver, effect.operation)
                elif type(effect) is Tell:
                    await atell(frame.setting.listeners, effect.event)
                effect = steps.send(value)
        except (RunClosed, StopIteration):
            return

    async def _stop(self, frame: Frame, work: _Work) -> None:
        """Cancel what runs, and wait until it is gone, and what it left is stored."""
        await work.stop()
        storing = self._storing.get(frame)
        if storing is not None:
            await asyncio.wait([storing])

    # --- tasks -------------------------------------------------------------------------------

    def run_task(self, frame: Frame, task: Task) -> Coroutine[Any, Any, None]:
        """Run a node's task to its end."""
        scope = TaskScope(frame, task, frame.turn.request.ancestors)
        scope.loop = self.loop
        return self.attempt(scope, self._node)

    async def attempt(self, scope: TaskScope, work: Callable[[TaskScope], Awaitable[None]]) -> None:
        """Run ``work`` in ``scope``, again as the retry policy says; records how it ended."""
        task = scope.task
        timeout = task.node.timeout if task.node is not None else None
        scope.first_attempt = clock().epoch()
        token, entered = _scope.set(scope), langchain.enter(scope)
        error: BaseException | None = None
        try:
            while True:
                error = None
                try:
                    await (work(scope) if timeout is None else timed(scope, timeout, work))
                except asyncio.CancelledError as caught:
                    if _cancelled_from_outside():
                        task.error = caught
                        raise
                    error = NodeCancelledError(f"Node '{task.name}' raised asyncio.CancelledError")
                    error.__cause__ = caught
                except BaseException as caught:
                    error = caught
                if scope.children:
                    await self._wait_children(scope)
                policy = retry_of(scope, error) if error is not None else None
                if policy is None:
                    scope.end(error)
                    return
                await asyncio.sleep(retry_wait(policy, scope.attempt, random.random()))
                scope.again()
        finally:
            error = None  # Its traceback holds this frame, and all that the run has.
            if entered is not None:
                langchain.leave(entered)
            _scope.reset(token)

    async def _node(self, scope: TaskScope) -> None:
        body = task_body(scope)
        value: Any = None
        advance: Callable[[Any], Any] = body.send
        try:
            while True:
                action, args = advance(value)
                try:
                    if (
                        action.afunc is not None and not action.inject
                    ):  # the usual one, without `call`
                        value = await action.afunc(*args)
                    else:
                        value = await self.call(scope, action, args)
                    advance = body.send
                except asyncio.CancelledError:
                    body.close()
                    raise
                except BaseException as error:
                    value, advance = error, body.throw
        except StopIteration as stop:
            scope.task.writes = stop.value
        finally:
            value = None  # As in `attempt`.

    async def _wait_children(self, scope: TaskScope) -> None:
        futures = [
            f if isinstance(f, asyncio.Future) else asyncio.wrap_future(f) for f in scope.children
        ]
        await asyncio.wait(futures)
        for child, future in zip(scope.children, futures, strict=True):
            if not child.taken:
                log_unawaited(scope, future)

    async def call(
        self, scope: TaskScope, action: Action, args: tuple[Any, ...], kwargs: Any = None
    ) -> Any:
        """Call a user function: await an async one, run a sync one in a thread."""
        given = scope.injected(action) if action.inject else {}
        if kwargs:
            given = {**given, **kwargs}
        if action.afunc is not None:
            return await action.afunc(*args, **given)
        func = action.func
        assert func is not None
        result = await in_thread(lambda: func(*args, **given))
        return await result if inspect.isawaitable(result) else result

    # --- calls -------------------------------------------------------------------------------

    def start_call(self, planned: Planned) -> Any:
        """Start an ``@task`` call; one that is stored or waits is not run."""
        gathering = planned.frame.gathering
        gathering.begin()
        if in_loop(planned.scope):
            context = contextvars.copy_context()
            future = self.loop.create_task(self._call(planned), context=context)
            future.add_done_callback(partial(_over, gathering))
            return _Delivering(planned.scope, future)
        view = TaskFuture(planned.scope)
        inner = asyncio.run_coroutine_threadsafe(self._call(planned), self.loop)
        inner.add_done_callback(gathering.end)
        inner.add_done_callback(view.follow)
        return view

    async def _call(self, planned: Planned) -> Any:
        task = planned.task
        if task.cached:
            return task.result
        if task.pause is not None:
            raise planned.pause_signal()
        left = await self._finish_call(planned)
        if left is not None:
            await self._store(planned.frame, left)
        if planned.is_fresh() and planned.cache is not None:
            await planned.cache.akeep(task)
        if (error := planned.outcome(None)) is not None:
            raise error
        return task.result

    async def _finish_call(self, planned: Planned) -> PutWrites | None:
        """Run the function, or take what the cache has; returns what is to be stored."""
        cache, task = planned.cache, planned.task
        if cache is None or not planned.take(await cache.arecall([task])):
            await self._run_call(planned)
        return planned.left()

    async def _run_call(self, planned: Planned) -> None:
        task, scope = planned.task, planned.child_scope()

        async def work(scope: TaskScope) -> None:
            task.result = await self._perform_call(planned, scope)
            task.writes = []

        await self.attempt(scope, work)

    async def _perform_call(self, planned: Planned, scope: TaskScope) -> Any:
        if planned.once is None:
            return await self.call(scope, planned.action, planned.args, planned.kwargs)
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
                    value = await planned.frame.setting.saver.aexecute(wanted.operation)
                else:
                    value = await self.call(scope, planned.action, planned.args, planned.kwargs)
                advance = steps.send
            except BaseException as error:
                value, advance = error, steps.throw

    async def _store(self, frame: Frame, left: PutWrites) -> None:
        """Store what a call left: at once if no other is under way, or it takes no time; else with all
        that end before the loop comes to it."""
        gathering, saver = frame.gathering, frame.setting.saver
        if gathering.running == 1 or getattr(saver, "at_once", False):
            await saver.aexecute(left)
            frame.turn.stored_beside(left)
            return
        stored = self.loop.create_future()
        if gathering.add(Ended(left, partial(_tell, stored))):
            self._storing[frame] = self.loop.create_task(self._store_all(frame))
        await stored

    async def _store_all(self, frame: Frame) -> None:
        """Goes on though a call is cancelled: what others left is stored with it."""
        while await aperform(frame.gathering.round(), frame.setting.saver):
            pass


def _tell(stored: asyncio.Future[None], why: BaseException | None) -> None:
    if stored.done():
        return
    if why is None:
        stored.set_result(None)
    else:
        stored.set_exception(why)


def _over(gathering: Gathering, future: asyncio.Future[Any]) -> None:
    """A call has ended. Failures are logged by the caller's task, not by asyncio."""
    gathering.end()
    if not future.cancelled():
        future.exception()


def _cancelled_from_outside() -> bool:
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0


class _Delivering(asyncio.Future):  # type: ignore[type-arg]
    """The result of an ``@task`` call in async code; notes when a pause is raised into the caller."""

    def __init__(self, scope: TaskScope, inner: asyncio.Task[Any]) -> None:
        super().__init__(loop=scope.loop)
        self._caller, self._inner = scope, inner
        self.taken = False
        inner.add_done_callback(self._copy)

    def _copy(self, inner: asyncio.Future[Any]) -> None:
        if self.done():
            return
        if inner.cancelled():
            super().cancel()
        elif (error := inner.exception()) is not None:
            self.set_exception(error)
            super().exception()
        else:
            self.set_result(inner.result())

    def cancel(self, msg: Any = None) -> bool:
        self._inner.cancel(msg)
        return super().cancel(msg)

    def exception(self) -> BaseException | None:
        self.taken = True
        return super().exception()

    def result(self) -> Any:
        self.taken = True
        try:
            return super().result()
        except Exception:
            raise
        except asyncio.CancelledError:
            raise
        except BaseException:
            self._caller.delivered = True
            raise

    def __await__(self) -> Generator[Any, None, Any]:
        if not self.done():
            self._asyncio_future_blocking = True
            yield self
        return self.result()

    __iter__ = __await__


class _Work:
    """The tasks of one graph that are running."""

    __slots__ = ("alarm", "driver", "finished", "frame", "late", "running", "signal", "waiting")

    def __init__(self, driver: AsyncDriver, frame: Frame) -> None:
        self.driver, self.frame = driver, frame
        self.signal = asyncio.Event()
        self.finished: list[Task] = []
        self.running: dict[asyncio.Task[None], Task] = {}
        self.waiting: deque[Task] = deque()
        self.alarm: asyncio.TimerHandle | None = None
        self.late = False
        """The step's time is up, and that was not told yet."""

    async def start(self, tasks: list[Task], timeout: float | None) -> None:
        if timeout is not None:
            self._set_alarm(timeout)
        live = self.driver.live and self.frame.outer is None
        if len(tasks) == 1 and not live and self.alarm is None and not self.running:
            await self.driver.run_task(self.frame, tasks[0])
            self.finished.append(tasks[0])
            return
        limit = self.driver.max_concurrency
        places = max(limit - len(self.running), 0) if limit else len(tasks)
        self.waiting.extend(tasks[places:])
        for task in tasks[:places]:
            self._spawn(task)

    def _set_alarm(self, timeout: float) -> None:
        if self.alarm is not None:
            self.alarm.cancel()
        self.late = False
        self.alarm = self.driver.loop.call_later(timeout, self._ring)

    def _ring(self) -> None:
        self.late = True
        self.signal.set()

    def time_is_up(self) -> bool:
        """True, once, when the step has taken longer than it may."""
        late, self.late = self.late, False
        return late

    def _spawn(self, task: Task) -> None:
        job = asyncio.get_running_loop().create_task(self.driver.run_task(self.frame, task))
        self.running[job] = task
        job.add_done_callback(self._done)

    def _done(self, job: asyncio.Task[None]) -> None:
        task = self.running.pop(job, None)
        if task is None:
            return
        if job.cancelled():
            task.error = task.error or asyncio.CancelledError()
        elif (error := job.exception()) is not None and task.error is None:
            task.error = error
        self.finished.append(task)
        if self.waiting:
            self._spawn(self.waiting.popleft())
        self.signal.set()

    def collect(self) -> list[Task]:
        """Tasks finished since the last call."""
        finished, self.finished = self.finished, []
        return finished

    async def wait(self) -> None:
        """Until a task finishes, an event is sent, or the step's time is up."""
        await self.signal.wait()
        self.signal.clear()

    def cancel(self) -> None:
        """Stop the running tasks; they come back with their cancellation as the error."""
        waiting, self.waiting = list(self.waiting), deque()
        for task in waiting:
            task.error = asyncio.CancelledError()
            self.finished.append(task)
        for job in self.running:
            job.cancel()

    def rest(self) -> None:
        """Nothing runs any more: nor does the time of a step."""
        if self.alarm is not None:
            self.alarm.cancel()

    async def stop(self) -> None:
        """Cancel the running tasks and wait until they are gone."""
        self.rest()
        jobs = list(self.running)
        self.waiting.clear()
        for job in jobs:
            job.cancel()
        if jobs:
            await asyncio.wait(jobs)
