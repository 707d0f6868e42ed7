"""The environment of a server: what a project's ``env`` sets, and the variables the server reads.

A variable that is set already wins over the project's: what an operator says on the command line is
newer than what stands in a file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caesura.server.project.errors import ConfigError, ProjectProblem
from caesura.server.project.settings import Settings


def project_variables(settings: Settings) -> dict[str, str]:
    """What the project's ``env`` says; empty if the file it names does not exist."""
    if not isinstance(settings.env, str):
        return dict(settings.env)
    from dotenv import dotenv_values

    file = settings.env_file
    found = dotenv_values(file) if file is not None and file.is_file() else {}
    return {name: value for name, value in found.items() if value is not None}


def apply_project_variables(
    settings: Settings, environ: MutableMapping[str, str] = os.environ
) -> None:
    """Put the project's variables into ``environ``, except those that are set there."""
    for name, value in project_variables(settings).items():
        environ.setdefault(name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The variables that a server reads; the names of other servers where they mean the same."""

    jobs_per_worker: int = 10
    """``N_JOBS_PER_WORKER``: runs that one process executes at once."""
    run_seconds: float = 3600.0
    """``BG_JOB_TIMEOUT_SECS``: how long a run may take if the config's ``limits`` do not say."""
    shutdown_grace_seconds: float = 180.0
    """``BG_JOB_SHUTDOWN_GRACE_PERIOD_SECS``: how long a stopping server waits for its runs."""
    stream_ttl_seconds: float = 120.0
    """``RESUMABLE_STREAM_TTL_SECONDS``: how long the events of a finished run can be replayed."""
    mount_prefix: str = ""
    """``MOUNT_PREFIX``: what every path begins with."""
    log_level: str = "info"
    """``LOG_LEVEL``."""
    log_json: bool | None = None
    """``LOG_JSON``: None: unless standard error is a terminal."""
    database_uri: str | None = None
    """``DATABASE_URI``. May hold a password: never log it."""

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> Environment:
        """What ``environ`` says. Raises `ConfigError` for values that are none."""
        reading = _Reading(environ)
        found = cls(
            jobs_per_worker=int(reading.number("N_JOBS_PER_WORKER", 10, whole=True)),
            run_seconds=reading.number("BG_JOB_TIMEOUT_SECS", 3600),
            shutdown_grace_seconds=reading.number("BG_JOB_SHUTDOWN_GRACE_PERIOD_SECS", 180),
            stream_ttl_seconds=reading.number("RESUMABLE_STREAM_TTL_SECONDS", 120),
            mount_prefix=environ.get("MOUNT_PREFIX", "").rstrip("/"),
            log_level=reading.one_of(
                "LOG_LEVEL", ("debug", "info", "warning", "error", "critical"), "info"
            ),
            log_json=reading.switch("LOG_JSON"),
            database_uri=environ.get("DATABASE_URI") or None,
        )
        if reading.problems:
            raise ConfigError(reading.problems)
        return found


class _Reading:
    """Variables turned into values; what cannot be is noted, so that all is told at once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[ProjectProblem] = []

    def _wrong(self, name: str, allowed: str) -> None:
        message = f"must be {allowed}, not {self.environ[name]!r}"
        self.problems.append(ProjectProblem(Path("environment"), name, message))

    def number(self, name: str, default: float, *, whole: bool = False) -> float:
        """A number ≥ 0; a whole one ≥ 1."""
        given = self.environ.get(name, "")
        if not given:
            return default
        try:
            value: Any = int(given) if whole else float(given)
        except ValueError:
            value = -1
        if not (1 if whole else 0) <= value < float("inf"):
            self._wrong(name, "a whole number from 1 on" if whole else "a number of seconds")
            return default
        return float(value)

    def one_of(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        """One of ``allowed``, in whatever case."""
        given = self.environ.get(name, "").lower() or default
        if given not in allowed:
            self._wrong(name, f"one of {', '.join(allowed)}")
            return default
        return given

    def switch(self, name: str) -> bool | None:
        """True or false; None where nothing is said."""
        given = self.environ.get(name, "").lower()
        if not given:
            return None
        if given not in ("1", "true", "yes", "0", "false", "no"):
            self._wrong(name, "true or false")
        return given in ("1", "true", "yes")
