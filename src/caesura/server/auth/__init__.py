"""Who is calling, and what may they do.

A request becomes `RequestFacts`; an `Authenticator` makes a `Caller` of them (handlers, keys, tokens of
an OpenID provider, or nobody, where auth is off); an `Authoriser` says which records the caller may
touch. Rules are pure and stand in `rules`. `Auth`, `types` and `exceptions` are what programs import: the
names are those of ``langgraph_sdk``, whose own objects are accepted too.

`caesura.server.auth.oidc` is imported only where it is configured: it loads the cryptography.
"""

from __future__ import annotations

from caesura.server.auth import exceptions, types
from caesura.server.auth.authorising import Authoriser
from caesura.server.auth.binding import may_bind
from caesura.server.auth.callers import Caller, User
from caesura.server.auth.decorators import Auth
from caesura.server.auth.exceptions import AuthRefusal
from caesura.server.auth.handlers import Handlers, handlers_of
from caesura.server.auth.handling import HandlerAuth
from caesura.server.auth.keys import KeyAuth, new_key
from caesura.server.auth.requests import RequestFacts
from caesura.server.auth.rules import filter_matches
from caesura.server.auth.types import is_studio_user
from caesura.server.auth.ways import Anonymous, Authenticator, Either

__all__ = (
    "Auth",
    "exceptions",
    "types",
    "is_studio_user",
    "Authenticator",
    "Anonymous",
    "Either",
    "HandlerAuth",
    "KeyAuth",
    "new_key",
    "RequestFacts",
    "Caller",
    "User",
    "Authoriser",
    "AuthRefusal",
    "Handlers",
    "handlers_of",
    "filter_matches",
    "may_bind",
)
