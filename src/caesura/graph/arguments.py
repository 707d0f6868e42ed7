"""What builders of graphs take, for type checkers. Never imported when a program runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypedDict

from caesura.types import RetryPolicy

Policies = RetryPolicy | Sequence[RetryPolicy]


class Invokable(Protocol):
    """A graph, or what LangChain can run."""

    @property
    def invoke(self) -> Callable[..., Any]:
        """Called with an input and a config."""


NodeLike = Callable[..., Any] | Invokable | Mapping[str, Any]
"""What can be a node or choose the next one; a mapping runs each of its values."""


class OldGraphArguments(TypedDict, total=False):
    """Of `StateGraph`, under their former names."""

    config_schema: type[Any] | None
    input: type[Any] | None
    output: type[Any] | None


class OldNodeArguments(TypedDict, total=False):
    """Of ``add_node``, under their former names."""

    retry: Policies | None
    input: type[Any] | None
