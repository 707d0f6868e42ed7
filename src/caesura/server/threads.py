"""Threads and their states, for routes, pages and workers: read, written, searched.

A thread's record says who it belongs to and how it stands; what it holds is in its checkpoints alone, so
that there is one truth. Values are read through the graph that the thread's metadata names.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from caesura.checkpoint.operations import FindInterrupts, InterruptRow
from caesura.constants import CONF
from caesura.execution.clock import clock
from caesura.records.operations import FindRuns, FindThreads, GetThread, NoteState, RemoveThread
from caesura.records.shapes import Thread, ThreadStatus, Ttl
from caesura.server.encoding import encode
from caesura.server.http.problems import Problem
from caesura.server.project.errors import BrokenFileError, UnknownGraphError
from caesura.server.running.streams import Result
from caesura.server.views import Json, state_view, thread_view
from caesura.types import Command, Send, StateSnapshot, StateUpdate

if TYPE_CHECKING:
    from caesura.server.services import Server

_IN_FLIGHT: Final = ("pending", "running")
_NO_GRAPH: Final = (
    "Thread '{}' has no assigned graph ID. This usually occurs when no runs have been made on this "
    "particular thread. This operation requires a graph ID. Please ensure a run has been made for the "
    "thread or manually update the thread metadata (by setting the 'graph_id' field) before running "
    "this operation."
)


class ThreadService:
    """What can be done with threads."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def find(self, thread_id: str, filters: Mapping[str, Any]) -> Thread:
        """The thread. Raises 404 if there is none, or it may not be seen."""
        thread: Thread | None = await self._server.do(GetThread(thread_id, filters))
        if thread is None:
            raise Problem(404, f"Thread with ID {thread_id} not found", code="not_found")
        return thread

    async def view(self, thread: Thread, *, values: bool = True, interrupts: bool = True) -> Json:
        """The thread as clients see it, with its values and what it waits for."""
        found: Any = None
        rows: Sequence[InterruptRow] = ()
        if values and thread.touched:
            state = await self.snapshot(thread.thread_id, graph_of(thread))
            found = None if state is None else state.values
        if interrupts and thread.touched:
            rows = await self._server.do(FindInterrupts(thread.thread_id))
        return thread_view(thread, found, rows)

    @property
    def default_ttl(self) -> Ttl | None:
        """When new threads expire, if the project says so."""
        given = self._server.settings.checkpointer.ttl
        if given is None or given.default_ttl is None:
            return None
        return Ttl(given.default_ttl, given.strategy)

    async def remove(
        self, thread_id: str, filters: Mapping[str, Any], *, expired_at: str | None = None
    ) -> bool:
        """Delete a thread with all it holds, stopping its runs; False if there is none, or it has not
        expired at that time."""
        runs = await self._server.do(FindRuns(thread_id, _IN_FLIGHT, limit=None))
        if await self._server.do(RemoveThread(thread_id, filters, expired_at)) is None:
            return False
        self._server.dispatcher.stop(runs)
        for run in runs:
            told = {"error": "ThreadDeleted", "message": f"Thread {thread_id} was deleted"}
            body = encode({"__error__": told})
            self._server.streams.close(run.run_id, Result("interrupted", body, told))
        self._server.streams.changed_interrupts.set()
        return True

    # --- states --------------------------------------------------------------------------------

    async def graph(self, graph_id: str | None) -> Any:
        """The graph of a thread, or None if there is none (any more)."""
        if graph_id is None:
            return None
        try:
            return await self._server.graphs.static(graph_id)
        except (UnknownGraphError, BrokenFileError):
            return None

    async def snapshot(self, thread_id: str, graph_id: str | None) -> StateSnapshot | None:
        """The newest state of a thread, or None if it has none that can be read."""
        graph = await self.graph(graph_id)
        if graph is None:
            return None
        state: StateSnapshot = await graph.aget_state(self._config(thread_id))
        return None if state.metadata is None else state

    async def state(
        self, thread: Thread, where: Mapping[str, Any], *, subgraphs: bool = False
    ) -> Json:
        """The state at a checkpoint (or the newest), as clients see it."""
        graph = await self.graph(graph_of(thread))
        if graph is None:
            return state_view(StateSnapshot({}, (), {}, None, None, None, (), ()))
        config = self._config(thread.thread_id, where)
        return state_view(await graph.aget_state(config, subgraphs=subgraphs))

    @staticmethod
    def check_namespace(graph: Any, where: Mapping[str, Any]) -> None:
        """Raise 404 for a namespace that no nested graph has."""
        ns = where.get("checkpoint_ns") or ""
        names = "|".join(part.split(":")[0] for part in ns.split("|") if not part.isdigit())
        if names and not any(
            name == names for name, _ in graph.get_subgraphs(namespace=names, recurse=True)
        ):
            raise Problem(404, f"There is no nested graph {names!r}. Nothing was changed.")

    async def history(
        self,
        thread: Thread,
        where: Mapping[str, Any],
        *,
        limit: int,
        before: str | None,
        metadata: Mapping[str, Any] | None,
    ) -> AsyncIterator[Json]:
        """States of the past, newest first."""
        graph = await self.graph(graph_of(thread))
        if graph is None:
            return
        self.check_namespace(graph, where)
        older = None if before is None else {CONF: {"checkpoint_id": before}}
        found = graph.aget_state_history(
            self._config(thread.thread_id, where), filter=metadata, before=older, limit=limit
        )
        async for state in found:
            yield state_view(state)

    async def write(
        self,
        thread: Thread,
        where: Mapping[str, Any],
        supersteps: Sequence[Sequence[StateUpdate]],
        by: str | None,
    ) -> Json:
        """Write states by hand → the address of the new checkpoint.

        Raises 400 without a graph or for an unknown node, 409 while runs are in flight. Open interrupts
        are withdrawn.
        """
        graph = await self._writable(thread)
        self.check_namespace(graph, where)
        config = self._config(thread.thread_id, where)
        config["metadata"] = {"graph_id": graph_of(thread), **({"user_id": by} if by else {})}
        made = await graph.abulk_update_state(config, supersteps)
        state = await graph.aget_state(self._config(thread.thread_id))
        status: ThreadStatus = "interrupted" if state.next else "idle"
        await self._server.do(NoteState(thread.thread_id, clock().now(), status))
        self._server.streams.changed_interrupts.set()
        address: Json = dict(made[CONF])
        return address

    async def _writable(self, thread: Thread) -> Any:
        if graph_of(thread) is None:
            raise Problem(400, _NO_GRAPH.format(thread.thread_id), code="no_graph")
        graph = await self.graph(graph_of(thread))
        if graph is None:
            raise Problem(400, f"Graph {graph_of(thread)!r} is not served here", code="no_graph")
        if await self._server.do(FindRuns(thread.thread_id, _IN_FLIGHT, limit=1)):
            raise Problem(
                409,
                f"Thread {thread.thread_id} has in-flight runs. Nothing was changed. Wait for them, "
                "or cancel them, before updating its state.",
                code="thread_busy",
            )
        return graph

    def _config(self, thread_id: str, where: Mapping[str, Any] | None = None) -> dict[str, Any]:
        address = {k: v for k, v in (where or {}).items() if k in _ADDRESS and v}
        saver = {"__pregel_checkpointer": self._server.database}
        return {CONF: {**address, "thread_id": thread_id, **saver}}

    # --- searching -----------------------------------------------------------------------------

    async def with_values(self, find: FindThreads, values: Mapping[str, Any]) -> AsyncIterator[Any]:
        """The threads that ``find`` names and that hold these values: (thread, its values)."""
        offset = 0
        while True:
            page = await self._server.do(_at(find, offset))
            for thread in page.rows:
                state = await self.snapshot(thread.thread_id, graph_of(thread))
                await asyncio.sleep(
                    0
                )  # reading many values must not keep the others from their turn
                held = None if state is None else state.values
                if isinstance(held, dict) and all(
                    k in held and held[k] == v for k, v in values.items()
                ):
                    yield thread
            offset += len(page.rows)
            if not page.more:
                return


_ADDRESS: Final = frozenset({"checkpoint_id", "checkpoint_ns", "checkpoint_map"})


def _at(find: FindThreads, offset: int) -> FindThreads:
    from dataclasses import replace

    return replace(find, limit=200, offset=offset)


def graph_of(thread: Thread) -> str | None:
    """The graph that a thread's runs were of."""
    graph_id = thread.metadata.get("graph_id")
    return graph_id if isinstance(graph_id, str) else None


def update_of(values: Any, command: Mapping[str, Any] | None, as_node: str | None) -> StateUpdate:
    """A state update as handed in."""
    if command:
        goto = command.get("goto") or []
        targets = goto if isinstance(goto, list) else [goto]
        values = Command(
            update=command.get("update"),
            goto=[Send(t["node"], t.get("input")) if isinstance(t, dict) else t for t in targets],
        )
    return StateUpdate(values, as_node)


def extract(view: Mapping[str, Any], paths: Mapping[str, str]) -> Json:
    """``{alias: what stands at the path}``; a path is dotted keys with ``[n]`` for places in lists."""
    return {alias: _at_path(view, path) for alias, path in paths.items()}


def _at_path(value: Any, path: str) -> Any:
    for part in path.replace("[", ".[").split("."):
        if not part:
            continue
        try:
            value = value[int(part[1:-1])] if part.startswith("[") else value[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return value
