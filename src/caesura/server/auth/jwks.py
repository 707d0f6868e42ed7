"""`KeySet`: the public keys of an OpenID provider, fetched when needed and kept for a while.

A key id that is not known makes one new fetch, at most every half minute, so that strangers cannot make
the server hammer the provider. If the provider is away, the keys last seen count for another hour.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import httpx

from caesura.server.logs import log

FRESH: Final = 300.0
STALE: Final = 3600.0
PAUSE: Final = 30.0
_LARGEST: Final = 1_000_000

Jwk = Mapping[str, Any]


class ProviderAwayError(Exception):
    """The provider could not be asked, and no key is known that is recent enough."""


class KeySet:
    """Public keys by key id. ``url`` None: found through the issuer's discovery document."""

    def __init__(
        self, issuer: str, url: str | None = None, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer, self._url, self._now = issuer, url, now
        self._keys: Sequence[Jwk] = ()
        self._fetched: float | None = None
        self._tried: float | None = None
        self._lock = asyncio.Lock()

    async def find(self, kid: str | None) -> Jwk | None:
        """The signing key with this id; without an id, the only key there is. Else None.

        Raises `ProviderAwayError`.
        """
        if self._age() >= FRESH:
            await self._refresh()
        if self._age() >= STALE:
            raise ProviderAwayError
        found = self._pick(kid)
        if found is None and kid is not None:
            await self._refresh()
            found = self._pick(kid)
        return found

    def _pick(self, kid: str | None) -> Jwk | None:
        signing = [k for k in self._keys if k.get("use", "sig") == "sig"]
        if kid is None:
            return signing[0] if len(signing) == 1 else None
        return next((k for k in signing if k.get("kid") == kid), None)

    def _age(self) -> float:
        return float("inf") if self._fetched is None else self._now() - self._fetched

    async def _refresh(self) -> None:
        async with self._lock:
            if self._tried is not None and self._now() - self._tried < PAUSE:
                return
            self._tried = self._now()
            try:
                self._keys = await self._fetch()
                self._fetched = self._now()
            except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
                log.warning(
                    "the keys of the OpenID provider could not be fetched",
                    issuer=self._issuer,
                    reason=f"{type(error).__name__}: {error}",
                )

    async def _fetch(self) -> Sequence[Jwk]:
        async with httpx.AsyncClient(timeout=5.0) as client:
            url = self._url or await self._discover(client)
            keys = (await _get(client, url)).get("keys")
        if not isinstance(keys, list):
            raise ValueError(f"{url} has no list of keys")
        return [k for k in keys if isinstance(k, dict)]

    async def _discover(self, client: httpx.AsyncClient) -> str:
        place = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        document = await _get(client, place)
        if document.get("issuer") != self._issuer:
            raise ValueError(f"{place} speaks for another issuer")
        url = document.get("jwks_uri")
        secure = self._issuer.startswith("https:")
        if not isinstance(url, str) or (secure and not url.startswith("https:")):
            raise ValueError(f"{place} names no usable jwks_uri")
        return url


async def _get(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    received = bytearray()
    async with client.stream("GET", url, headers={"accept": "application/json"}) as response:
        response.raise_for_status()
        async for part in response.aiter_bytes():
            received += part
            if len(received) > _LARGEST:
                raise ValueError(f"{url} answered with more than {_LARGEST} bytes")
    document = httpx.Response(200, content=bytes(received)).json()
    if not isinstance(document, dict):
        raise ValueError(f"{url} answered with something else than an object")
    return document
