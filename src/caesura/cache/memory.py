"""The cache that lives as long as the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from caesura.cache.base import BaseCache, FullKey, Namespace, Typed, ValueT
from caesura.checkpoint.serde.base import SerializerProtocol
from caesura.checkpoint.serde.jsonplus import JsonPlusSerializer

__all__ = ["InMemoryCache"]

_SWEEP_AFTER: Final = 256
"""Values set, at least, between two sweeps; so sweeping costs a set next to nothing."""


class InMemoryCache(BaseCache[ValueT]):
    """Values in this process's memory. May be used by many threads and event loops at once.

    What has expired is forgotten; what has no ttl stays until it is cleared.

    Args:
        serde: see `BaseCache`. None: msgpack that may build every class, since nobody else can
            write to this memory.
        clock: tells the time, in seconds since 1970.
    """

    _default_serde = JsonPlusSerializer(allowed_msgpack_modules=True)

    def __init__(
        self,
        *,
        serde: SerializerProtocol | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(serde=serde)
        self._clock = clock
        self._kept: dict[Namespace, dict[str, tuple[Typed, float | None]]] = {}
        self._lock = threading.Lock()
        self._sets, self._sweep_after = 0, _SWEEP_AFTER

    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """See `BaseCache.get`."""
        now = self._clock()
        with self._lock:
            found = list(self._alive(keys, now))
        return self._readable(found)

    def _alive(self, keys: Sequence[FullKey], now: float) -> Iterator[tuple[FullKey, Typed]]:
        for ns, key in dict.fromkeys(keys):
            kept = self._kept.get(ns, {}).get(key)
            if kept is not None and (kept[1] is None or kept[1] > now):
                yield (ns, key), kept[0]

    async def aget(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """See `BaseCache.aget`."""
        return self.get(keys)

    def set(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """See `BaseCache.set`."""
        written, now = self._written(pairs), self._clock()
        with self._lock:
            for (ns, key), (typed, ttl) in written.items():
                expires = None if ttl is None else now + ttl
                self._kept.setdefault(ns, {})[key] = typed, expires
            self._sets += len(written)
            if self._sets > self._sweep_after:
                self._sweep(now)

    def _sweep(self, now: float) -> None:
        for ns, kept in list(self._kept.items()):
            for key in [k for k, (_, at) in kept.items() if at is not None and at <= now]:
                del kept[key]
            if not kept:
                del self._kept[ns]
        self._sets, self._sweep_after = 0, max(_SWEEP_AFTER, sum(map(len, self._kept.values())))

    async def aset(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """See `BaseCache.aset`."""
        self.set(pairs)

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """See `BaseCache.clear`."""
        with self._lock:
            if namespaces is None:
                self._kept.clear()
            else:
                for ns in namespaces:
                    self._kept.pop(tuple(ns), None)

    async def aclear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """See `BaseCache.aclear`."""
        self.clear(namespaces)
