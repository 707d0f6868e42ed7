"""`Auth`: where a program registers who is calling and what they may do.

``@auth.authenticate`` decorates one function; ``@auth.on`` and its attributes decorate the others, from
the general (``@auth.on``) to the particular (``@auth.on.threads.create``). They fill in `Handlers`; a place
takes one handler, so that no rule can replace another unnoticed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, TypeVar, overload

from caesura.server.auth import exceptions, types
from caesura.server.auth.handlers import ANY, Handlers

F = TypeVar("F", bound=Callable[..., Any])
Names = str | Sequence[str]


class Auth:
    """Handlers of one server. Name it in ``langgraph.json``: ``{"auth": {"path": "./auth.py:auth"}}``."""

    types = types
    exceptions = exceptions

    def __init__(self) -> None:
        self.handlers = Handlers()
        self.on = On(self.handlers)

    def authenticate(self, fn: F) -> F:
        """Register the function that says who calls. It gets by name what it has parameters for:
        request, body, path, method, path_params, query_params, headers (bytes), authorization.

        It returns the identity, a dict or an object with ``identity``, or raises
        ``Auth.exceptions.HTTPException``. Raises ValueError if one is registered already.
        """
        if self.handlers.authenticate is not None:
            raise ValueError(
                f"Authentication handler already set as {self.handlers.authenticate!r}. "
                "Only one may say who calls."
            )
        self.handlers.authenticate = fn
        return fn


class _Place:
    """Registers handlers for some resources and actions."""

    def __init__(self, handlers: Handlers, resource: str = ANY, action: str = ANY) -> None:
        self._handlers, self._resource, self._action = handlers, resource, action

    def _register(self, fn: F, resources: Names | None, actions: Names | None) -> F:
        _check_handler(fn)
        places = list(product(_names(resources, self._resource), _names(actions, self._action)))
        for place in places:
            if place in self._handlers.on:
                raise ValueError(f"A handler is already set for {place[0]}, {place[1]}.")
        self._handlers.on.update(dict.fromkeys(places, fn))
        return fn


class OnAction(_Place):
    """``@auth.on.threads.create``: one action on one resource."""

    def __call__(self, fn: F) -> F:
        """Register ``async def fn(ctx, value)``: None or True allows, False refuses, a dict filters."""
        return self._register(fn, None, None)


class _OnResource(_Place):
    """``@auth.on.threads``, or ``@auth.on.threads(actions=[…])``: actions on one resource."""

    @overload
    def __call__(self, fn: F) -> F: ...
    @overload
    def __call__(
        self, fn: None = None, *, resources: Names | None = None, actions: Names | None = None
    ) -> Callable[[F], F]: ...
    def __call__(
        self, fn: F | None = None, *, resources: Names | None = None, actions: Names | None = None
    ) -> F | Callable[[F], F]:
        """Register ``async def fn(ctx, value)`` for the actions, or all of them."""
        if fn is not None:
            return self._register(fn, resources, actions)
        return lambda given: self._register(given, resources, actions)


class OnRecords(_OnResource):
    """Actions on records: threads, assistants, crons."""

    def __init__(self, handlers: Handlers, resource: str) -> None:
        super().__init__(handlers, resource)
        self.create = OnAction(handlers, resource, "create")
        self.read = OnAction(handlers, resource, "read")
        self.update = OnAction(handlers, resource, "update")
        self.delete = OnAction(handlers, resource, "delete")
        self.search = OnAction(handlers, resource, "search")


class OnThreads(OnRecords):
    """Actions on threads; starting a run is one of them."""

    def __init__(self, handlers: Handlers) -> None:
        super().__init__(handlers, "threads")
        self.create_run = OnAction(handlers, "threads", "create_run")


class OnStore(_OnResource):
    """Actions on the long-term memory."""

    def __init__(self, handlers: Handlers) -> None:
        super().__init__(handlers, "store")
        self.put = OnAction(handlers, "store", "put")
        self.get = OnAction(handlers, "store", "get")
        self.search = OnAction(handlers, "store", "search")
        self.delete = OnAction(handlers, "store", "delete")
        self.list_namespaces = OnAction(handlers, "store", "list_namespaces")


class On(_OnResource):
    """``@auth.on``: everything that nothing more particular is said about; or
    ``@auth.on(resources=[…], actions=[…])``."""

    def __init__(self, handlers: Handlers) -> None:
        super().__init__(handlers)
        self.threads = OnThreads(handlers)
        self.assistants = OnRecords(handlers, "assistants")
        self.crons = OnRecords(handlers, "crons")
        self.store = OnStore(handlers)


def _names(given: Names | None, otherwise: str) -> Sequence[str]:
    if given is None:
        return (otherwise,)
    names = (given,) if isinstance(given, str) else tuple(given)
    if not names:
        raise ValueError("An empty list of resources or actions: the handler would never be asked.")
    return names


def _check_handler(fn: Callable[..., Any]) -> None:
    parameters = inspect.signature(fn).parameters
    missing = [name for name in ("ctx", "value") if name not in parameters]
    if missing and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        name = getattr(fn, "__name__", repr(fn))
        raise ValueError(
            f"Auth handler {name!r} must have the parameters ctx and value, by name; "
            f"{' and '.join(missing)} is missing."
        )
