"""`RemoteGraph`: a program on a server, used like one that runs here, also as a node.

The calls are thin: `pregel.conversing` says what to send, `client.remote` puts what comes back into the
words of a local program, and a sync and an async loop here do the sending.
"""

from __future__ import annotations

import sys
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from caesura.client import Client, SyncClient, get_client, get_sync_client
from caesura.client.errors import ApiError, RunError
from caesura.client.remote import (
    ADDRESS,
    Item,
    Listening,
    checkpoint_in,
    config_of,
    drawing_of,
    shaped,
    snapshot_of,
    wire_modes,
)
from caesura.client.requests import Request, StreamRequest, assistants, mapped, threads
from caesura.config import find_scope
from caesura.constants import CONF
from caesura.drawing import Graph
from caesura.execution.context import TaskScope
from caesura.pregel.configs import merge_configs
from caesura.pregel.conversing import CALLER, Call, CallingTask, Talk, heard
from caesura.types import UNSET, GraphOutput, StateSnapshot

RemoteException = RunError
"""LangGraph's name of what a failed remote run raises."""

_PAGE: Final = 1000
"""As many states as the server gives at once."""
_OF_THE_HOST: Final = frozenset({*ADDRESS, "run_id", "graph_id", "assistant_id"})


class RemoteGraph:
    """The program ``assistant_id`` (a graph's name or an assistant's id) on the server at ``url``.

    ``client`` and ``sync_client`` are used instead of ``url`` if given. ``config`` is merged into that of
    every call. ``distributed_tracing``: the current OpenTelemetry trace goes on in the remote run.

    Outside a program, the ``thread_id`` of the config is that of the remote thread; without one, each
    call has a thread of its own that is deleted afterwards. In a node, each visit has a thread of its own
    on the server, or the one that ``config`` here names.
    """

    def __init__(
        self,
        assistant_id: str,
        /,
        *,
        url: str | None = None,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        client: Client | None = None,
        sync_client: SyncClient | None = None,
        config: Mapping[str, Any] | None = None,
        name: str | None = None,
        distributed_tracing: bool = False,
    ) -> None:
        key = UNSET if api_key is None else api_key
        if url is not None or (client is None and sync_client is None):
            client = client or get_client(url=url, api_key=key, headers=headers)
            sync_client = sync_client or get_sync_client(url=url, api_key=key, headers=headers)
        self.assistant_id = assistant_id
        self.name = name or assistant_id
        self.config: dict[str, Any] = dict(config or {})
        self.distributed_tracing = distributed_tracing
        self.client, self.sync_client = client, sync_client

    def get_name(self) -> str:
        """The name that a node gets if it is given none."""
        return self.name

    def copy(self, update: Mapping[str, Any] | None = None) -> RemoteGraph:
        """A copy with attributes of ``update`` set; it shares the connections."""
        fresh = self.__class__.__new__(self.__class__)
        fresh.__dict__.update(self.__dict__)
        fresh.__dict__.update(update or {})
        return fresh

    def with_config(self, config: Mapping[str, Any] | None = None, **more: Any) -> RemoteGraph:
        """A copy whose calls have this config merged in."""
        return self.copy({"config": merge_configs(self.config, config, more)})

    # --- running -----------------------------------------------------------------------------

    def invoke(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        version: str = "v1",
        **how: Any,
    ) -> Any:
        """Run to the end or to a pause; returns the output. ``how``: as `stream`.

        Raises `RunError` if the remote program fails, `ApiError` if the server refuses, and for a resume
        that does not fit what `Pregel.invoke` raises.
        """
        call = self._call(input, config, (), False, **how)
        for _ in self._drive(call):
            pass
        return _result(call.listening, version)

    async def ainvoke(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        version: str = "v1",
        **how: Any,
    ) -> Any:
        """Async form of `invoke`."""
        call = self._call(input, config, (), False, **how)
        async with aclosing(self._adrive(call)) as items:
            async for _ in items:
                pass
        return _result(call.listening, version)

    def stream(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        stream_mode: str | Sequence[str] | None = None,
        subgraphs: bool = False,
        version: str = "v1",
        **how: Any,
    ) -> Iterator[Any]:
        """Run, yielding what ``stream_mode`` (None: "updates") shows as it happens; see `Pregel.stream`.

        ``how``: ``context``, ``interrupt_before``, ``interrupt_after``, ``durability``; ``headers`` and
        ``params`` of the request.
        """
        modes = _modes(stream_mode)
        call = self._call(input, config, modes, subgraphs, **how)
        tagged = not isinstance(stream_mode, (str, type(None)))
        for item in self._drive(call):
            if item[1] in modes and (subgraphs or not item[0]):
                yield shaped(item, tagged=tagged, subgraphs=subgraphs, version=version)

    async def astream(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        stream_mode: str | Sequence[str] | None = None,
        subgraphs: bool = False,
        version: str = "v1",
        **how: Any,
    ) -> AsyncIterator[Any]:
        """Async form of `stream`."""
        modes = _modes(stream_mode)
        call = self._call(input, config, modes, subgraphs, **how)
        tagged = not isinstance(stream_mode, (str, type(None)))
        async with aclosing(self._adrive(call)) as items:
            async for item in items:
                if item[1] in modes and (subgraphs or not item[0]):
                    yield shaped(item, tagged=tagged, subgraphs=subgraphs, version=version)

    def _call(
        self,
        input: Any,
        config: Mapping[str, Any] | None,
        modes: Sequence[str],
        subgraphs: bool,
        *,
        headers: Mapping[str, str] | None = None,
        **how: Any,
    ) -> Call:
        merged = merge_configs(self.config, config)
        thread_id, task = self._place(config)
        shown = {*modes, *(task.wants() if task is not None else ())}
        options: dict[str, Any] = {
            **how,
            "config": _sent_config(merged),
            "metadata": {CALLER: task.ns} if task is not None else None,
            "stream_mode": wire_modes(shown),
            "stream_subgraphs": subgraphs or (task is not None and bool(task.wants())),
            "stream_resumable": thread_id is not None,
            "headers": self._headers(headers),
        }
        where = merged.get(CONF) or {}
        if task is None and thread_id is not None and where.get("checkpoint_id"):
            options["checkpoint"] = checkpoint_in(merged)[1]
        return Call(self.assistant_id, input, thread_id, options, task)

    def _place(self, config: Mapping[str, Any] | None) -> tuple[str | None, CallingTask | None]:
        """The remote thread, and the task this call is made in."""
        named = (self.config.get(CONF) or {}).get("thread_id")
        given = ((config or {}).get(CONF) or {}).get("thread_id")
        scope = find_scope()
        if not isinstance(scope, TaskScope):
            thread_id = given or named
            return (str(thread_id) if thread_id else None), None
        local = scope.frame.setting.thread_id
        named = given if given is not None and str(given) != local else named
        ns = scope.graph_ns(scope.next_graph())
        task = CallingTask(scope, ns, own_thread=named is None)
        return str(named or uuid5(NAMESPACE_URL, f"{local}\x1f{ns}\x1f{self.assistant_id}")), task

    def _headers(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        sent = dict(headers or {})
        propagate = sys.modules.get("opentelemetry.propagate")
        if self.distributed_tracing and propagate is not None:
            propagate.inject(sent)
        return sent

    def _drive(self, call: Call) -> Iterator[Item]:
        transport, talk = self._sync.http, Talk(call)
        while (step := talk.step) is not None:
            if isinstance(step, StreamRequest):
                for part in transport.stream(step):
                    if (item := heard(call, part)) is not None:
                        yield item
                talk.go_on(None)
                continue
            try:
                talk.go_on(transport.send(step))
            except ApiError as error:
                talk.refused(error)

    async def _adrive(self, call: Call) -> AsyncGenerator[Item, None]:
        transport, talk = self._async.http, Talk(call)
        while (step := talk.step) is not None:
            if isinstance(step, StreamRequest):
                async with aclosing(transport.stream(step)) as parts:
                    async for part in parts:
                        if (item := heard(call, part)) is not None:
                            yield item
                talk.go_on(None)
                continue
            try:
                talk.go_on(await transport.send(step))
            except ApiError as error:
                talk.refused(error)

    @property
    def _sync(self) -> SyncClient:
        if self.sync_client is None:
            raise ValueError("This RemoteGraph has no sync client: give `url` or `sync_client`.")
        return self.sync_client

    @property
    def _async(self) -> Client:
        if self.client is None:
            raise ValueError("This RemoteGraph has no async client: give `url` or `client`.")
        return self.client

    # --- threads -----------------------------------------------------------------------------

    def get_state(
        self, config: Mapping[str, Any], *, subgraphs: bool = False, **sent: Any
    ) -> StateSnapshot:
        """The remote thread's state: live, or with a ``checkpoint_id`` as it was.

        ``sent``: ``headers`` and ``params`` of the request, here and below.
        """
        return self._sync.http.send(self._state(config, subgraphs, sent))

    async def aget_state(
        self, config: Mapping[str, Any], *, subgraphs: bool = False, **sent: Any
    ) -> StateSnapshot:
        """Async form of `get_state`."""
        return await self._async.http.send(self._state(config, subgraphs, sent))

    def _state(
        self, config: Mapping[str, Any], subgraphs: bool, sent: Mapping[str, Any]
    ) -> Request[StateSnapshot]:
        thread_id, where = checkpoint_in(merge_configs(self.config, config))
        request = threads.get_state(thread_id, where, subgraphs=subgraphs, **sent)
        return mapped(request, lambda state: snapshot_of(state, thread_id))

    def get_state_history(
        self,
        config: Mapping[str, Any],
        *,
        filter: Mapping[str, Any] | None = None,
        before: Mapping[str, Any] | None = None,
        limit: int | None = None,
        **sent: Any,
    ) -> Iterator[StateSnapshot]:
        """The remote thread's checkpoints, newest first; all of them if no ``limit`` is given."""
        left = sys.maxsize if limit is None else limit
        while left > 0:
            page = self._sync.http.send(self._history(config, filter, before, left, sent))
            yield from page
            left = left - len(page) if len(page) == _PAGE else 0
            before = page[-1].config if page else None

    async def aget_state_history(
        self,
        config: Mapping[str, Any],
        *,
        filter: Mapping[str, Any] | None = None,
        before: Mapping[str, Any] | None = None,
        limit: int | None = None,
        **sent: Any,
    ) -> AsyncIterator[StateSnapshot]:
        """Async form of `get_state_history`."""
        left = sys.maxsize if limit is None else limit
        while left > 0:
            page = await self._async.http.send(self._history(config, filter, before, left, sent))
            for snapshot in page:
                yield snapshot
            left = left - len(page) if len(page) == _PAGE else 0
            before = page[-1].config if page else None

    def _history(
        self, config: Any, filter: Any, before: Any, left: int, sent: Mapping[str, Any]
    ) -> Request[list[StateSnapshot]]:
        thread_id, where = checkpoint_in(merge_configs(self.config, config))
        older = {CONF: {"checkpoint_id": before[CONF]["checkpoint_id"]}} if before else None
        request = threads.get_history(
            thread_id, limit=min(left, _PAGE), metadata=filter, before=older,
            checkpoint=where if len(where) > 1 else None, **sent,
        )  # fmt: skip
        return mapped(request, lambda found: [snapshot_of(state, thread_id) for state in found])

    def update_state(
        self, config: Mapping[str, Any], values: Any, as_node: str | None = None, **sent: Any
    ) -> dict[str, Any]:
        """Write ``values`` as if ``as_node`` had returned them; returns the new checkpoint's config."""
        return self._sync.http.send(self._update(config, values, as_node, sent))

    async def aupdate_state(
        self, config: Mapping[str, Any], values: Any, as_node: str | None = None, **sent: Any
    ) -> dict[str, Any]:
        """Async form of `update_state`."""
        return await self._async.http.send(self._update(config, values, as_node, sent))

    def _update(
        self, config: Any, values: Any, as_node: str | None, sent: Mapping[str, Any]
    ) -> Request[dict[str, Any]]:
        thread_id, where = checkpoint_in(merge_configs(self.config, config))
        at = where if len(where) > 1 else None
        request = threads.update_state(thread_id, values, as_node=as_node, checkpoint=at, **sent)
        return mapped(request, lambda made: config_of(made["checkpoint"], thread_id))

    # --- drawing -----------------------------------------------------------------------------

    def get_graph(self, config: Any = None, *, xray: int | bool = False, **sent: Any) -> Graph:
        """The remote program as a drawable graph."""
        return self._sync.http.send(self._graph(xray, sent))

    async def aget_graph(
        self, config: Any = None, *, xray: int | bool = False, **sent: Any
    ) -> Graph:
        """Async form of `get_graph`."""
        return await self._async.http.send(self._graph(xray, sent))

    def _graph(self, xray: int | bool, sent: Mapping[str, Any]) -> Request[Graph]:
        request = assistants.get_graph(self.assistant_id, xray=xray, **sent)
        return mapped(request, lambda shown: drawing_of(shown, self))


def _result(heard: Listening, version: str) -> Any:
    if version == "v2":
        return GraphOutput(heard.values, tuple(heard.open.values()))
    return heard.output()


def _modes(stream_mode: str | Sequence[str] | None) -> tuple[str, ...]:
    if stream_mode is None:
        return ("updates",)
    return (stream_mode,) if isinstance(stream_mode, str) else tuple(stream_mode)


def _sent_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a local config is for the remote program: not where it runs here, nor who runs it."""
    kept = {k: config[k] for k in ("tags", "recursion_limit") if config.get(k)}
    parts = {name: _own(config.get(name) or {}) for name in (CONF, "metadata")}
    return {**kept, **{name: part for name, part in parts.items() if part}}


def _own(part: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in part.items()
        if name not in _OF_THE_HOST
        and not name.startswith(("__", "langgraph_"))
        and isinstance(value, (str, int, float, bool, list, dict))
    }
