"""The methods of a compiled program that read and edit its threads: states, histories, updates.

What they do is decided in `core.inspect` and `core.update`; here a config is made into an address, and the
async twins differ in who waits.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from caesura.checkpoint.operations import History, Load, Loaded
from caesura.config import scope_set
from caesura.constants import CONF
from caesura.core.inspect import snapshot_at, snapshot_of
from caesura.core.turn import Request
from caesura.core.update import update_thread
from caesura.execution.clock import clock
from caesura.execution.effects import aexecute, aperform, decide_branch, perform
from caesura.execution.plain import store_of
from caesura.pregel.configs import merge_configs, stored_metadata, thread_of
from caesura.pregel.opening import own_versions
from caesura.types import StateSnapshot, StateUpdate


class ThreadMethods:
    """Part of `Pregel`."""

    config: Any
    checkpointer: Any

    def opened(self, saver: Any) -> Any:
        """See `Pregel.opened`."""
        raise NotImplementedError

    def get_subgraphs(
        self, *, namespace: str | None = None, recurse: bool = False
    ) -> Iterator[tuple[str, Any]]:
        """See `Pregel.get_subgraphs`."""
        raise NotImplementedError

    def get_state(self, config: Mapping[str, Any], *, subgraphs: bool = False) -> StateSnapshot:
        """The thread's state: live, or with a ``checkpoint_id`` as it was. Raises ValueError without a saver."""
        saver, steps = self._reading(config, subgraphs)
        return cast(StateSnapshot, perform(steps, saver))

    async def aget_state(
        self, config: Mapping[str, Any], *, subgraphs: bool = False
    ) -> StateSnapshot:
        """Async form of `get_state`."""
        saver, steps = self._reading(config, subgraphs)
        return cast(StateSnapshot, await aperform(steps, saver))

    def _reading(self, config: Mapping[str, Any], subgraphs: bool) -> tuple[Any, Any]:
        graph, merged, saver = self._address(config, reading=True)
        where = merged.get(CONF) or {}
        load = Load(thread_of(where), where.get("checkpoint_ns", ""), where.get("checkpoint_id"))
        shown = {**merged, CONF: dict(where)}
        return saver, snapshot_at(graph.program, shown, load, subgraphs=subgraphs)

    def _address(
        self, config: Mapping[str, Any], *, reading: bool = False
    ) -> tuple[Any, dict[str, Any], Any]:
        """The graph that ``config`` names (a nested one by its namespace), the config, the saver."""
        merged = merge_configs(self.config, config)
        where = dict(merged.get(CONF) or {})
        saver = where.get("__pregel_checkpointer", self.checkpointer)
        if not saver or saver is True:
            raise ValueError("No checkpointer set")
        thread_of(where)
        ns = where.get("checkpoint_ns", "")
        graph: Any = self
        if ns:
            names = "|".join(part.split(":")[0] for part in ns.split("|") if not part.isdigit())
            found = dict(self.get_subgraphs(namespace=names, recurse=True))
            if names not in found and not reading:
                raise ValueError(f"Subgraph {names} not found")
            graph = found.get(names, self)
        return graph, merged, store_of(self.opened(saver))

    def get_state_history(
        self,
        config: Mapping[str, Any],
        *,
        filter: Mapping[str, Any] | None = None,
        before: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> Iterator[StateSnapshot]:
        """The thread's checkpoints, newest first, each as it was."""
        graph, op, saver = self._history(config, filter, before, limit)
        found = saver.execute(op)
        for loaded in _several(found):
            yield perform(snapshot_of(graph.program, loaded, live=False), saver)

    async def aget_state_history(
        self,
        config: Mapping[str, Any],
        *,
        filter: Mapping[str, Any] | None = None,
        before: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[StateSnapshot]:
        """Async form of `get_state_history`."""
        graph, op, saver = self._history(config, filter, before, limit)
        found = await aexecute(saver, op)
        for loaded in _several(found):
            yield await aperform(snapshot_of(graph.program, loaded, live=False), saver)

    def _history(self, config: Any, filter: Any, before: Any, limit: int | None) -> Any:
        graph, merged, saver = self._address(config)
        where = merged.get(CONF) or {}
        older = ((before or {}).get(CONF) or {}).get("checkpoint_id")
        ns = where.get("checkpoint_ns", "")
        if where.get("checkpoint_id"):
            return graph, Load(thread_of(where), ns, where["checkpoint_id"]), saver
        op = History(thread_of(where), ns, dict(filter or {}), older, limit)
        return graph, op, saver

    def update_state(
        self,
        config: Mapping[str, Any],
        values: Any,
        as_node: str | None = None,
        task_id: str | None = None,
    ) -> dict[str, Any]:
        """Write ``values`` as if ``as_node`` had returned them; returns the new checkpoint's config.

        Open interrupts of the thread are withdrawn. Raises `InvalidUpdateError`.
        """
        return self.bulk_update_state(config, [[StateUpdate(values, as_node, task_id)]])

    async def aupdate_state(
        self,
        config: Mapping[str, Any],
        values: Any,
        as_node: str | None = None,
        task_id: str | None = None,
    ) -> dict[str, Any]:
        """Async form of `update_state`."""
        return await self.abulk_update_state(config, [[StateUpdate(values, as_node, task_id)]])

    def bulk_update_state(
        self, config: Mapping[str, Any], supersteps: Sequence[Sequence[StateUpdate]]
    ) -> dict[str, Any]:
        """Several updates, a checkpoint for each inner list; returns the last one's config."""
        saver, request = self._updating(config)
        steps = update_thread(request, supersteps, decide_branch)
        with scope_set(None):
            id = perform(steps, saver)
        return _updated(request, id)

    async def abulk_update_state(
        self, config: Mapping[str, Any], supersteps: Sequence[Sequence[StateUpdate]]
    ) -> dict[str, Any]:
        """Async form of `bulk_update_state`."""
        saver, request = self._updating(config)
        steps = update_thread(request, supersteps, decide_branch)
        with scope_set(None):
            id = await aperform(steps, saver)
        return _updated(request, id)

    def _updating(self, config: Mapping[str, Any]) -> tuple[Any, Request]:
        graph, merged, saver = self._address(config)
        where = merged.get(CONF) or {}
        time = clock()
        parents = {
            ns: id
            for ns, id in (where.get("checkpoint_map") or {}).items()
            if ns != where.get("checkpoint_ns", "")
        }
        raw = getattr(saver, "saver", saver)
        request = Request(
            program=graph.program,
            input=None,
            thread_id=thread_of(where),
            ns=where.get("checkpoint_ns", ""),
            checkpoint_id=where.get("checkpoint_id"),
            mint=time.mint,
            now=time.now,
            metadata=stored_metadata(merged),
            parents=parents,
            next_version=own_versions(raw),
        )
        return saver, request


def _several(found: Any) -> Iterable[Any]:
    """What a history or a single load found."""
    if found is None:
        return ()
    return (found,) if isinstance(found, Loaded) else found


def _updated(request: Request, id: str) -> dict[str, Any]:
    where: dict[str, Any] = {
        "thread_id": request.thread_id,
        "checkpoint_ns": request.ns,
        "checkpoint_id": id,
    }
    if request.ns:
        where["checkpoint_map"] = {**request.parents, request.ns: id}
    return {CONF: where}
