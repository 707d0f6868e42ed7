"""What can be wrong with a project, each in one message that says where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from caesura.errors import CaesuraError


@dataclass(frozen=True, slots=True)
class ProjectProblem:
    """One thing that is wrong with a project.

    ``where``: the key path in a config file (``limits.body_bytes``), or "line 3"; empty for the file
    as a whole. A "warning" changes nothing; an "error" keeps what it is about from being served.
    """

    file: Path
    where: str
    message: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.file), self.where, self.message) if part)


class ConfigError(CaesuraError):
    """A config file cannot be used. Nothing was started; ``problems`` lists all that is wrong."""

    code = "invalid_config"

    def __init__(self, problems: Sequence[ProjectProblem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class BrokenFileError(CaesuraError):
    """A file of the project, or what was named in it, cannot be used. Other graphs are not affected.

    ``line`` counts from 1; None where the file as a whole is meant. ``reason`` is one line.
    """

    code = "broken_file"

    def __init__(self, file: Path | str, line: int | None, reason: str) -> None:
        self.file, self.line, self.reason = Path(file), line, reason
        place = f"{file}, line {line}" if line is not None else str(file)
        super().__init__(f"{place}: {reason}")


class UnknownGraphError(CaesuraError):
    """No graph of this id is served."""

    code = "unknown_graph"

    def __init__(self, graph_id: str, ids: Sequence[str]) -> None:
        self.graph_id, self.ids = graph_id, tuple(ids)
        known = ", ".join(ids) if ids else "none"
        super().__init__(f"There is no graph {graph_id!r}. The graphs are: {known}.")
