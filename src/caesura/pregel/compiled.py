"""A compiled program: `Pregel` runs it and streams it; `pregel.threads` reads and edits its threads.

The methods are thin: they build a `Frame` (`pregel.opening`), have a driver run it, and shape the
result. The async twins differ in the driver only.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, cast, overload

from caesura.channels.base import BaseChannel
from caesura.constants import INTERRUPT
from caesura.core.program import Program
from caesura.core.turn import Outcome
from caesura.errors import GraphInterrupt
from caesura.execution.cache import namespaces_of
from caesura.execution.context import Frame
from caesura.pregel.allowing import allowed_types, declared_types
from caesura.pregel.batching import arun_each, configs_of, in_order, limit_of, run_each
from caesura.pregel.building import (
    NodeBuilder,
    Parts,
    PregelNode,
    check_parts,
    parts_of,
    program_of,
)
from caesura.pregel.composing import as_runnable, borrowed, join_runnables
from caesura.pregel.configs import durability_of, merge_configs
from caesura.pregel.opening import Ask, open_frame
from caesura.pregel.shapes import SchemaMethods
from caesura.pregel.threads import ThreadMethods
from caesura.streaming.modes import Stream
from caesura.types import GraphOutput, ensure_valid_checkpointer
from caesura.typing import RunContextT, RunInputT, RunOutputT, RunStateT
from caesura.warnings import LangGraphDeprecatedSinceV10, warn_renamed

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from caesura.cache.base import BaseCache
    from caesura.pregel.arguments import Modes, RunArguments, StreamArguments, Version
    from caesura.store.base import BaseStore
    from caesura.types import (
        All,
        CachePolicy,
        Checkpointer,
        Command,
        RetryPolicy,
        StreamMode,
        StreamPart,
    )


class Pregel(SchemaMethods, ThreadMethods, Generic[RunStateT, RunContextT, RunInputT, RunOutputT]):
    """A compiled program. Immutable; many threads and event loops may use it at once."""

    default_stream_mode: StreamMode = "values"
    parts: Parts | None = None
    """What a program made by hand is made of."""
    stream_eager = False
    cache_policy: Any = None

    def __init__(
        self,
        *,
        nodes: Mapping[str, PregelNode | NodeBuilder],
        channels: Mapping[str, Any] | None,
        input_channels: str | Sequence[str],
        output_channels: str | Sequence[str],
        stream_channels: str | Sequence[str] | None = None,
        auto_validate: bool = True,
        stream_mode: StreamMode = "values",
        interrupt_before_nodes: All | Sequence[str] = (),
        interrupt_after_nodes: All | Sequence[str] = (),
        step_timeout: float | None = None,
        debug: bool | None = None,
        checkpointer: Checkpointer = None,
        store: BaseStore | None = None,
        cache: BaseCache[Any] | None = None,
        retry_policy: RetryPolicy | Sequence[RetryPolicy] = (),
        cache_policy: CachePolicy | None = None,
        context_schema: type[RunContextT] | None = None,
        config: Mapping[str, Any] | None = None,
        name: str = "LangGraph",
        **deprecated: Any,
    ) -> None:
        """A program made by hand. Most are made by `StateGraph` or `entrypoint` instead.

        ``nodes`` run when a channel that they subscribe to changes, until none changes any more.
        ``channels``: name → channel (or managed value). ``input_channels``, ``output_channels``: one
        name, for bare values, or several, for dicts; ``stream_channels``: what streams and states
        show, by default every channel. ``auto_validate``: see `validate`.

        Raises ValueError for parts that do not fit together.
        """
        parts = parts_of(nodes, channels, input_channels, output_channels, stream_channels)
        if "config_type" in deprecated:
            warn_renamed("config_type", "context_schema", LangGraphDeprecatedSinceV10, 2)
            context_schema = context_schema or deprecated.pop("config_type")
        if unknown := deprecated.keys() - {"stream_eager", "trigger_to_nodes"}:
            raise TypeError(f"Pregel got unexpected arguments {sorted(unknown)}")
        if auto_validate:
            check_parts(parts, _named(interrupt_before_nodes, interrupt_after_nodes))
        self._assemble(
            program_of(parts, name, cache_policy),
            checkpointer=checkpointer,
            store=store,
            cache=cache,
            interrupt_before=interrupt_before_nodes,
            interrupt_after=interrupt_after_nodes,
            name=name,
            context_schema=context_schema,
            config=config,
            debug=bool(debug),
            step_timeout=step_timeout,
            retry_policy=retry_policy,
            schemas=[c.ValueType for c in parts.channels.values() if isinstance(c, BaseChannel)],
        )
        self.parts = parts
        self.stream_mode = stream_mode
        self.cache_policy = cache_policy

    def _assemble(
        self,
        program: Program,
        *,
        checkpointer: Any = None,
        store: Any = None,
        cache: Any = None,
        interrupt_before: Any = (),
        interrupt_after: Any = (),
        name: str = "LangGraph",
        context_schema: Any = None,
        config: Mapping[str, Any] | None = None,
        debug: bool = False,
        step_timeout: float | None = None,
        retry_policy: Any = (),
        schemas: Iterable[Any] = (),
        transformers: Iterable[Any] = (),
    ) -> None:
        """``schemas``: what its state is made of; their classes may be built from stored data."""
        self.program = program
        self.checkpointer = ensure_valid_checkpointer(checkpointer)
        self.store = store
        self.cache = cache
        self.interrupt_before_nodes = interrupt_before or ()
        self.interrupt_after_nodes = interrupt_after or ()
        self.name = name
        self.context_schema = context_schema
        self.config: dict[str, Any] = dict(config or {})
        self.debug = debug
        self.stream_mode = self.default_stream_mode
        self.step_timeout = step_timeout
        """Seconds that a step may take; then the run ends with a builtin ``TimeoutError``."""
        self.retry_policy = retry_policy
        """One `RetryPolicy` or several, for the nodes that have none."""
        self.stream_transformers = tuple(transformers)
        self._schemas = tuple(schemas)
        self._twins: dict[int, tuple[Any, Any, int]] = {}
        self._told = (0, 0)
        join_runnables(Pregel)
        self._models: dict[str, Any] = {}

    # --- what it is made of ------------------------------------------------------------------

    @property
    def nodes(self) -> dict[str, Any]:
        """Name → node."""
        return dict(self.program.nodes)

    @property
    def channels(self) -> dict[str, Any]:
        """Name → channel."""
        return dict(self.program.channels)

    @property
    def input_channels(self) -> Any:
        """The channel or channels that input is written to."""
        return _as_list(self.program.input_channels)

    @property
    def output_channels(self) -> Any:
        """The channel or channels that output is read from."""
        return _as_list(self.program.output_channels)

    @property
    def stream_channels(self) -> Any:
        """The channel or channels that streams and states show."""
        return _as_list(self.program.stream_channels)

    stream_channels_asis = stream_channels

    @property
    def stream_channels_list(self) -> list[str]:
        """As `stream_channels`, always a list."""
        keys = self.program.stream_channels
        return [keys] if isinstance(keys, str) else list(keys)

    @property
    def trigger_to_nodes(self) -> dict[str, list[str]]:
        """Channel → the nodes it triggers, in the order they were declared in."""
        found: dict[str, list[str]] = {}
        for name, node in self.program.nodes.items():
            for channel in node.triggers:
                found.setdefault(channel, []).append(name)
        return found

    @property
    def own_saver(self) -> Any:
        """The saver it was compiled with, if it is one."""
        return self.checkpointer if not isinstance(self.checkpointer, bool) else None

    def opened(self, saver: Any) -> Any:
        """``saver``, reading what this program's schemas and the tasks of this process declare."""
        if saver is None or not hasattr(saver, "with_allowlist"):
            return saver
        known = len(declared_types)
        before = self._twins.get(id(saver))
        if before is not None and before[0] is saver and before[2] == known:
            return before[1]
        allowed = allowed_types(self._schemas)
        twin = saver.with_allowlist(allowed) if allowed else saver
        self._twins[id(saver)] = (saver, twin, known)
        return twin

    def opened_cache(self) -> Any:
        """The cache, told what this program's schemas and the tasks of this process declare."""
        told = id(self.cache), len(declared_types)
        if self._told != told and hasattr(self.cache, "allow"):
            self.cache.allow(allowed_types(self._schemas))
            self._told = told
        return self.cache

    def copy(self, update: Mapping[str, Any] | None = None) -> Self:
        """A copy with attributes of ``update`` set."""
        fresh = self.__class__.__new__(self.__class__)
        fresh.__dict__.update(self.__dict__)
        fresh.__dict__.update(update or {})
        return fresh

    def with_config(self, config: Mapping[str, Any] | None = None, **more: Any) -> Self:
        """A copy whose runs have this config merged in."""
        return self.copy({"config": merge_configs(self.config, config, more)})

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """Its name, or ``name``; with a ``suffix`` behind it."""
        known = name or self.name
        return f"{known}_{suffix}" if suffix else known

    def __or__(self, other: Any) -> Any:
        """A chain of LangChain's: this, then ``other``. Raises ImportError without LangChain."""
        return as_runnable(self) | other

    def __ror__(self, other: Any) -> Any:
        """A chain of LangChain's: ``other``, then this."""
        return other | as_runnable(self)

    def __getattr__(self, name: str) -> Any:
        """What LangChain's runnables can do with any of them (`caesura.pregel.composing`)."""
        return borrowed(self, name)

    def clear_cache(self, nodes: Sequence[str] | None = None) -> None:
        """Forget the cached results of these nodes, or of all; not those of tasks and nested graphs.

        Raises ValueError without a cache.
        """
        self._cache().clear(namespaces_of(self.program.nodes, nodes))

    async def aclear_cache(self, nodes: Sequence[str] | None = None) -> None:
        """Async form of `clear_cache`."""
        await self._cache().aclear(namespaces_of(self.program.nodes, nodes))

    def _cache(self) -> Any:
        if self.cache is None:
            raise ValueError("No cache is set for this graph. Cannot clear cache.")
        return self.cache

    def validate(self) -> Self:
        """Check a program made by hand; returns it. Raises ValueError if its parts do not fit."""
        if self.parts is not None:
            stops = _named(self.interrupt_before_nodes, self.interrupt_after_nodes)
            check_parts(self.parts, stops)
        return self

    def coerce_output(self, values: Any) -> Any:
        """``values`` as an instance of the output class, for ``version="v2"``."""
        return values

    def coerce_state(self, values: Any) -> Any:
        """``values`` as an instance of the state class, for ``version="v2"``."""
        return values

    def get_subgraphs(
        self, *, namespace: str | None = None, recurse: bool = False
    ) -> Iterator[tuple[str, Pregel]]:
        """(name, graph) of each nested graph; with ``recurse`` those in them, names joined by ``|``."""
        for name, node in self.program.nodes.items():
            if namespace is not None and namespace.split("|")[0] != name:
                continue
            for graph in node.subgraphs[:1]:
                if namespace is None or namespace == name:
                    yield name, graph
                if recurse:
                    rest = None if namespace is None else namespace[len(name) + 1 :] or None
                    if namespace is not None and rest is None:
                        continue
                    for inner, found in graph.get_subgraphs(namespace=rest, recurse=True):
                        yield f"{name}|{inner}", found

    async def aget_subgraphs(
        self, *, namespace: str | None = None, recurse: bool = False
    ) -> AsyncIterator[tuple[str, Pregel]]:
        """Async form of `get_subgraphs`."""
        for item in self.get_subgraphs(namespace=namespace, recurse=recurse):
            yield item

    # --- running -----------------------------------------------------------------------------

    @overload
    def invoke(
        self,
        input: RunInputT | Command[Any] | None,
        config: Mapping[str, Any] | None = None,
        *,
        stream_mode: Literal["values"] = "values",
        version: Literal["v2"],
        **how: Unpack[RunArguments[RunContextT]],
    ) -> GraphOutput[RunOutputT]: ...
    @overload
    def invoke(
        self,
        input: RunInputT | Command[Any] | None,
        config: Mapping[str, Any] | None = None,
        *,
        stream_mode: Modes = "values",
        version: Version = "v1",
        **how: Unpack[RunArguments[RunContextT]],
    ) -> Any: ...
    def invoke(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        context: Any = None,
        stream_mode: Any = "values",
        print_mode: Any = (),
        output_keys: Any = None,
        interrupt_before: Any = None,
        interrupt_after: Any = None,
        durability: Any = None,
        control: Any = None,
        version: str = "v1",
        **deprecated: Any,
    ) -> Any:
        """Run to the end or to a pause; returns the output (see `stream` for the arguments).

        With ``stream_mode`` other than "values", returns the list of chunks. A pause adds
        ``__interrupt__``, the list of open interrupts, to a dict output.
        """
        ask = Ask(
            input, cast("dict[str, Any] | None", config), context, output_keys, interrupt_before,
            interrupt_after, durability_of(durability, deprecated.get("checkpoint_during")), control,
        )  # fmt: skip
        printing = self._printing(print_mode, None)
        if stream_mode != "values" or printing:
            chunks = self._stream(ask, stream_mode, printing, False, version)
            return _last(list(chunks), stream_mode)
        frame = open_frame(self, ask, None, self._sync_driver(None))
        steps = frame.driver.drive(frame)
        try:
            while True:
                next(steps)
        except StopIteration as stop:
            return self._result(frame, stop.value, version)

    @overload
    async def ainvoke(
        self,
        input: RunInputT | Command[Any] | None,
        config: Mapping[str, Any] | None = None,
        *,
        stream_mode: Literal["values"] = "values",
        version: Literal["v2"],
        **how: Unpack[RunArguments[RunContextT]],
    ) -> GraphOutput[RunOutputT]: ...
    @overload
    async def ainvoke(
        self,
        input: RunInputT | Command[Any] | None,
        config: Mapping[str, Any] | None = None,
        *,
        stream_mode: Modes = "values",
        version: Version = "v1",
        **how: Unpack[RunArguments[RunContextT]],
    ) -> Any: ...
    async def ainvoke(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        context: Any = None,
        stream_mode: Any = "values",
        print_mode: Any = (),
        output_keys: Any = None,
        interrupt_before: Any = None,
        interrupt_after: Any = None,
        durability: Any = None,
        control: Any = None,
        version: str = "v1",
        **deprecated: Any,
    ) -> Any:
        """Async form of `invoke`."""
        ask = Ask(
            input, cast("dict[str, Any] | None", config), context, output_keys, interrupt_before,
            interrupt_after, durability_of(durability, deprecated.get("checkpoint_during")), control,
            True,
        )  # fmt: skip
        printing = self._printing(print_mode, None)
        if stream_mode != "values" or printing:
            found = self._astream(ask, stream_mode, printing, False, version)
            return _last([chunk async for chunk in found], stream_mode)
        frame = open_frame(self, ask, None, self._async_driver(None))
        outcome: Any = None
        async for item in frame.driver.drive(frame):
            outcome = item
        return self._result(frame, outcome, version)

    @overload
    def stream(
        self,
        input: RunInputT | Command[Any] | None,
        config: Mapping[str, Any] | None = None,
        *,
        stream_mode: Modes | None = None,
        version: Literal["v2"],
        **how: Unpack[StreamArguments[RunContextT]],
    ) -> Iterator[StreamPart]: ...
    @overload
    def stream(
        self,
        input: RunInputT | Command[Any] | None,
        config: Mapping[str, Any] | None = None,
        *,
        stream_mode: Modes | None = None,
        version: Version = "v1",
        **how: Unpack[StreamArguments[RunContextT]],
    ) -> Iterator[Any]: ...
    def stream(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        context: Any = None,
        stream_mode: Any = None,
        print_mode: Any = (),
        output_keys: Any = None,
        interrupt_before: Any = None,
        interrupt_after: Any = None,
        durability: Any = None,
        control: Any = None,
        subgraphs: bool = False,
        debug: bool | None = None,
        version: str = "v1",
        **deprecated: Any,
    ) -> Iterator[Any]:
        """Run, yielding what ``stream_mode`` shows as it happens.

        ``input``: the input, a `Command`, or None to go on where the thread stands. ``stream_mode``:
        one mode, or several, whose items are then ``(mode, payload)``. ``durability``: when steps are
        stored: "sync", "async", or "exit" (at the end; a pause is stored before it is shown in every
        mode). ``version="v2"``: items are dicts with ``type``, ``ns`` and ``data``.

        Raises what nodes raise; `ResumeError` for a resume that does not fit, before anything runs;
        `StaleThreadError` if another run moves the thread on; `GraphRecursionError`.
        """
        ask = Ask(
            input, cast("dict[str, Any] | None", config), context, output_keys, interrupt_before,
            interrupt_after, durability_of(durability, deprecated.get("checkpoint_during")), control,
        )  # fmt: skip
        modes = self.stream_mode if stream_mode is None else stream_mode
        printing = self._printing(print_mode, debug)
        return self._stream(ask, modes, printing, subgraphs, version)

    def _stream(
        self, ask: Ask, modes: Any, printing: Any, subgraphs: bool, version: str
    ) -> Iterator[Any]:
        stream = self._make_stream(modes, printing, subgraphs, version)
        frame = open_frame(self, ask, stream, self._sync_driver(stream))
        driver = frame.driver
        if stream.live and frame.outer is None:
            stream.notify = lambda: driver.wake.put(None) if driver.wake is not None else None
        steps, chunks = driver.drive(frame), stream.chunks
        try:
            while True:
                try:
                    next(steps)
                except StopIteration as stop:
                    while chunks:
                        yield chunks.popleft()
                    self._raise_nested_pause(frame, stop.value)
                    return
                except BaseException:
                    while chunks:
                        yield chunks.popleft()
                    raise
                while chunks:
                    yield chunks.popleft()
        finally:
            steps.close()

    @overload
    def astream(
        self,
        input: RunInputT | Command[Any] | None,
        config: Mapping[str, Any] | None = None,
        *,
        stream_mode: Modes | None = None,
        version: Literal["v2"],
        **how: Unpack[StreamArguments[RunContextT]],
    ) -> AsyncIterator[StreamPart]: ...
    @overload
    def astream(
        self,
        input: RunInputT | Command[Any] | None,
        config: Mapping[str, Any] | None = None,
        *,
        stream_mode: Modes | None = None,
        version: Version = "v1",
        **how: Unpack[StreamArguments[RunContextT]],
    ) -> AsyncIterator[Any]: ...
    async def astream(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        context: Any = None,
        stream_mode: Any = None,
        print_mode: Any = (),
        output_keys: Any = None,
        interrupt_before: Any = None,
        interrupt_after: Any = None,
        durability: Any = None,
        control: Any = None,
        subgraphs: bool = False,
        debug: bool | None = None,
        version: str = "v1",
        **deprecated: Any,
    ) -> AsyncIterator[Any]:
        """Async form of `stream`."""
        ask = Ask(
            input, cast("dict[str, Any] | None", config), context, output_keys, interrupt_before,
            interrupt_after, durability_of(durability, deprecated.get("checkpoint_during")), control,
            True,
        )  # fmt: skip
        modes = self.stream_mode if stream_mode is None else stream_mode
        printing = self._printing(print_mode, debug)
        found = self._astream(ask, modes, printing, subgraphs, version)
        try:
            async for chunk in found:
                yield chunk
        finally:
            await found.aclose()  # type: ignore[attr-defined]

    async def _astream(
        self, ask: Ask, modes: Any, printing: Any, subgraphs: bool, version: str
    ) -> AsyncIterator[Any]:
        stream = self._make_stream(modes, printing, subgraphs, version)
        frame = open_frame(self, ask, stream, self._async_driver(stream))
        if stream.live and frame.outer is None:
            stream.notify = frame.driver.notify
        steps, chunks = frame.driver.drive(frame), stream.chunks
        outcome: Any = None
        try:
            while True:
                try:
                    outcome = await anext(steps)
                except StopAsyncIteration:
                    break
                except BaseException as error:
                    from asyncio import CancelledError

                    if not isinstance(error, (GeneratorExit, CancelledError)):
                        while chunks:
                            yield chunks.popleft()
                    raise
                while chunks:
                    yield chunks.popleft()
            while chunks:
                yield chunks.popleft()
            self._raise_nested_pause(frame, outcome)
        finally:
            await steps.aclose()

    def stream_events(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        version: str = "v2",
        transformers: Iterable[Any] | None = None,
        **how: Any,
    ) -> Any:
        """Run, read in several ways at once; returns a `caesura.stream.GraphRunStream`.

        ``version``: must be "v3"; the others are async only. ``transformers``: classes or factories of
        `caesura.stream.StreamTransformer`, called with the namespace of each graph of the run, besides
        those that the graph was compiled with. ``how``: as `stream`, without ``stream_mode`` and
        ``subgraphs``. Nothing runs before something is read.
        """
        from caesura.pregel import eventing

        return eventing.open_run(self, input, config, version, transformers, how)

    def astream_events(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        version: str = "v2",
        transformers: Iterable[Any] | None = None,
        **how: Any,
    ) -> Any:
        """Async form of `stream_events`: to be awaited, gives a `caesura.stream.AsyncGraphRunStream`.

        With ``version`` "v1" or "v2" an async iterator of the events of LangChain's event stream;
        ``how`` then also takes ``include_names``, ``include_types``, ``include_tags`` and the same with
        ``exclude_``.
        """
        from caesura.pregel import eventing

        return eventing.aopen_run(self, input, config, version, transformers, how)

    def _make_stream(self, modes: Any, printing: Any, subgraphs: bool, version: str) -> Stream:
        return Stream(
            modes,
            subgraphs=subgraphs,
            version=version,
            print_modes=printing,
        )

    def _printing(self, modes: Any, debug: bool | None) -> tuple[str, ...]:
        """The modes that are printed."""
        asked = (modes,) if isinstance(modes, str) else tuple(modes)
        return (*asked, "updates", "values") if (self.debug if debug is None else debug) else asked

    def _sync_driver(self, stream: Stream | None) -> Any:
        from caesura.execution.sync import SyncDriver  # an async program needs little of it

        live = stream is not None and stream.live
        return lambda config: SyncDriver(live=live, max_concurrency=config.get("max_concurrency"))

    def _async_driver(self, stream: Stream | None) -> Any:
        from caesura.execution.aio import AsyncDriver  # a sync program needs none of it

        live = stream is not None and stream.live
        return lambda config: AsyncDriver(live=live, max_concurrency=config.get("max_concurrency"))

    def _raise_nested_pause(self, frame: Frame, outcome: Outcome) -> None:
        """A pause of a nested graph goes on through the task around it."""
        if frame.outer is not None and outcome.kind != "done":
            frame.outer.add_pause(outcome.rows)
            frame.outer.delivered = True
            raise GraphInterrupt(outcome.interrupts)

    def _result(self, frame: Frame, outcome: Outcome, version: str) -> Any:
        self._raise_nested_pause(frame, outcome)
        request, state = frame.turn.request, frame.turn.state
        keys = request.output_keys
        values = state.read(self.program.output_channels if keys is None else keys)
        if not frame.turn.shown_values and outcome.kind != "paused":
            values = None
        if version == "v2":
            return GraphOutput(self.coerce_output(values), outcome.interrupts)
        if not outcome.interrupts:
            return values
        shown = dict(values) if isinstance(values, dict) else {}
        shown[INTERRUPT] = list(outcome.interrupts)
        return shown

    def batch(
        self,
        inputs: Sequence[Any],
        config: Any = None,
        *,
        return_exceptions: bool = False,
        **how: Any,
    ) -> list[Any]:
        """`invoke` for all inputs at once; ``config`` is one for all, or a list of them.

        ``return_exceptions``: a failure stands where its result would. Raises ValueError for a list
        of configs that does not match, and what a run raises.
        """
        found = self.batch_as_completed(inputs, config, return_exceptions=return_exceptions, **how)
        return in_order(list(found))

    def batch_as_completed(
        self,
        inputs: Sequence[Any],
        config: Any = None,
        *,
        return_exceptions: bool = False,
        **how: Any,
    ) -> Iterator[tuple[int, Any]]:
        """As `batch`; yields ``(place of the input, result)`` as each run ends."""
        configs = configs_of(config, len(inputs))
        jobs = [
            functools.partial(self.invoke, given, config, **how)
            for given, config in zip(inputs, configs, strict=True)
        ]
        return run_each(jobs, limit_of(configs), return_exceptions)

    async def abatch(
        self,
        inputs: Sequence[Any],
        config: Any = None,
        *,
        return_exceptions: bool = False,
        **how: Any,
    ) -> list[Any]:
        """Async form of `batch`."""
        found = self.abatch_as_completed(inputs, config, return_exceptions=return_exceptions, **how)
        return in_order([item async for item in found])

    def abatch_as_completed(
        self,
        inputs: Sequence[Any],
        config: Any = None,
        *,
        return_exceptions: bool = False,
        **how: Any,
    ) -> AsyncIterator[tuple[int, Any]]:
        """Async form of `batch_as_completed`."""
        configs = configs_of(config, len(inputs))
        jobs = [
            functools.partial(self.ainvoke, given, config, **how)
            for given, config in zip(inputs, configs, strict=True)
        ]
        return arun_each(jobs, limit_of(configs), return_exceptions)

    # --- drawing -----------------------------------------------------------------------------

    def get_graph(self, config: Any = None, *, xray: bool | int = False) -> Any:
        """The program as a drawable graph."""
        if self.parts is not None:
            from caesura.pregel.picturing import picture_of

            return picture_of(self.parts)
        from caesura.drawing import graph_of

        return graph_of(self, xray=xray)

    async def aget_graph(self, config: Any = None, *, xray: bool | int = False) -> Any:
        """Async form of `get_graph`."""
        return self.get_graph(config, xray=xray)


def _named(*stops: Any) -> list[str]:
    """The nodes that breakpoints name."""
    return [name for part in stops if part != "*" for name in part or ()]


def _as_list(keys: str | tuple[str, ...]) -> Any:
    return keys if isinstance(keys, str) else list(keys)


def _last(chunks: list[Any], mode: Any) -> Any:
    """What ``invoke`` returns of its chunks: all, or for "values" the last."""
    if mode == "values":
        return chunks[-1] if chunks else None
    return chunks
