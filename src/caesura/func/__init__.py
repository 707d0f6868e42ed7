"""The functional API: programs as ordinary functions.

``@entrypoint`` makes a function a durable program; ``@task`` marks the calls inside it whose results
are stored, so that they are not made again when the program goes on after a pause or a crash.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    Self,
    TypeAlias,
    TypeVar,
    get_args,
    get_origin,
    overload,
)

from caesura.channels.ephemeral_value import EphemeralValue
from caesura.channels.last_value import LastValue
from caesura.channels.topic import Topic
from caesura.config import OUTSIDE, find_scope
from caesura.constants import END, PREVIOUS, START, TASKS
from caesura.core.once import Once
from caesura.core.program import NO_INPUT, Action, Node, Program, Write
from caesura.core.state import ThreadState
from caesura.core.timing import timeout_of
from caesura.execution.body import matches, retry_policies
from caesura.execution.cache import call_namespace
from caesura.execution.call import TaskSpec, start_call
from caesura.execution.context import TaskScope
from caesura.pregel.allowing import declare
from caesura.pregel.compiled import Pregel
from caesura.pregel.describing import Shape
from caesura.pregel.injection import (
    action_of,
    closure_graphs,
    first_annotation,
    name_of,
    return_annotation,
)
from caesura.types import RetryPolicy, Send, TimeoutPolicy
from caesura.typing import ContextT, RunContextT, RunInputT, RunOutputT, RunStateT
from caesura.warnings import (
    LangGraphDeprecatedSinceV05,
    LangGraphDeprecatedSinceV10,
    warn_renamed,
)

if TYPE_CHECKING:
    from datetime import timedelta

    from typing_extensions import Unpack

    from caesura.cache.base import BaseCache
    from caesura.func.arguments import (
        OldEntrypointArguments,
        OldTaskArguments,
        Policies,
        TaskDecorator,
        TaskFuture,
    )
    from caesura.store.base import BaseStore
    from caesura.types import CachePolicy, Checkpointer

A = TypeVar("A")
P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S")

__all__ = ("entrypoint", "task")


class TaskFunction(Generic[P, T]):
    """A function made a task: calling it inside a run schedules it and returns its future."""

    def __init__(
        self,
        function: Callable[P, Any],
        name: str | None,
        retry: Any,
        cache: Any,
        strict: bool,
        timeout: Any,
        not_done: tuple[type[Exception], ...] | None = None,
    ) -> None:
        self.func = function
        functools.update_wrapper(self, function)
        known = name or _task_name(function)
        self.__name__ = known
        action = action_of(function, known)
        limit = timeout_of(timeout, action, "Task")
        self.spec = TaskSpec(action, retry_policies(retry), strict, cache, limit)
        if not_done is not None:
            self.spec.once = _once(function, known, not_done)
            self.spec.retry = tuple(_if_not_done(each, not_done) for each in self.spec.retry)
        declare([return_annotation(function)])

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> TaskFuture[T]:
        """Schedule the call; returns a future (awaitable in async code).

        Raises ``RuntimeError`` outside a run.
        """
        scope = find_scope()
        if not isinstance(scope, TaskScope):
            raise RuntimeError(OUTSIDE)
        future: TaskFuture[T] = start_call(scope, self.spec, args, dict(kwargs))
        return future

    def clear_cache(self, cache: BaseCache[Any]) -> None:
        """Forget the results of this function that ``cache`` holds."""
        cache.clear([call_namespace(self.spec.action)])

    async def aclear_cache(self, cache: BaseCache[Any]) -> None:
        """Async form of `clear_cache`."""
        await cache.aclear([call_namespace(self.spec.action)])

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: Any = None) -> Callable[..., TaskFuture[T]]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)


@overload
def task(fn: Callable[P, Awaitable[T]], /) -> TaskFunction[P, T]: ...
@overload
def task(fn: Callable[P, T], /) -> TaskFunction[P, T]: ...
@overload
def task(
    fn: None = None,
    *,
    name: str | None = None,
    retry_policy: Policies | None = None,
    cache_policy: CachePolicy | None = None,
    timeout: float | timedelta | TimeoutPolicy | None = None,
    strict: bool = False,
    effect: bool = False,
    not_done: Sequence[type[Exception]] = (),
    **deprecated: Unpack[OldTaskArguments],
) -> TaskDecorator: ...
def task(
    fn: Any = None,
    *,
    name: str | None = None,
    retry_policy: Policies | None = None,
    cache_policy: CachePolicy | None = None,
    timeout: float | timedelta | TimeoutPolicy | None = None,
    strict: bool = False,
    effect: bool = False,
    not_done: Sequence[type[Exception]] = (),
    **deprecated: Unpack[OldTaskArguments],
) -> Any:
    """Make a function a task. Use with or without parentheses.

    Its result is stored when it returns; when the program runs again, the stored result is returned
    and the function is not called. If the call then has other arguments, the stored result is not
    used: the task runs anew with a `TaskReplayWarning`, or with ``strict`` raises
    `TaskReplayMismatchError`. ``cache_policy``: a `CachePolicy`: calls with equal arguments, in any
    run and thread, take one result, if the program they are made in has a cache. ``timeout``: see
    `TimeoutPolicy`; for async functions only.

    ``effect``: the call must not happen twice (a payment, a mail). That it starts is stored before
    the function is called, and its result after. If there is no result - the process died, the run
    was cancelled, the function raised or took too long - then nobody knows whether it happened: it
    is not called again, and an interrupt asks a person "Did `name` happen?". The answer is one of
    ``{"outcome": "done", "result": …}``, ``{"outcome": "not_done"}`` (it is called once more) and
    ``{"outcome": "give_up"}`` (the call raises `EffectOutcomeUnknownError`). Exceptions named in
    ``not_done`` mean for certain that nothing happened: they are raised as any task's, and the call
    is made again when the program runs again. Such a call is ``strict``; it may not ask, call tasks
    or run graphs; and it raises `EffectRefusedError` without a checkpointer and with
    ``durability="exit"``.

    Raises ValueError for a timeout that is not positive or of a sync function, for ``not_done``
    without ``effect``, and for an effect with ``cache_policy``, or with ``retry_policy`` but no
    ``not_done``: only what is known not to have happened is tried again.
    """
    safe = _safe_exceptions(effect, tuple(not_done), retry_policy, cache_policy, deprecated)
    timeout = TimeoutPolicy.coerce(timeout)
    if "retry" in deprecated:
        warn_renamed("retry", "retry_policy", LangGraphDeprecatedSinceV05, 2)
        retry_policy = retry_policy or deprecated["retry"]

    def decorate(function: Any) -> Any:
        return TaskFunction(function, name, retry_policy, cache_policy, strict, timeout, safe)

    return decorate if fn is None else decorate(fn)


def _safe_exceptions(
    effect: bool, not_done: tuple[Any, ...], retry: Any, cache: Any, deprecated: Mapping[str, Any]
) -> tuple[type[Exception], ...] | None:
    """``not_done``, checked; None for a task that is no effect."""
    if not effect:
        if not_done:
            raise ValueError("task(not_done=...) needs effect=True")
        return None
    if not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in not_done):
        raise ValueError("task(not_done=...) takes classes of exceptions")
    if cache is not None:
        raise ValueError("task(effect=True) takes no cache_policy: its result is its own")
    if (retry is not None or "retry" in deprecated) and not not_done:
        raise ValueError(
            "task(effect=True) with a retry_policy needs not_done=(...): the exceptions that mean for "
            "certain that nothing happened. Only after those is it called again."
        )
    return not_done


def _once(function: Any, name: str, not_done: tuple[type[Exception], ...]) -> Once:
    def named(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        try:
            bound = inspect.signature(function).bind_partial(*args, **kwargs).arguments
        except (TypeError, ValueError):
            return {"args": args, **kwargs}
        return {name: value for name, value in bound.items() if name != "self"}

    return Once(name, not_done, return_annotation(function), named)


def _if_not_done(policy: RetryPolicy, not_done: tuple[type[Exception], ...]) -> RetryPolicy:
    """``policy``, for what is known not to have happened."""
    return policy._replace(
        retry_on=lambda error: isinstance(error, not_done) and matches(policy, error)
    )


def _task_name(function: Any) -> str:
    if inspect.isroutine(function) or isinstance(function, functools.partial):
        return name_of(function)
    return type(function).__name__


@dataclass(frozen=True, kw_only=True, slots=True)
class Final(Generic[R, S]):
    """What an entrypoint returns to its caller (``value``) and to its next run (``save``)."""

    __qualname__ = "entrypoint.final"  # where programs find it, and what errors and reprs say

    value: R
    save: S


class entrypoint(Generic[ContextT]):
    """Make a function a durable program (the result is a `Pregel`).

    The function takes the input first, and by name any of ``config, previous, runtime, writer,
    store``. ``previous`` is what the last finished run of the thread returned, or saved with
    `entrypoint.final`. ``cache`` keeps the results of tasks with a `CachePolicy`, and with
    ``cache_policy`` that of the function itself. ``timeout``: see `TimeoutPolicy`; for async
    functions only. Raises ValueError for a function without parameters and for a sync one with a
    timeout, NotImplementedError for generators.
    """

    final: TypeAlias = Final

    def __init__(
        self,
        checkpointer: Checkpointer = None,
        store: BaseStore | None = None,
        cache: BaseCache[Any] | None = None,
        context_schema: type[ContextT] | None = None,
        cache_policy: CachePolicy | None = None,
        retry_policy: Policies | None = None,
        timeout: float | timedelta | TimeoutPolicy | None = None,
        **deprecated: Unpack[OldEntrypointArguments],
    ) -> None:
        if "retry" in deprecated:
            warn_renamed("retry", "retry_policy", LangGraphDeprecatedSinceV05, 2)
            retry_policy = retry_policy or deprecated["retry"]
        if "config_schema" in deprecated:
            warn_renamed("config_schema", "context_schema", LangGraphDeprecatedSinceV10, 2)
            context_schema = context_schema or deprecated["config_schema"]
        self.checkpointer = checkpointer
        self.store = store
        self.cache = cache
        self.context_schema = context_schema
        self.retry_policy = retry_policy
        self.cache_policy = cache_policy
        self.timeout = TimeoutPolicy.coerce(timeout)

    @overload
    def __call__(
        self, function: Callable[Concatenate[A, ...], Awaitable[Final[R, S]]]
    ) -> EntrypointProgram[S, ContextT, A, R]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[A, ...], Final[R, S]]
    ) -> EntrypointProgram[S, ContextT, A, R]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[A, ...], Awaitable[R]]
    ) -> EntrypointProgram[R, ContextT, A, R]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[A, ...], R]
    ) -> EntrypointProgram[R, ContextT, A, R]: ...
    def __call__(self, function: Callable[..., Any]) -> EntrypointProgram[Any, Any, Any, Any]:
        """The program that ``function`` is."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise NotImplementedError("Generators are not supported in the Functional API.")
        if not inspect.signature(function).parameters:
            raise ValueError("Entrypoint function must have at least one parameter")
        return EntrypointProgram(
            _program(function, self.retry_policy, self.cache_policy, self.timeout),
            function=function,
            checkpointer=self.checkpointer,
            store=self.store,
            cache=self.cache,
            context_schema=self.context_schema,
            schemas=[first_annotation(function), return_annotation(function)],
        )


class EntrypointProgram(Pregel[RunStateT, RunContextT, RunInputT, RunOutputT]):
    """A program made by `entrypoint`."""

    default_stream_mode = "updates"

    def __init__(self, program: Program, *, function: Callable[..., Any], **how: Any) -> None:
        self._assemble(program, **how)
        self.function = function
        self.__doc__ = function.__doc__

    def shape_of(self, side: Literal["input", "output"]) -> Shape:
        """The annotation of the first parameter, or of what is returned (not of what is saved)."""
        if side == "input":
            return Shape(first_annotation(self.function))
        given = return_annotation(self.function)
        return Shape(get_args(given)[0] if get_origin(given) is Final else given)


def _program(function: Callable[..., Any], retry: Any, cache: Any, timeout: Any) -> Program:
    name = name_of(function)
    action = _entry_action(function, name)
    node = Node(
        name=name,
        triggers=(START,),
        action=action,
        read=_read_input,
        collect=_collect,
        retry=retry_policies(retry),
        cache=cache,
        timeout=timeout_of(timeout, action),
        subgraphs=closure_graphs(function),
    )
    return Program(
        name="LangGraph",
        nodes={name: node},
        channels={
            START: EphemeralValue(Any, key=START),
            END: LastValue(Any, END),
            PREVIOUS: LastValue(Any, PREVIOUS),
            TASKS: Topic(Send, key=TASKS),
        },
        input_channels=START,
        output_channels=END,
        stream_channels=END,
        functional=True,
    )


def _entry_action(function: Callable[..., Any], name: str) -> Action:
    """The entry function; an async one may return a task's future, which is awaited."""
    action = action_of(function, name)
    if action.afunc is None:
        return action
    inner = action.afunc

    async def run(*args: Any, **kwargs: Any) -> Any:
        result = await inner(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    action.afunc = run
    return action


def _read_input(state: ThreadState, position: Any) -> Any:
    channel = state.channels[START]
    return channel.get() if channel.is_available() else NO_INPUT


def _collect(result: Any) -> list[Write]:
    if isinstance(result, Final):
        return [(END, result.value), (PREVIOUS, result.save)]
    return [(END, result), (PREVIOUS, result)]
