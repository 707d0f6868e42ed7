"""What a running task can ask about its run, and the shape of a run's configuration.

The scope of the task that is running now travels in one context variable. It is typed (`Scope`),
set by the drivers, and read by `interrupt`, `task` calls, `get_config` and nested graphs.
"""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from caesura.asking import Question
    from caesura.runtime import Runtime

OUTSIDE = "Called get_config outside of a runnable context"


class RunnableConfig(TypedDict, total=False):
    """Configuration of a run. ``configurable`` holds ``thread_id`` and the program's own keys."""

    tags: list[str]
    metadata: dict[str, Any]
    callbacks: Any
    run_name: str
    max_concurrency: int | None
    recursion_limit: int
    configurable: dict[str, Any]
    run_id: Any


class Scope(ABC):
    """The task that is running now, as code inside it can see it."""

    __slots__ = ()

    @abstractmethod
    def ask(self, questions: Sequence[Question]) -> list[Any]:
        """Answers to ``questions``, or the pause."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """The `RunnableConfig` of the task."""

    @abstractmethod
    def runtime(self) -> Runtime[Any]:
        """The `Runtime` of the task."""

    @abstractmethod
    def write_custom(self, value: Any) -> None:
        """Send ``value`` to the ``custom`` stream."""

    @abstractmethod
    def push(self, key: str, value: Any) -> None:
        """Have the task write ``value`` to ``key`` when it ends, before what it returns."""

    @abstractmethod
    def push_message(self, message: Any, key: str | None) -> None:
        """Send ``message`` to the ``messages`` stream; with a ``key``, the task also writes it there."""


_scope: ContextVar[Scope | None] = ContextVar("caesura_scope", default=None)


def find_scope() -> Scope | None:
    """The scope of the running task, or None outside a run."""
    return _scope.get()


def current_scope() -> Scope:
    """The scope of the running task. Raises ``RuntimeError`` outside a run."""
    scope = _scope.get()
    if scope is None:
        raise RuntimeError(OUTSIDE)
    return scope


@contextlib.contextmanager
def scope_set(scope: Scope | None) -> Iterator[None]:
    """Make ``scope`` the running task's while the block runs."""
    token = _scope.set(scope)
    try:
        yield
    finally:
        _scope.reset(token)


def get_config() -> dict[str, Any]:
    """The configuration of the running task. Raises ``RuntimeError`` outside a run."""
    return current_scope().config()


def get_store() -> Any:
    """The store of the run (None if it has none). Raises ``RuntimeError`` outside a run."""
    return current_scope().runtime().store


def get_stream_writer() -> Callable[[Any], None]:
    """A function that sends a value to the ``custom`` stream; does nothing if nobody listens."""
    return current_scope().write_custom


def default_recursion_limit() -> int:
    """Steps a run may take if its config does not say."""
    return int(os.environ.get("LANGGRAPH_DEFAULT_RECURSION_LIMIT", "10007"))


class Leniency:
    """Whether refusals that LangGraph programs do not expect are softened to LangGraph's outcomes.

    Off by default; `caesura.compat.langgraph.install` turns it on for the process, because the
    programs it is for were written against those outcomes (docs/compatibility.md lists them).
    """

    enabled = False


def lenient() -> bool:
    """True while LangGraph's lenient outcomes are asked for."""
    return Leniency.enabled
