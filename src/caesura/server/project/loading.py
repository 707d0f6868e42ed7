"""From ``path/to/file.py:name`` or ``package.module:name`` to the object of that name.

Files are imported by the rule of `caesura.loading`. Whatever goes wrong becomes one `BrokenFileError` with
the deepest line in the project's own files.
"""

from __future__ import annotations

import importlib
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import caesura
from caesura.loading import import_file
from caesura.server.project.errors import BrokenFileError

_CAESURA: Final = Path(caesura.__file__).parent
_LISTED: Final = 20
"""How many names a message lists."""


def load_object(spec: str, base: Path) -> Any:
    """The object that ``spec`` names; paths are relative to ``base``. Raises `BrokenFileError`."""
    return attribute_of(*load_module(spec, base))


def attribute_of(module: ModuleType, variable: str) -> Any:
    """What ``module`` has under a name. Raises `BrokenFileError` that lists what it has."""
    if not hasattr(module, variable):
        file = getattr(module, "__file__", None) or module.__name__
        raise BrokenFileError(file, None, f"has no {variable!r}. {_names_in(module)}")
    return getattr(module, variable)


def load_module(spec: str, base: Path) -> tuple[ModuleType, str]:
    """The module that ``spec`` names, and the name in it. Raises `BrokenFileError`."""
    place, _, variable = spec.rpartition(":")
    if not place or not variable.isidentifier():
        form = "'path/to/file.py:name' or 'package.module:name'"
        raise BrokenFileError(spec, None, f"is not of the form {form}")
    if not _is_path(place):
        with told_as_broken(base, place):
            return importlib.import_module(place), variable
    path = (base / place).resolve()
    if not path.is_file():
        raise BrokenFileError(path, None, "There is no such file")
    if path.suffix != ".py":
        raise BrokenFileError(path, None, "is no Python file, and only those can be loaded")
    with told_as_broken(base, path):
        return import_file(path, base), variable


def _is_path(place: str) -> bool:
    return "/" in place or os.sep in place or Path(place).suffix in (".py", ".js", ".ts", ".mjs")


# --- what went wrong -------------------------------------------------------------------------


@contextmanager
def told_as_broken(base: Path, file: Path | str) -> Iterator[None]:
    """Raise what the block raises as a `BrokenFileError`: at a line below ``base``, else at ``file``.

    Files that end the program (``sys.exit``) are broken too; a keyboard's interrupt passes through.
    """
    try:
        yield
    except (KeyboardInterrupt, GeneratorExit, BrokenFileError):
        raise
    except (Exception, SystemExit) as error:
        raise broken_by(error, base, file) from error


def broken_by(error: BaseException, base: Path, file: Path | str) -> BrokenFileError:
    """``error`` as a `BrokenFileError`."""
    reason = traceback.format_exception_only(error)[-1].strip().splitlines()[0]
    place, line = _place_of(error, base.resolve(), file)
    return BrokenFileError(place, line, reason)


def _place_of(error: BaseException, base: Path, file: Path | str) -> tuple[Path | str, int | None]:
    if isinstance(error, SyntaxError) and error.filename is not None:
        return error.filename, error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if is_own_file(frame.filename, base) or frame.filename == str(file):
            return frame.filename, frame.lineno
    return file, None


def is_own_file(file: str, *roots: Path) -> bool:
    """True for a file in one of ``roots`` that is neither of an installed package nor of Caesura."""
    path = Path(file)
    installed = "site-packages" in path.parts or path.is_relative_to(_CAESURA)
    return not installed and any(path.is_relative_to(root) for root in roots)


def _names_in(module: ModuleType) -> str:
    """What a module defines, for a person who mistyped a name."""
    names = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, ModuleType)
        and getattr(value, "__module__", module.__name__)
        in (module.__name__, type(value).__module__)
    ]
    if not names:
        return "It defines nothing."
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"It has: {', '.join(names[:_LISTED])}{more}."
