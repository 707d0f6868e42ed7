"""LangChain inside tasks, where a program uses it: its code finds the task's config, and is listened to.

LangChain hands its config from call to call in a context variable of its own. While a task runs it
holds the config of the task, so that a model called without a config has the callbacks, tags and
metadata of the run. For the ``messages`` stream the config has one callback handler more, which tells
what chat models say (`caesura.execution.models`). LangChain is never imported for any of it: a
program that has not imported it cannot call it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from caesura.execution.context import TaskScope


_MODELS: Final = "caesura.execution.models"
_CONFIG: Final = "langchain_core.runnables.config"


class _TaskConfig(Mapping[str, Any]):
    """The config of a task, made when somebody looks."""

    __slots__ = ("_scope",)

    def __init__(self, scope: TaskScope) -> None:
        self._scope = scope

    def __getitem__(self, key: str) -> Any:
        return self._scope.config()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._scope.config())

    def __len__(self) -> int:
        return len(self._scope.config())


def _variable() -> ContextVar[Any] | None:
    module = sys.modules.get(_CONFIG)
    return getattr(module, "var_child_runnable_config", None)


def enter(scope: TaskScope) -> Token[Any] | None:
    """LangChain's code works for this task from now on. What `leave` needs; None: there is none."""
    if _CONFIG not in sys.modules:
        return None
    variable = _variable()
    return None if variable is None else variable.set(_TaskConfig(scope))


def leave(entered: Token[Any]) -> None:
    """Undo `enter`."""
    entered.var.reset(entered)


def surrounding_config() -> dict[str, Any] | None:
    """The config of LangChain's code that calls us, if there is any."""
    variable = _variable()
    return None if variable is None else variable.get()


def callbacks_of(scope: TaskScope, given: Any, config: Mapping[str, Any]) -> Any:
    """The callbacks for code in a task: those ``given`` with the run, and who listens for its stream.

    ``given`` is None, a list of handlers, or a manager of LangChain's. The result is a manager, which
    hands on the tags and metadata of ``config``; without LangChain, what was given.
    """
    if _variable() is None:
        return given
    models = sys.modules.get(_MODELS) or importlib.import_module(_MODELS)
    return models.manager_of(given, scope, config)
