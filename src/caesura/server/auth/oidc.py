"""`OidcAuth`: callers by JSON Web Tokens of an OpenID provider.

The signature is checked with a public key of the provider, by an algorithm that fits the key and is on
the list; never without one, never with a shared secret. Then issuer, audience and times.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import jwt

from caesura.execution.clock import clock
from caesura.server.auth.callers import Caller
from caesura.server.auth.exceptions import AuthRefusal, not_authenticated
from caesura.server.auth.jwks import Jwk, KeySet, ProviderAwayError
from caesura.server.auth.requests import RequestFacts

ALGORITHMS: Final[Mapping[str, frozenset[str]]] = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "EC": frozenset({"ES256", "ES384", "ES512"}),
    "OKP": frozenset({"EdDSA"}),
}
"""Kind of key → the algorithms it may be used with."""
LEEWAY: Final = 60
"""Seconds by which the provider's clock may differ from ours."""
_LARGEST: Final = 16_384
_OPTIONS: Final[Any] = {
    "require": ["exp", "iss", "aud"],
    "verify_exp": False,  # times: `_check_times`
    "verify_nbf": False,
    "verify_iat": False,
}
_NAMES: Final = ("name", "preferred_username", "email")


class OidcAuth:
    """Callers by bearer token.

    ``permissions_claim``: the claim with ``resource:action`` patterns; a token without it then allows
    nothing. Without the setting, tokens are not limited. Claims may be paths: ``realm_access.roles``.
    """

    def __init__(
        self,
        issuer: str,
        audience: str | Sequence[str],
        jwks_url: str | None = None,
        *,
        identity_claim: str = "sub",
        permissions_claim: str | None = None,
        groups_claim: str | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        if not issuer or not audience:
            raise ValueError(
                "OpenID needs an issuer and an audience: a token for others is not ours."
            )
        self._issuer, self._audience = issuer, audience
        self._identity, self._permissions = identity_claim, permissions_claim
        self._groups = groups_claim
        self._keys = KeySet(issuer, jwks_url, now=now)

    def takes(self, facts: RequestFacts) -> bool:
        """True if the request carries a bearer token of a JWT's form."""
        return (facts.bearer or "").count(".") == 2

    async def authenticate(self, facts: RequestFacts) -> Caller:
        """Whom the token stands for. Raises a 401; a 503 if the provider's keys cannot be had."""
        token = facts.bearer
        if token is None or len(token) > _LARGEST:
            raise not_authenticated()
        try:
            return self._caller(await self._claims(token))
        except (jwt.PyJWTError, _BadTokenError, ValueError, RecursionError):
            raise not_authenticated() from None
        except ProviderAwayError:
            raise AuthRefusal(
                503, "The identity provider cannot be reached. Try again later."
            ) from None

    async def _claims(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        algorithm, kid = header.get("alg"), header.get("kid")
        known = any(algorithm in allowed for allowed in ALGORITHMS.values())
        if not known or "crit" in header or not isinstance(kid, str | None):
            raise _BadTokenError
        key = await self._keys.find(kid)
        if key is None:
            raise _BadTokenError
        claims: dict[str, Any] = jwt.decode(
            token,
            jwt.PyJWK(dict(key), algorithm=_fitting(key, str(algorithm))),
            algorithms=[str(algorithm)],
            audience=self._audience,
            issuer=self._issuer,
            leeway=LEEWAY,
            options=_OPTIONS,
        )
        _check_times(claims)
        return claims

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        identity = _claim(claims, self._identity)
        if not isinstance(identity, str) or not identity:
            raise _BadTokenError
        names = [claims[n] for n in _NAMES if isinstance(claims.get(n), str) and claims[n]]
        permissions: Sequence[str] | None = None
        if self._permissions is not None:
            permissions = _texts(_claim(claims, self._permissions))
        groups = _texts(_claim(claims, self._groups)) if self._groups else ()
        display_name = names[0] if names else identity
        return Caller.built_in(
            "oidc", identity, display_name, permissions=permissions, groups=groups
        )


class _BadTokenError(Exception):
    """The token is not accepted."""


def _fitting(key: Jwk, algorithm: str) -> str:
    """The algorithm, if it may be used with this key."""
    if algorithm not in ALGORITHMS.get(str(key.get("kty")), ()):
        raise _BadTokenError
    if key.get("alg", algorithm) != algorithm:
        raise _BadTokenError
    return algorithm


def _check_times(claims: Mapping[str, Any]) -> None:
    """``exp`` is ahead and ``nbf`` is past, by the clock that tests hold."""
    now = clock().epoch()
    ends, begins = claims["exp"], claims.get("nbf", 0)
    if not all(isinstance(t, int | float) and not isinstance(t, bool) for t in (ends, begins)):
        raise _BadTokenError
    if not (begins - LEEWAY <= now < ends + LEEWAY):
        raise _BadTokenError


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by a path of names with full stops between."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _texts(value: Any) -> tuple[str, ...]:
    """A claim that lists things: an array, or a text with spaces between."""
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()
