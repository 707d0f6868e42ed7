"""Calling lifecycle callbacks: found once in the config, called where the loop says so."""

from __future__ import annotations

import concurrent.futures
import inspect
import logging
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any

from caesura.callbacks import GraphCallbackHandler, GraphInterruptEvent, GraphLifecycleEvent
from caesura.execution.threads import in_thread, spawn


def listeners_of(callbacks: Any) -> tuple[GraphCallbackHandler, ...]:
    """The lifecycle callbacks among ``callbacks``: a list, or a manager that has ``handlers``."""
    if not callbacks:
        return ()
    found: Iterable[Any] = getattr(callbacks, "handlers", callbacks)
    return tuple(item for item in found if isinstance(item, GraphCallbackHandler))


def tell(listeners: Sequence[GraphCallbackHandler], event: GraphLifecycleEvent) -> None:
    """Call all of them; an ``async`` one in an event loop of its own."""
    for listener in listeners:
        name = _method(event)
        try:
            result = getattr(listener, name)(event)
            if inspect.isawaitable(result):
                _run_apart(result)
        except Exception as error:
            _failed(listener, name, error)


async def atell(listeners: Sequence[GraphCallbackHandler], event: GraphLifecycleEvent) -> None:
    """Call all of them; a sync one in a thread, so that it does not hold up the loop."""
    for listener in listeners:
        name = _method(event)
        method = getattr(listener, name)
        try:
            if inspect.iscoroutinefunction(method):
                await method(event)
            else:
                await in_thread(lambda method=method: method(event))  # type: ignore[misc]
        except Exception as error:
            _failed(listener, name, error)


def _run_apart(result: Awaitable[Any]) -> None:
    """Await ``result`` in a thread: this one may have a loop that is running."""
    import asyncio  # a sync program needs none of it

    future: concurrent.futures.Future[None] = concurrent.futures.Future()

    async def wait() -> None:
        await result

    def job() -> None:
        try:
            asyncio.run(wait())
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(None)

    spawn(job)
    future.result()


def _method(event: GraphLifecycleEvent) -> str:
    return "on_interrupt" if isinstance(event, GraphInterruptEvent) else "on_resume"


def _failed(listener: GraphCallbackHandler, name: str, error: Exception) -> None:
    """Log what a callback raised, or raise it if the listener asks for that."""
    logging.getLogger("caesura").warning(
        "Error in %s.%s callback: %r", type(listener).__name__, name, error
    )
    if listener.raise_error:
        raise error
