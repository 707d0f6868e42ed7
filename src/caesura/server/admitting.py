"""From the configuration to who may come in: the ways of authentication, and the rules for the rest."""

from __future__ import annotations

from typing import Any

from caesura.server.auth import (
    Anonymous,
    Authenticator,
    Authoriser,
    Either,
    HandlerAuth,
    KeyAuth,
    handlers_of,
)
from caesura.server.project.loading import load_object
from caesura.server.project.settings import Settings


def admission(settings: Settings, database: Any) -> tuple[Authenticator, Authoriser]:
    """How callers are known, and what they may do. Raises `BrokenFileError` for ``auth.path``."""
    given = settings.auth
    if given is None:
        return Anonymous(), Authoriser()
    ways: list[Authenticator] = []
    handlers = None
    if given.keys:
        ways.append(KeyAuth(database))
    if given.oidc is not None:
        from caesura.server.auth.oidc import OidcAuth

        known = given.oidc
        ways.append(
            OidcAuth(
                known.issuer,
                known.audience,
                jwks_url=known.jwks_url,
                identity_claim=known.identity_claim,
                permissions_claim=known.permissions_claim,
                groups_claim=known.groups_claim,
            )
        )
    if given.path is not None:
        own = load_object(given.path, settings.directory)
        handlers = handlers_of(own)
        if handlers.authenticate is not None:
            ways.append(HandlerAuth(own, cache=given.cache))
    authenticator: Authenticator = Either(ways) if len(ways) != 1 else ways[0]
    return authenticator, Authoriser(handlers, isolated=given.isolate)
