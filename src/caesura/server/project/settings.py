"""A config file → `Settings`.

A file is read in four steps: JSON; the short forms written out (``"agent": "./a.py:graph"``); keys that
nobody knows taken out and noted, for a file may be newer or older than this program; and the rest
checked against the JSON Schema of `sections.Config`. All that is wrong is told at once.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from caesura.errors import InvalidAnswerError
from caesura.schemas.converting import parse_answer
from caesura.server.project.errors import ConfigError, ProjectProblem
from caesura.server.project.sections import IGNORED, Config


@dataclass(frozen=True, kw_only=True)
class Settings(Config):
    """What a config file says, and where it stands.

    ``directory``: what its relative paths are relative to. ``warnings``: what was not understood.
    """

    directory: Path
    file: Path | None = None
    warnings: tuple[ProjectProblem, ...] = ()

    @cached_property
    def env_file(self) -> Path | None:
        """The file that ``env`` names, whether it exists or not."""
        return self.directory / self.env if isinstance(self.env, str) else None

    @cached_property
    def source_directories(self) -> tuple[Path, ...]:
        """Local directories of ``dependencies``: what the project's files may import from."""
        paths = (self.directory / name for name in self.dependencies if is_local(name))
        return tuple(dict.fromkeys(path.resolve() for path in paths))

    @cached_property
    def requirements(self) -> tuple[str, ...]:
        """The other ``dependencies``: what pip installs."""
        return tuple(name for name in self.dependencies if not is_local(name))


def is_local(dependency: str) -> bool:
    """True for a path, false for what pip would fetch."""
    return dependency.startswith((".", "/"))


def read_settings(file: Path) -> Settings:
    """The settings in a config file. Raises `ConfigError` with all that is wrong."""
    return settings_of(_read_json(file), file)


def settings_of(data: Any, file: Path) -> Settings:
    """The settings in ``data``, as `read_settings` found them in ``file``. Raises `ConfigError`."""
    if not isinstance(data, dict):
        raise ConfigError([ProjectProblem(file, "", "must be a JSON object, as in {…}")])
    problems = [ProjectProblem(file, where, text) for where, text in _refusals(data)]
    known, unknown = _known(Config, _written_out(data), "")
    warnings = tuple(
        ProjectProblem(file, where, "is not a known key; it has no effect", "warning")
        for where in unknown
    )
    try:
        config = parse_answer(Config, known)
    except InvalidAnswerError as error:
        wrong = [ProjectProblem(file, _dotted(e["pointer"]), e["message"]) for e in error.errors]
        raise ConfigError([*problems, *wrong]) from None
    if problems:
        raise ConfigError(problems)
    values = {f.name: getattr(config, f.name) for f in dataclasses.fields(Config)}
    return Settings(
        **values, directory=file.parent.resolve(), file=file.resolve(), warnings=warnings
    )


# --- JSON ------------------------------------------------------------------------------------


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text("utf-8-sig"), object_pairs_hook=_object)
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        message = f"is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}"
    except json.JSONDecodeError as error:
        raise ConfigError(
            [ProjectProblem(file, f"line {error.lineno}", f"is not JSON: {error.msg}")]
        ) from None
    except (_RepeatedKey, RecursionError) as error:
        message = str(error)
    raise ConfigError([ProjectProblem(file, "", message)])


class _RepeatedKey(Exception):
    """A JSON object has a key twice; one of the two would be lost without a word."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _RepeatedKey(f"has the key {key!r} twice in one object; keep one of them")
        found[key] = value
    return found


# --- forms -----------------------------------------------------------------------------------


def _refusals(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(key path, message) of what the schema cannot say well."""
    found = []
    if data.get("engine") == "langgraph":
        text = (
            "must be 'caesura', or left out: this server runs Caesura's engine and makes "
            "`import langgraph` mean it. To run the langgraph package's own, use `langgraph dev`"
        )
        found.append(("engine", text))
    graphs = data.get("graphs")
    for name, entry in graphs.items() if isinstance(graphs, dict) else ():
        spec = entry.get("path") if isinstance(entry, dict) else entry
        if isinstance(spec, str) and _split(spec) is None:
            text = f"must be 'path/to/file.py:variable' or 'package.module:variable', not {spec!r}"
            found.append((f"graphs.{name}", text))
    return found


def _written_out(data: dict[str, Any]) -> dict[str, Any]:
    """``data`` with every graph in its long form."""
    full = {key: value for key, value in data.items() if key not in IGNORED}
    if full.get("engine") == "langgraph":
        del full["engine"]
    if isinstance(full.get("graphs"), dict):
        full["graphs"] = {name: _graph(entry) for name, entry in full["graphs"].items()}
    return full


def _graph(entry: Any) -> Any:
    if isinstance(entry, str):
        entry = {"path": entry}
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        return {"variable": "", **entry} if isinstance(entry, dict) else entry
    path, variable = _split(entry["path"]) or (entry["path"], "")
    return {**entry, "path": path, "variable": variable}


def _split(spec: str) -> tuple[str, str] | None:
    path, colon, variable = spec.rpartition(":")
    return (path, variable) if path and colon and variable.isidentifier() else None


def _known(tp: Any, value: Any, where: str) -> tuple[Any, list[str]]:
    """``value`` without keys that ``tp`` does not have and without nulls; the paths of the former."""
    if not isinstance(value, dict):
        return value, []
    inner = _section(tp)
    if inner is None:
        return value, []
    hints = get_type_hints(inner, include_extras=True) if isinstance(inner, type) else None
    kept, unknown = {}, []
    for key, item in value.items():
        path = f"{where}.{key}" if where else str(key)
        if hints is not None and key not in hints:
            unknown.append(path)
        elif item is not None:
            kept[key], more = _known(hints[key] if hints else get_args(inner)[1], item, path)
            unknown += more
    return kept, unknown


def _section(tp: Any) -> Any:
    """The class of a section within ``tp``, or a mapping of sections by name; None if neither."""
    arms = get_args(tp) if get_origin(tp) in (Union, types.UnionType) else (tp,)
    for arm in arms:
        if dataclasses.is_dataclass(arm):
            return arm
        args = get_args(arm)
        if len(args) == 2 and dataclasses.is_dataclass(args[1]):
            return arm
    return None


def _dotted(pointer: str) -> str:
    """A JSON pointer as people write a path: ``limits.body_bytes``."""
    steps = pointer.split("/")[1:]
    return ".".join(step.replace("~1", "/").replace("~0", "~") for step in steps)
