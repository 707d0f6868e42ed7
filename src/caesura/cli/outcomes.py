"""How a command ends: its exit code and what it says. One table, for people and for scripts."""

from __future__ import annotations

import shutil
import sys
from enum import IntEnum
from pathlib import Path

from caesura.errors import EmptyInputError, ResumeError


class Exit(IntEnum):
    """Exit codes. They are part of the interface."""

    FINISHED = 0
    """Done; of ``run``: the program finished."""
    FAILED = 1
    """The program raised an error, or the store failed. What was done is stored."""
    USAGE = 2
    """The command was wrong: no such file, thread or option. Nothing was changed."""
    WAITING = 3
    """The program waits for a person and there is no terminal to ask at."""
    REFUSED = 4
    """An answer was refused: unknown, already answered, wrong shape. Nothing was changed."""
    INTERRUPTED = 130
    """Ctrl-C. What was done is stored; the same command goes on."""


class Stop(Exception):
    """Ends the command: ``message`` goes to stderr, ``code`` to the shell.

    ``name`` is a stable word for ``--json``.
    """

    def __init__(self, code: Exit, message: str = "", name: str = "usage") -> None:
        super().__init__(message)
        self.code, self.message, self.name = code, message, name


def this_command() -> list[str]:
    """The words that start this program again from the same shell."""
    started = sys.argv[0]
    if Path(started).name == "__main__.py":
        return [sys.executable, "-m", "caesura"]
    found = shutil.which("caesura")
    is_on_path = found is not None and Path(found).resolve() == Path(started).resolve()
    return ["caesura" if is_on_path else started]


def usage(message: str) -> Stop:
    """The stop for a wrong command."""
    return Stop(Exit.USAGE, message)


def exit_code_of(error: Exception) -> Exit:
    """The exit code of an error that the engine raised."""
    if isinstance(error, ResumeError):
        return Exit.REFUSED
    if isinstance(error, EmptyInputError):
        return Exit.USAGE
    return Exit.FAILED
