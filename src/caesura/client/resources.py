"""The methods of a client: each sends what one function of `client.requests` describes.

Signatures and docstrings stand there, once; `sent` and `awaited` make the sync and the async method of
them, `streamed` and `astreamed` those whose reply is a stream.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, Unpack, overload

from caesura.client.requests import (
    Request,
    StreamRequest,
    assistants,
    crons,
    interrupts,
    runs,
    store,
    threads,
)
from caesura.client.shapes import StreamOptions, StreamPart, StreamPartV2
from caesura.client.transport import AsyncTransport, SyncTransport

P = ParamSpec("P")
T = TypeVar("T")


class SyncResource:
    """What the methods of one resource send with."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport


class AsyncResource:
    """What the methods of one resource send with."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport


def _like(build: Callable[..., Any], method: Any) -> None:
    """Give ``method`` the name, the docstring and, after ``self``, the parameters of ``build``."""
    functools.update_wrapper(method, build)
    mine = inspect.signature(build)
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    rest = mine.parameters.values()
    method.__signature__ = inspect.Signature([itself, *rest], return_annotation=Any)


def sent(build: Callable[P, Request[T]]) -> Callable[Concatenate[SyncResource, P], T]:
    """The method that sends what ``build`` describes and returns what the reply says."""

    def method(self: SyncResource, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._transport.send(build(*args, **kwargs))

    _like(build, method)
    return method


def awaited(
    build: Callable[P, Request[T]],
) -> Callable[Concatenate[AsyncResource, P], Coroutine[Any, Any, T]]:
    """Async form of `sent`."""

    async def method(self: AsyncResource, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._transport.send(build(*args, **kwargs))

    _like(build, method)
    return method


def streamed(
    build: Callable[P, StreamRequest[T]],
) -> Callable[Concatenate[SyncResource, P], Iterator[T]]:
    """The method that sends what ``build`` describes and yields the items of the stream."""

    def method(self: SyncResource, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self._transport.stream(build(*args, **kwargs))

    _like(build, method)
    return method


def astreamed(
    build: Callable[P, StreamRequest[T]],
) -> Callable[Concatenate[AsyncResource, P], AsyncIterator[T]]:
    """Async form of `streamed`."""

    def method(self: AsyncResource, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return self._transport.stream(build(*args, **kwargs))

    _like(build, method)
    return method


class SyncAssistants(SyncResource):
    """Graphs with their settings."""

    get = sent(assistants.get)
    get_graph = sent(assistants.get_graph)
    get_schemas = sent(assistants.get_schemas)
    get_subgraphs = sent(assistants.get_subgraphs)
    create = sent(assistants.create)
    update = sent(assistants.update)
    delete = sent(assistants.delete)
    search = sent(assistants.search)
    count = sent(assistants.count)
    get_versions = sent(assistants.get_versions)
    set_latest = sent(assistants.set_latest)


class AsyncAssistants(AsyncResource):
    """Graphs with their settings."""

    get = awaited(assistants.get)
    get_graph = awaited(assistants.get_graph)
    get_schemas = awaited(assistants.get_schemas)
    get_subgraphs = awaited(assistants.get_subgraphs)
    create = awaited(assistants.create)
    update = awaited(assistants.update)
    delete = awaited(assistants.delete)
    search = awaited(assistants.search)
    count = awaited(assistants.count)
    get_versions = awaited(assistants.get_versions)
    set_latest = awaited(assistants.set_latest)


class SyncThreads(SyncResource):
    """Conversations with programs, and their states.

    There is no ``stream`` here (the SDK's typed projections of a thread): `join_stream` yields what
    happens on a thread, ``runs.stream`` what one run does.
    """

    get = sent(threads.get)
    create = sent(threads.create)
    update = sent(threads.update)
    delete = sent(threads.delete)
    search = sent(threads.search)
    count = sent(threads.count)
    copy = sent(threads.copy)
    prune = sent(threads.prune)
    get_state = sent(threads.get_state)
    update_state = sent(threads.update_state)
    get_history = sent(threads.get_history)
    join_stream = streamed(threads.join_stream)


class AsyncThreads(AsyncResource):
    """Conversations with programs, and their states.

    There is no ``stream`` here (the SDK's typed projections of a thread): `join_stream` yields what
    happens on a thread, ``runs.stream`` what one run does.
    """

    get = awaited(threads.get)
    create = awaited(threads.create)
    update = awaited(threads.update)
    delete = awaited(threads.delete)
    search = awaited(threads.search)
    count = awaited(threads.count)
    copy = awaited(threads.copy)
    prune = awaited(threads.prune)
    get_state = awaited(threads.get_state)
    update_state = awaited(threads.update_state)
    get_history = awaited(threads.get_history)
    join_stream = astreamed(threads.join_stream)


class SyncRuns(SyncResource):
    """Invocations of programs."""

    create = sent(runs.create)
    wait = sent(runs.wait)
    create_batch = sent(runs.create_batch)
    get = sent(runs.get)
    cancel = sent(runs.cancel)
    cancel_many = sent(runs.cancel_many)
    join = sent(runs.join)
    join_stream = streamed(runs.join_stream)
    delete = sent(runs.delete)
    list = sent(runs.list_runs)

    @overload
    def stream(
        self,
        thread_id: str | None,
        assistant_id: str,
        *,
        version: Literal["v1"] = "v1",
        **options: Unpack[StreamOptions],
    ) -> Iterator[StreamPart]: ...
    @overload
    def stream(
        self,
        thread_id: str | None,
        assistant_id: str,
        *,
        version: Literal["v2"],
        **options: Unpack[StreamOptions],
    ) -> Iterator[StreamPartV2]: ...
    def stream(
        self,
        thread_id: str | None,
        assistant_id: str,
        *,
        version: Literal["v1", "v2"] = "v1",
        **options: Unpack[StreamOptions],
    ) -> Iterator[Any]:
        """As `client.requests.runs.stream`; ``version="v2"`` yields dicts (`StreamPartV2`)."""
        build = runs.stream_v2 if version == "v2" else runs.stream
        return self._transport.stream(build(thread_id, assistant_id, **options))


class AsyncRuns(AsyncResource):
    """Invocations of programs."""

    create = awaited(runs.create)
    wait = awaited(runs.wait)
    create_batch = awaited(runs.create_batch)
    get = awaited(runs.get)
    cancel = awaited(runs.cancel)
    cancel_many = awaited(runs.cancel_many)
    join = awaited(runs.join)
    join_stream = astreamed(runs.join_stream)
    delete = awaited(runs.delete)
    list = awaited(runs.list_runs)

    @overload
    def stream(
        self,
        thread_id: str | None,
        assistant_id: str,
        *,
        version: Literal["v1"] = "v1",
        **options: Unpack[StreamOptions],
    ) -> AsyncIterator[StreamPart]: ...
    @overload
    def stream(
        self,
        thread_id: str | None,
        assistant_id: str,
        *,
        version: Literal["v2"],
        **options: Unpack[StreamOptions],
    ) -> AsyncIterator[StreamPartV2]: ...
    def stream(
        self,
        thread_id: str | None,
        assistant_id: str,
        *,
        version: Literal["v1", "v2"] = "v1",
        **options: Unpack[StreamOptions],
    ) -> AsyncIterator[Any]:
        """As `client.requests.runs.stream`; ``version="v2"`` yields dicts (`StreamPartV2`)."""
        build = runs.stream_v2 if version == "v2" else runs.stream
        return self._transport.stream(build(thread_id, assistant_id, **options))


class SyncCrons(SyncResource):
    """Runs that start on a schedule."""

    create = sent(crons.create)
    create_for_thread = sent(crons.create_for_thread)
    update = sent(crons.update)
    delete = sent(crons.delete)
    search = sent(crons.search)
    count = sent(crons.count)


class AsyncCrons(AsyncResource):
    """Runs that start on a schedule."""

    create = awaited(crons.create)
    create_for_thread = awaited(crons.create_for_thread)
    update = awaited(crons.update)
    delete = awaited(crons.delete)
    search = awaited(crons.search)
    count = awaited(crons.count)


class SyncStore(SyncResource):
    """Long-term memory across threads."""

    put_item = sent(store.put_item)
    get_item = sent(store.get_item)
    delete_item = sent(store.delete_item)
    search_items = sent(store.search_items)
    list_namespaces = sent(store.list_namespaces)


class AsyncStore(AsyncResource):
    """Long-term memory across threads."""

    put_item = awaited(store.put_item)
    get_item = awaited(store.get_item)
    delete_item = awaited(store.delete_item)
    search_items = awaited(store.search_items)
    list_namespaces = awaited(store.list_namespaces)


class SyncInterrupts(SyncResource):
    """Questions to people: what is open on any thread, and answering it."""

    list = sent(interrupts.list_interrupts)
    get = sent(interrupts.get)
    answer = sent(interrupts.answer)
    answer_many = sent(interrupts.answer_many)
    stream = streamed(interrupts.stream)


class AsyncInterrupts(AsyncResource):
    """Questions to people: what is open on any thread, and answering it."""

    list = awaited(interrupts.list_interrupts)
    get = awaited(interrupts.get)
    answer = awaited(interrupts.answer)
    answer_many = awaited(interrupts.answer_many)
    stream = astreamed(interrupts.stream)
