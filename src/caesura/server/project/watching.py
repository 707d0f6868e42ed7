"""The files whose change means that a project is to be loaded anew."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from caesura.loading import NAMES
from caesura.server.project.settings import Settings

_LEFT_OUT: Final = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})


def watched_directories(settings: Settings) -> tuple[Path, ...]:
    """The directories to watch, none within another: the project's and its local dependencies."""
    found = {settings.directory, *settings.source_directories}
    return tuple(sorted(d for d in found if not any(p in found for p in d.parents)))


def is_watched(settings: Settings, file: Path) -> bool:
    """True if a change of ``file`` (it may be new, or gone) concerns the project."""
    if file in (settings.file, settings.env_file):
        return True
    if file.parent == settings.directory and file.name in NAMES:
        return True
    for directory in watched_directories(settings):
        if file.suffix == ".py" and file.is_relative_to(directory):
            return all(_is_own(part) for part in file.relative_to(directory).parts[:-1])
    return False


def watched_files(settings: Settings) -> list[Path]:
    """The files that exist now and are watched, in order."""
    found = {file for file in (settings.file, settings.env_file) if file is not None}
    for directory in watched_directories(settings):
        found.update(_python_files(directory))
        found.update(directory / name for name in NAMES)
    return sorted(file for file in found if file.is_file() and is_watched(settings, file))


def _python_files(directory: Path) -> Iterator[Path]:
    for folder, inner, files in os.walk(directory):
        inner[:] = [name for name in inner if _is_own(name)]
        yield from (Path(folder, name) for name in files if name.endswith(".py"))


def _is_own(folder: str) -> bool:
    return folder not in _LEFT_OUT and not folder.startswith(".")
