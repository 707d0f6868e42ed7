"""The cache in Redis: machines share it, and Redis forgets what has expired.

A value is one string key: the prefix, the namespace, the key. The client is the user's own
(``pip install caesura[redis]``), sync or async; nothing of it is imported here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from caesura.cache.base import BaseCache, FullKey, Namespace, Typed, ValueT
from caesura.checkpoint.serde.base import SerializerProtocol

__all__ = ["RedisCache"]

_AT_ONCE: Final = 500
"""Keys that are looked for, or deleted, with one request."""


class RedisCache(BaseCache[ValueT]):
    """Values in Redis, under a prefix. Nothing outside the prefix is read or touched.

    `clear` walks over the names of all keys of the database (``SCAN``): it disturbs nobody, but on
    a large database it takes time. Use a Redis of your own for caches, with a limit of memory and
    ``maxmemory-policy allkeys-lru``, and set the client's ``socket_timeout``: a run waits for the
    cache that long.

    Args:
        redis: a client of redis-py: ``redis.Redis`` serves sync and async programs,
            ``redis.asyncio.Redis`` async ones only.
        serde: see `BaseCache`.
        prefix: what every key begins with.

    Raises:
        TypeError: from a sync method, if the client is an async one.
        redis.RedisError: from any method, if Redis does not answer.
    """

    def __init__(
        self,
        redis: Any,
        *,
        serde: SerializerProtocol | None = None,
        prefix: str = "caesura:cache:",
    ) -> None:
        super().__init__(serde=serde)
        self.redis = redis
        self.prefix = prefix
        self._is_async = any(
            base.__module__.startswith("redis.asyncio") for base in type(redis).__mro__
        )

    # --- get ---

    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """See `BaseCache.get`."""
        self._require_sync()
        wanted = list(dict.fromkeys(keys))
        return self._found(wanted, self.redis.mget(self._names(wanted)) if wanted else [])

    async def aget(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """See `BaseCache.aget`."""
        if not self._is_async:
            return await asyncio.to_thread(self.get, keys)
        wanted = list(dict.fromkeys(keys))
        return self._found(wanted, await self.redis.mget(self._names(wanted)) if wanted else [])

    def _found(self, keys: list[FullKey], stored: Sequence[Any]) -> dict[FullKey, ValueT]:
        pairs = zip(keys, stored, strict=True)
        return self._readable((key, _typed(data)) for key, data in pairs if data is not None)

    # --- set ---

    def set(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """See `BaseCache.set`."""
        self._require_sync()
        if pairs:
            self._queue(pairs).execute()

    async def aset(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """See `BaseCache.aset`."""
        if not self._is_async:
            await asyncio.to_thread(self.set, pairs)
        elif pairs:
            await self._queue(pairs).execute()

    def _queue(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> Any:
        written = self._written(pairs)
        pipe = self.redis.pipeline(transaction=False)
        for key, ((tag, data), ttl) in written.items():
            name = self._name(key)
            milliseconds = None if ttl is None else int(ttl * 1000)
            if milliseconds is not None and milliseconds <= 0:
                pipe.delete(name)
            else:
                pipe.set(name, tag.encode() + b":" + data, px=milliseconds)
        return pipe

    # --- clear ---

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """See `BaseCache.clear`."""
        self._require_sync()
        for pattern in self._patterns(namespaces):
            found = self.redis.scan_iter(match=pattern, count=_AT_ONCE)
            for batch in _batches(found):
                self.redis.unlink(*batch)

    async def aclear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """See `BaseCache.aclear`."""
        if not self._is_async:
            await asyncio.to_thread(self.clear, namespaces)
            return
        for pattern in self._patterns(namespaces):
            found = self.redis.scan_iter(match=pattern, count=_AT_ONCE)
            async for batch in _abatches(found):
                await self.redis.unlink(*batch)

    def _patterns(self, namespaces: Sequence[Namespace] | None) -> list[str]:
        prefix = "".join(
            f"[{c}]" if c in "*?[" else "\\\\" if c == "\\" else c for c in self.prefix
        )
        if namespaces is None:
            return [prefix + "*"]
        return [f"{prefix}{_path(ns)}/*" for ns in namespaces]

    # --- names ---

    def _name(self, key: FullKey) -> str:
        return f"{self.prefix}{_path(key[0])}/{quote(key[1], safe='')}"

    def _names(self, keys: Sequence[FullKey]) -> list[str]:
        return [self._name(key) for key in keys]

    def _require_sync(self) -> None:
        if self._is_async:
            raise TypeError(
                "This RedisCache was made with an async client, so only its async methods work. "
                "Make it with redis.Redis, which serves sync and async programs."
            )


def _path(ns: Namespace) -> str:
    """A namespace as one text without the characters that mean something in a Redis pattern."""
    return "".join(f"{quote(part, safe='')}:" for part in ns)


def _typed(data: Any) -> Typed:
    if isinstance(data, str):
        raise TypeError("RedisCache needs a client without decode_responses=True")
    tag, _, value = data.partition(b":")
    return tag.decode(), value


def _batches(names: Iterator[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for name in names:
        batch.append(name)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


async def _abatches(names: AsyncIterator[Any]) -> AsyncIterator[list[Any]]:
    batch: list[Any] = []
    async for name in names:
        batch.append(name)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch
