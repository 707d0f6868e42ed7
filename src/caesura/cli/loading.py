"""From ``FILE[:name]`` to a program that can run."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from caesura.cli.outcomes import usage
from caesura.loading import import_file, project_of


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a program stands: a Python file, and its name in there (None: the only one)."""

    path: Path
    name: str | None = None
    as_langgraph: bool = False
    """Its ``import langgraph`` is to mean Caesura, also where LangGraph is installed."""

    @classmethod
    def parse(cls, text: str, *, as_langgraph: bool = False) -> Reference:
        """Read ``FILE`` or ``FILE:name``. Raises `Stop` if there is no such file."""
        file, separator, name = text.rpartition(":")
        if not separator or not name.isidentifier():
            file, name = text, ""
        path = Path(file)
        if not path.is_file():
            raise usage(f"There is no file {file!r}.")
        if path.suffix != ".py":
            raise usage(f"{path.name} is no Python file.")
        return cls(path.resolve(), name or None, as_langgraph)

    def __str__(self) -> str:
        return f"{self.path}:{self.name}" if self.name else str(self.path)

    @property
    def thread_id(self) -> str:
        """The thread that the same command finds again: from the file's name and the program's."""
        return f"{self.path.stem}-{self.name}" if self.name else self.path.stem


def load(reference: Reference) -> Any:
    """The compiled graph or entrypoint that ``reference`` names.

    A `StateGraph` is compiled. Raises `Stop` if there is none, or several and no name; whatever the
    file itself raises passes through.
    """
    with _langgraph_alias(reference.as_langgraph):
        module = import_file(reference.path, project_of(reference.path))
    found = programs_in(module)
    if reference.name is not None:
        if reference.name not in found:
            raise usage(f"{reference.path.name} has no program {reference.name!r}. {_list(found)}")
        return _runnable(found[reference.name])
    if not found:
        raise usage(
            f"{reference.path.name} has no program: no compiled graph, StateGraph or entrypoint "
            f"at the top level of the module. {_hint(module)}".rstrip()
        )
    if len(found) > 1:
        first = next(iter(found))
        raise usage(
            f"{reference.path.name} has {len(found)} programs; name one, as in "
            f"{reference.path.name}:{first}. {_list(found)}"
        )
    return _runnable(next(iter(found.values())))


def load_all(reference: Reference) -> list[Any]:
    """As `load`; every program of the file where ``reference`` names none."""
    if reference.name is not None:
        return [load(reference)]
    with _langgraph_alias(reference.as_langgraph):
        found = programs_in(import_file(reference.path, project_of(reference.path)))
    return [_runnable(program) for program in found.values()] if found else [load(reference)]


def _list(found: dict[str, Any]) -> str:
    return f"It has: {', '.join(found)}." if found else "It has none."


def _runnable(program: Any) -> Any:
    return program if _is_compiled(program) else program.compile()


@contextmanager
def _langgraph_alias(asked: bool) -> Iterator[None]:
    """Let ``import langgraph`` mean Caesura: if asked to, and where LangGraph is not installed.

    LangGraph's lenient outcomes are for programs that import it; the others stay strict.
    """
    if not asked and importlib.util.find_spec("langgraph") is not None:
        yield
        return
    from caesura.compat import langgraph

    langgraph.install(lenient=False)
    yield
    if "langgraph" in sys.modules:
        langgraph.install()


def _hint(module: ModuleType) -> str:
    foreign = any(
        type(value).__module__.startswith("langgraph.") for value in vars(module).values()
    )
    return "It has graphs of the langgraph package: --langgraph runs them here." if foreign else ""


def programs_in(module: ModuleType) -> dict[str, Any]:
    """Name → program, for each one at the top level; a builder counts unless it was compiled."""
    values = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    compiled = {name: value for name, value in values.items() if _is_compiled(value)}
    built = {id(getattr(value, "builder", None)) for value in compiled.values()}
    found: dict[str, Any] = {}
    seen: set[int] = set()
    for name, value in values.items():
        is_program = name in compiled or (_is_builder(value) and id(value) not in built)
        if is_program and id(value) not in seen:
            seen.add(id(value))
            found[name] = value
    return found


def _is_compiled(value: Any) -> bool:
    from caesura.pregel import Pregel

    return isinstance(value, Pregel)


def _is_builder(value: Any) -> bool:
    from caesura.graph import StateGraph

    return isinstance(value, StateGraph)
