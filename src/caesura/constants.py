"""Names that programs and stored checkpoints share. Pure data; everything may import it."""

from __future__ import annotations

from typing import Any, Final

START: Final = "__start__"
"""The first, virtual node of every graph: edges from it name where a run begins."""
END: Final = "__end__"
"""The last, virtual node of every graph: an edge to it ends that path."""
TAG_NOSTREAM: Final = "nostream"
TAG_HIDDEN: Final = "langsmith:hidden"

CONF: Final = "configurable"
TASKS: Final = "__pregel_tasks"
ROOT: Final = "__root__"
PREVIOUS: Final = "__previous__"
SELF: Final = "__self__"

# Reserved channels of stored writes (source: semantics §3.1).
ERROR: Final = "__error__"
SCHEDULED: Final = "__scheduled__"
INTERRUPT: Final = "__interrupt__"
RESUME: Final = "__resume__"
RETURN: Final = "__return__"
NO_WRITES: Final = "__no_writes__"
INPUT: Final = "__input__"
COPY: Final = "__copy__"

PULL: Final = "__pregel_pull"
PUSH: Final = "__pregel_push"
NULL_TASK_ID: Final = "00000000-0000-0000-0000-000000000000"

NS_SEP: Final = "|"
NS_END: Final = ":"

CALLER: Final = "__caller__"
"""Metadata of a nested graph's checkpoints: which call of which task made it."""

CACHE_NS: Final = "__pregel_ns_writes"
"""What the namespaces of cached results begin with."""
CACHE_NS_ANY: Final = "__dynamic__"
"""Stands for a function that has no name of its own."""
EXTRAS: Final = "__checkpoint__"
"""Metadata of checkpoints that others made: what ours do not have, such as the version of the shape."""

CLAIM: Final = "__claim__"
"""Which of several runs on one checkpoint starts a task."""

EFFECT: Final = "__effect__"
"""The journal of a call that must not happen twice (`core.once`)."""
DIGEST: Final = "__digest__"
"""Where what a stored call was made from stands, beside what it returned."""

RESERVED_WRITES: Final = frozenset(
    {CLAIM, EFFECT, ERROR, SCHEDULED, INTERRUPT, RESUME, RETURN, NO_WRITES}
)


def __getattr__(name: str) -> Any:
    """Old import places of ``Send`` and ``Interrupt`` keep working, with a warning."""
    if name in ("Send", "Interrupt"):
        from warnings import warn

        from caesura import types
        from caesura.warnings import LangGraphDeprecatedSinceV10

        warn(
            f"Importing {name} from langgraph.constants is deprecated. "
            f"Please use 'from langgraph.types import {name}' instead.",
            LangGraphDeprecatedSinceV10,
            stacklevel=2,
        )
        return getattr(types, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
