"""The graphs of a project, ready to run.

Each is loaded once; a broken one is noted with its reason and does not keep the others from being
served. A graph that is there as an object gets the server's saver and store when it is loaded, so
opening it is free; one that a factory makes is made anew each time it is opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caesura.graph import StateGraph
from caesura.loading import make_importable
from caesura.pregel import Pregel
from caesura.server.logs import log
from caesura.server.project.aliases import install_aliases
from caesura.server.project.environment import apply_project_variables
from caesura.server.project.errors import BrokenFileError, UnknownGraphError
from caesura.server.project.factories import Factory, FactoryError
from caesura.server.project.leniency import written_for_langgraph
from caesura.server.project.loading import (
    attribute_of,
    load_module,
    told_as_broken,
)
from caesura.server.project.runtime import AccessContext, ServerRuntime
from caesura.server.project.sections import GraphSpec
from caesura.server.project.settings import Settings


def prepare(settings: Settings) -> None:
    """Set the process up for the project's files: variables, search path, what ``langgraph`` means."""
    apply_project_variables(settings)
    for folder in settings.source_directories:
        make_importable(folder, *filter(Path.is_dir, (folder / "src",)))
    install_aliases()


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A graph that can be served: ``source`` is the graph, or the factory that makes it."""

    source: Pregel | Factory
    file: Path
    description: str | None
    lenient: bool


class Graphs:
    """Id → graph. See `Graphs.load`."""

    def __init__(
        self,
        loaded: Mapping[str, _Loaded],
        broken: Mapping[str, BrokenFileError],
        *,
        base: Path,
        checkpointer: Any = None,
        store: Any = None,
    ) -> None:
        self._base, self._checkpointer, self._store = base, checkpointer, store
        self._loaded = dict(loaded)
        self.broken = dict(broken)
        """Id → why it is not served."""
        self._told: set[str] = set()
        self._static: dict[str, Pregel] = {}
        self._making: dict[str, asyncio.Lock] = {}
        for graph_id, graph in self._loaded.items():
            if isinstance(graph.source, Pregel):
                self._static[graph_id] = self._equipped(graph_id, graph.source)

    @classmethod
    def load(cls, settings: Settings, *, checkpointer: Any = None, store: Any = None) -> Graphs:
        """Load every graph that ``settings`` names; those that cannot be are in ``broken``.

        ``checkpointer``, ``store``: the server's, set on every graph that is opened.
        """
        prepare(settings)
        loaded: dict[str, _Loaded] = {}
        broken: dict[str, BrokenFileError] = {}
        for graph_id, spec in settings.graphs.items():
            try:
                loaded[graph_id] = _load(spec, settings)
            except BrokenFileError as error:
                broken[graph_id] = error
        return cls(loaded, broken, base=settings.directory, checkpointer=checkpointer, store=store)

    @property
    def ids(self) -> tuple[str, ...]:
        """The graphs that are served, in the order of the config file."""
        return tuple(self._loaded)

    def description(self, graph_id: str) -> str | None:
        """What the config file says about it. Raises as `open` does."""
        return self._find(graph_id).description

    def lenient(self, graph_id: str) -> bool:
        """Whether it was written for LangGraph, whose lenient outcomes its runs then get."""
        return self._find(graph_id).lenient

    def _find(self, graph_id: str) -> _Loaded:
        found = self._loaded.get(graph_id)
        if found is not None:
            return found
        raise self.broken.get(graph_id) or UnknownGraphError(graph_id, self.ids)

    @asynccontextmanager
    async def open(
        self,
        graph_id: str,
        config: Mapping[str, Any],
        *,
        purpose: AccessContext,
        user: Any = None,
        context: Any = None,
    ) -> AsyncIterator[Pregel]:
        """The graph, with the server's saver and store, while the block runs.

        ``config``, ``user`` and ``context`` are the run's; a factory may make its graph by them.
        Raises `UnknownGraphError`; `BrokenFileError` if the graph is broken or its factory makes none;
        and whatever the factory raises.
        """
        loaded = self._find(graph_id)
        if isinstance(loaded.source, Pregel):
            yield self._static[graph_id]
            return
        runtime: ServerRuntime[Any] = ServerRuntime(
            access_context=purpose, user=user, store=self._store, context=context
        )
        async with loaded.source.opened(config, runtime) as made:
            yield self._equipped(graph_id, _graph_of(made, loaded.file, "The factory made"))

    async def static(self, graph_id: str) -> Pregel:
        """The graph as it looks, to be shown and described, not to be run.

        A factory is called once for this, with an empty config; what it raises becomes a
        `BrokenFileError`. Raises as `open` does.
        """
        loaded = self._find(graph_id)
        async with self._making.setdefault(graph_id, asyncio.Lock()):
            if graph_id not in self._static:
                with told_as_broken(self._base, loaded.file):
                    async with self.open(graph_id, {}, purpose="assistants.read") as graph:
                        self._static[graph_id] = graph
        return self._static[graph_id]

    def _equipped(self, graph_id: str, graph: Pregel) -> Pregel:
        ours = {"checkpointer": self._checkpointer, "store": self._store}
        changed = {name: value for name, value in ours.items() if value is not None}
        if "checkpointer" in changed and graph.own_saver is not None and graph_id not in self._told:
            self._told.add(graph_id)
            log.info(
                "the graph's own checkpointer is not used: the server keeps its threads",
                graph_id=graph_id,
                checkpointer=type(graph.own_saver).__name__,
            )
        copy: Pregel = graph.copy(changed)
        return copy


# --- loading one -----------------------------------------------------------------------------


def _load(spec: GraphSpec, settings: Settings) -> _Loaded:
    """One graph. Raises `BrokenFileError`."""
    base = settings.directory
    module, variable = load_module(spec.spec, base)
    found = attribute_of(module, variable)
    file = Path(module.__file__ or spec.path)
    with told_as_broken(base, file):
        source = _source_of(found, file, variable)
    lenient = written_for_langgraph(module, base, *settings.source_directories)
    return _Loaded(source, file, spec.description, lenient)


def _source_of(found: Any, file: Path, variable: str) -> Pregel | Factory:
    if isinstance(found, (Pregel, StateGraph)) or not callable(found) or isinstance(found, type):
        return _graph_of(found, file, f"{variable!r} is")
    if _is_foreign(found):
        return _graph_of(found, file, f"{variable!r} is")
    try:
        return Factory(found)
    except (FactoryError, ValueError) as error:  # Some callables have no signature.
        raise BrokenFileError(file, _line_of(found), f"{variable!r} {error}") from None


def _graph_of(found: Any, file: Path, what: str) -> Pregel:
    """A compiled graph as it is, a builder compiled. Raises `BrokenFileError` for all else."""
    if isinstance(found, Pregel):
        return found
    if isinstance(found, StateGraph):
        compiled: Pregel = found.compile()
        return compiled
    if _is_foreign(found):
        raise BrokenFileError(
            file,
            None,
            f"{what} a graph of the langgraph package, which was imported before this server could "
            "give its name to Caesura. Import it in the project's files only",
        )
    kind = found.__name__ if isinstance(found, type) else type(found).__name__
    raise BrokenFileError(
        file,
        None,
        f"{what} {'the class' if isinstance(found, type) else 'of type'} {kind}; a graph is a "
        "compiled graph, a StateGraph, an entrypoint, or a function that makes one of these",
    )


def _is_foreign(found: Any) -> bool:
    return any(kind.__module__.partition(".")[0] == "langgraph" for kind in type(found).__mro__)


def _line_of(found: Any) -> int | None:
    code = getattr(found, "__code__", None)
    line: int | None = getattr(code, "co_firstlineno", None)
    return line
