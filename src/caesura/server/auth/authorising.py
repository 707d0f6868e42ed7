"""`Authoriser`: may this caller do that, and which records does it see?

In this order, each narrowing what the one before left: the permissions of a key or token; then the
program's most specific handler, or, where there is none, isolation for callers by key or token.
"""

from __future__ import annotations

from typing import Any

from caesura.records.operations import NO_FILTERS, Filters
from caesura.server.auth.callers import Caller
from caesura.server.auth.exceptions import AuthRefusal, forbidden, refusal_of
from caesura.server.auth.handlers import Handler, Handlers, call_handler
from caesura.server.auth.rules import filters_of, is_permitted, isolate
from caesura.server.auth.types import AuthContext
from caesura.server.logs import log


class Authoriser:
    """Decides by ``handlers``; ``isolated``: without one, every identity sees its own records only."""

    def __init__(self, handlers: Handlers | None = None, *, isolated: bool = False) -> None:
        self._handlers, self._isolated = handlers or Handlers(), isolated

    async def authorise(
        self, caller: Caller, resource: str, action: str, value: dict[str, Any]
    ) -> Filters:
        """The filters on what the caller may see; ``value`` is edited in place, and is then what counts.

        Raises an `AuthRefusal`: 403, what a handler raised, or a 500 if a handler failed.
        """
        if caller.limited and not is_permitted(caller.permissions, resource, action):
            raise forbidden()
        handler = self._handlers.deciding(resource, action)
        if handler is not None:
            return await self._ask(handler, caller, resource, action, value)
        if not self._isolated or caller.kind == "handler":
            return NO_FILTERS
        if not caller.identity:
            raise forbidden()
        edits, filters = isolate(caller.identity, resource, action, value)
        value.update(edits)
        return filters

    async def _ask(
        self, handler: Handler, caller: Caller, resource: str, action: str, value: dict[str, Any]
    ) -> Filters:
        context = AuthContext(
            permissions=list(caller.permissions),
            user=caller.user,
            resource=resource,
            action=action,
        )
        try:
            filters = filters_of(await call_handler(handler, {"ctx": context, "value": value}))
        except AssertionError as error:  # `assert own, "Not yours"` is how many handlers refuse
            raise AuthRefusal(403, str(error) or "Forbidden") from None
        except Exception as error:
            refusal = refusal_of(error)
            if refusal is not None:
                raise refusal from None
            log.error(
                "an authorization handler failed", resource=resource, action=action, exc_info=error
            )
            raise AuthRefusal(500, "Authorization handler failed") from None
        if filters is None:
            raise forbidden()
        return filters
