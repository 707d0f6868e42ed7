"""Ways to authenticate: what each must offer, nobody at all, and several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from caesura.server.auth.callers import Caller
from caesura.server.auth.exceptions import not_authenticated
from caesura.server.auth.requests import RequestFacts


class Authenticator(Protocol):
    """A way to find out who calls."""

    def takes(self, facts: RequestFacts) -> bool:
        """True if the request carries a credential of this way's form (not: a valid one)."""

    async def authenticate(self, facts: RequestFacts) -> Caller:
        """Who calls. Raises an `AuthRefusal`."""


class Anonymous:
    """Auth is off: everybody is let in, as nobody."""

    def takes(self, facts: RequestFacts) -> bool:
        """Always."""
        return True

    def caller(self) -> Caller:
        """Nobody."""
        return Caller.anonymous()

    async def authenticate(self, facts: RequestFacts) -> Caller:
        """Nobody."""
        return self.caller()


class Either:
    """Several ways. The first whose form of credential is present decides; no other is asked then."""

    def __init__(self, ways: Sequence[Authenticator]) -> None:
        self._ways = tuple(ways)

    def takes(self, facts: RequestFacts) -> bool:
        """True if one of the ways does."""
        return any(way.takes(facts) for way in self._ways)

    async def authenticate(self, facts: RequestFacts) -> Caller:
        """As the way that takes the request says; 401 if none does."""
        for way in self._ways:
            if way.takes(facts):
                return await way.authenticate(facts)
        raise not_authenticated()
