"""Compiled programs among runnables of LangChain, where a program uses LangChain.

A compiled program is no subclass of LangChain's `Runnable`, because LangChain would then have to be
imported for every program. It is registered as one as soon as LangChain is there, so that pipes and
everything else that asks ``isinstance`` takes it. What it does not do itself - pipes, fallbacks, tools -
it leaves to LangChain's `Runnable` around it (`caesura.pregel.runnable`).
"""

from __future__ import annotations

import sys
from abc import ABCMeta
from typing import Any, Final

BORROWED: Final = frozenset(
    {
        "InputType",
        "OutputType",
        "abatch_as_completed",
        "as_tool",
        "assign",
        "astream_events",
        "astream_log",
        "atransform",
        "batch_as_completed",
        "bind",
        "config_specs",
        "get_prompts",
        "map",
        "pick",
        "pipe",
        "transform",
        "with_alisteners",
        "with_fallbacks",
        "with_listeners",
        "with_retry",
        "with_types",
    }
)
"""What a `Runnable` can do and a compiled program leaves to it."""

_joined: set[type] = set()


def join_runnables(kind: type) -> None:
    """Have LangChain take instances of ``kind`` for runnables, if LangChain is there."""
    base = getattr(sys.modules.get("langchain_core.runnables.base"), "Runnable", None)
    if kind not in _joined and isinstance(base, ABCMeta):
        _joined.add(kind)
        base.register(kind)


def as_runnable(graph: Any) -> Any:
    """A `Runnable` of LangChain's that does what ``graph`` does. Raises ImportError without LangChain."""
    from caesura.pregel.runnable import GraphRunnable

    return GraphRunnable(graph)


def borrowed(graph: Any, name: str) -> Any:
    """Attribute ``name`` of the runnable around ``graph``. Raises AttributeError if there is none."""
    missing = f"{type(graph).__name__!r} object has no attribute {name!r}"
    if name not in BORROWED:
        raise AttributeError(missing)
    try:
        return getattr(as_runnable(graph), name)
    except ImportError as error:
        raise AttributeError(
            f"{missing} without LangChain: `pip install langchain-core`"
        ) from error
