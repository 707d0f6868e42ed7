"""``stream_events`` and ``astream_events``: a call → the run that its events are read from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from caesura.stream._mux import StreamMux
from caesura.stream._types import StreamTransformer
from caesura.stream.run_stream import AsyncGraphRunStream, GraphRunStream
from caesura.stream.transformers import (
    LifecycleTransformer,
    MessagesTransformer,
    SubgraphTransformer,
    ValuesTransformer,
)

if TYPE_CHECKING:
    from caesura.pregel.compiled import Pregel

_BUILTIN = (ValuesTransformer, MessagesTransformer, LifecycleTransformer, SubgraphTransformer)
_OWNED = ("stream_mode", "subgraphs")


def open_run(
    graph: Pregel,
    input: Any,
    config: Mapping[str, Any] | None,
    version: str,
    transformers: Iterable[Any] | None,
    how: dict[str, Any],
) -> GraphRunStream:
    """A run that nothing has been read of. Raises TypeError for arguments that do not go with v3."""
    if version != "v3":
        raise NotImplementedError(
            f"stream_events(version={version!r}) is not supported. Use astream_events() for v1/v2, "
            "or stream_events(version='v3') on a supported subclass."
        )
    mux = _mux_of(graph, transformers, how, is_async=False)
    return GraphRunStream(iter(graph.stream(input, config, **_options(mux), **how)), mux)


def aopen_run(
    graph: Pregel,
    input: Any,
    config: Mapping[str, Any] | None,
    version: str,
    transformers: Iterable[Any] | None,
    how: dict[str, Any],
) -> Any:
    """v3: an awaitable of a run; v1 and v2: LangChain's events."""
    if version != "v3":
        from caesura.pregel.course import course_events

        return course_events(graph, input, config, version, how)
    return _aopen(graph, input, config, transformers, how)


async def _aopen(
    graph: Pregel,
    input: Any,
    config: Mapping[str, Any] | None,
    transformers: Iterable[Any] | None,
    how: dict[str, Any],
) -> AsyncGraphRunStream:
    mux = _mux_of(graph, transformers, how, is_async=True)
    return AsyncGraphRunStream(graph.astream(input, config, **_options(mux), **how), mux)


def _mux_of(
    graph: Pregel, transformers: Iterable[Any] | None, how: Mapping[str, Any], *, is_async: bool
) -> StreamMux:
    given = [name for name in _OWNED if name in how]
    if given:
        raise TypeError(
            "stream_events(version='v3') / astream_events(version='v3') do not accept "
            f"{', '.join(given)}; v3 owns these (stream_mode is built from the transformer mux, "
            "subgraphs is forced True so nested namespaces flow through scoped muxes)."
        )
    own = [*graph.stream_transformers, *(transformers or ())]
    for factory in own:
        _check_factory(factory)
    return StreamMux(is_async=is_async, factories=[*_BUILTIN, *own])


def _check_factory(factory: Any) -> None:
    needs = "stream_events(version='v3') transformers must be scope-aware callables, got "
    if isinstance(factory, StreamTransformer):
        name = type(factory).__name__
        raise TypeError(
            f"{needs}pre-built instance {name}. Pass the transformer class or a factory like "
            "`lambda scope: MyTransformer(scope, ...)`."
        )
    if not callable(factory):
        raise TypeError(f"{needs}{type(factory).__name__}.")


def _options(mux: StreamMux) -> dict[str, Any]:
    """How the graph is streamed so that all transformers see what they need."""
    return {"stream_mode": mux.required_modes(), "subgraphs": True, "version": "v2"}
