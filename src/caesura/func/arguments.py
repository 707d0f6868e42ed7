"""What tasks and entrypoints take and give, for type checkers. Never imported when a program runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from concurrent.futures import Future
from typing import Any, ParamSpec, Protocol, TypedDict, TypeVar, overload

from caesura.func import TaskFunction
from caesura.types import RetryPolicy

P = ParamSpec("P")
T = TypeVar("T")

Policies = RetryPolicy | Sequence[RetryPolicy]


class TaskFuture(Future[T]):
    """The future of a task's call: ``.result()`` in sync code, ``await`` in async code."""

    def __await__(self) -> Generator[Any, None, T]:
        """In async code the future is asyncio's."""
        raise NotImplementedError


class TaskDecorator(Protocol):
    """``task(...)`` with arguments, before it gets the function."""

    @overload
    def __call__(self, fn: Callable[P, Awaitable[T]], /) -> TaskFunction[P, T]: ...
    @overload
    def __call__(self, fn: Callable[P, T], /) -> TaskFunction[P, T]: ...


class OldTaskArguments(TypedDict, total=False):
    """Of `task`, under their former names."""

    retry: Policies | None


class OldEntrypointArguments(TypedDict, total=False):
    """Of `entrypoint`, under their former names."""

    config_schema: type[Any] | None
    retry: Policies | None
