"""A project looked over without serving it: everything that is wrong, in one list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from caesura.server.project.errors import BrokenFileError, ConfigError, ProjectProblem
from caesura.server.project.graphs import Graphs
from caesura.server.project.loading import load_object
from caesura.server.project.settings import Settings, read_settings


def check_project(config: Path) -> list[ProjectProblem]:
    """What is wrong with the project of a config file; empty if nothing is.

    Its files are imported, in this process; its graph factories are not called.
    """
    try:
        settings = read_settings(config)
    except ConfigError as error:
        return list(error.problems)
    return [*settings.warnings, *_missing(settings, config), *_broken(settings)]


def _missing(settings: Settings, config: Path) -> Iterator[ProjectProblem]:
    if not settings.graphs:
        yield ProjectProblem(config, "graphs", "names no graph, so none is served", "warning")
    if settings.env_file is not None and not settings.env_file.is_file():
        text = f"there is no file {settings.env_file}; its variables are not set"
        yield ProjectProblem(config, "env", text, "warning")
    for folder in settings.source_directories:
        if not folder.is_dir():
            yield ProjectProblem(config, "dependencies", f"there is no directory {folder}")


def _broken(settings: Settings) -> Iterator[ProjectProblem]:
    for graph_id, error in Graphs.load(settings).broken.items():
        yield _told(error, f"graph {graph_id!r}")
    named = {
        "auth.path": settings.auth and settings.auth.path,
        "encryption.path": settings.encryption and settings.encryption.path,
        "http.app": settings.http.app,
        "checkpointer.path": settings.checkpointer.path,
    }
    for key, spec in named.items():
        if spec:
            try:
                load_object(spec, settings.directory)
            except BrokenFileError as error:
                yield _told(error, key)


def _told(error: BrokenFileError, about: str) -> ProjectProblem:
    line = "" if error.line is None else f"line {error.line}"
    return ProjectProblem(error.file, line, f"{error.reason} ({about})")
