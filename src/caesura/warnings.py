"""Deprecation warnings, with the names and texts that existing programs filter on."""

from __future__ import annotations

import warnings


class LangGraphDeprecationWarning(DeprecationWarning):
    """A name or argument that still works and will go.

    ``since`` and ``expected_removal`` are ``(major, minor)`` version pairs.
    """

    message: str
    since: tuple[int, int]
    expected_removal: tuple[int, int]

    def __init__(
        self,
        message: str,
        *args: object,
        since: tuple[int, int],
        expected_removal: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(message, *args)
        self.message = message.rstrip(".")
        self.since = since
        self.expected_removal = expected_removal or (since[0] + 1, 0)

    def __str__(self) -> str:
        return (
            f"{self.message}. Deprecated in LangGraph V{self.since[0]}.{self.since[1]} "
            f"to be removed in V{self.expected_removal[0]}.{self.expected_removal[1]}."
        )


class LangGraphDeprecatedSinceV05(LangGraphDeprecationWarning):
    """Deprecated since LangGraph 0.5."""

    def __init__(self, message: str, *args: object) -> None:
        super().__init__(message, *args, since=(0, 5), expected_removal=(2, 0))


class LangGraphDeprecatedSinceV10(LangGraphDeprecationWarning):
    """Deprecated since LangGraph 1.0."""

    def __init__(self, message: str, *args: object) -> None:
        super().__init__(message, *args, since=(1, 0), expected_removal=(2, 0))


class LangGraphDeprecatedSinceV11(LangGraphDeprecationWarning):
    """Deprecated since LangGraph 1.1."""

    def __init__(self, message: str, *args: object) -> None:
        super().__init__(message, *args, since=(1, 1), expected_removal=(3, 0))


def warn_renamed(
    old: str, new: str, category: type[LangGraphDeprecationWarning], stacklevel: int
) -> None:
    """Say that the argument ``old`` is now called ``new``; ``stacklevel`` as its caller counts it."""
    text = f"`{old}` is deprecated and will be removed. Please use `{new}` instead."
    warnings.warn(text, category, stacklevel=stacklevel + 1)


def warn_shallow(old: str, new: str) -> None:
    """Say that a saver which forgets is no longer one. Called by its ``__init__``."""
    text = (
        f"`{old}` is deprecated. Please use `{new}` instead, which keeps the history of a thread."
    )
    warnings.warn(text, LangGraphDeprecatedSinceV10, stacklevel=3)


class InterruptDigestWarning(UserWarning):
    """A replayed program asked something else at the place of an answered interrupt."""


class TaskReplayWarning(UserWarning):
    """A replayed program called a task with other arguments than the stored result was made from."""


class CacheWarning(UserWarning):
    """A cache failed and was passed over: the run computed what it would have looked up."""
