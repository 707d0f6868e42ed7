"""`Handlers`: what a program's ``Auth`` object has registered, and which handler decides what.

Ours tells them itself. One of ``langgraph_sdk`` is read through the attributes that its instances carry;
the package need not be installed for that, and a version without them is refused in so many words.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Handler = Callable[..., Any]
ANY = "*"


@dataclass(slots=True)
class Handlers:
    """``authenticate`` says who calls; ``on``: (resource, action) → what may be done, ``*``: any."""

    authenticate: Handler | None = None
    on: dict[tuple[str, str], Handler] = field(default_factory=dict)

    def deciding(self, resource: str, action: str) -> Handler | None:
        """The most specific handler for this, or None if nothing was said about it."""
        places = ((resource, action), (resource, ANY), (ANY, action), (ANY, ANY))
        return next((self.on[place] for place in places if place in self.on), None)


def handlers_of(auth: Any) -> Handlers:
    """The handlers of an ``Auth`` object: ours or one of ``langgraph_sdk``. Raises TypeError."""
    own = getattr(auth, "handlers", None)
    if isinstance(own, Handlers):
        return own
    try:
        authenticate = auth._authenticate_handler
        registered: Mapping[tuple[str, str], Sequence[Handler]] = auth._handlers
        everywhere: Sequence[Handler] = auth._global_handlers
    except AttributeError:
        raise TypeError(
            f"{type(auth).__name__} is not an Auth object that this version can read. Make it with "
            "`from caesura.server.auth import Auth`, which takes the same decorators."
        ) from None
    on = {place: handlers[-1] for place, handlers in registered.items() if handlers}
    if everywhere:
        on[ANY, ANY] = everywhere[-1]
    return Handlers(authenticate, on)


async def call_handler(handler: Handler, arguments: Mapping[str, Any]) -> Any:
    """Call a handler with arguments by name. One that is not async runs in a thread: it may block."""
    if is_async(handler):
        return await handler(**arguments)
    result = await asyncio.to_thread(handler, **arguments)
    return await result if inspect.isawaitable(result) else result


def is_async(handler: Handler) -> bool:
    """True for an async function, or an object whose call is one."""
    called = getattr(handler, "__call__", None)  # noqa: B004 - the method itself is looked at
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(called)
