"""What every cache is: values by namespace and key, each for as long as its ttl says.

A cache may forget at any time, and whoever asks it must be able to do without. Values are stored by
the serializer, so reading never runs stored code. A value that cannot be read back as it was (its
bytes are damaged, or its class may not be built) counts as not there, with a `CacheWarning`: a
caller would rather compute anew than go on with half a value.
"""

from __future__ import annotations

import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, TypeVar

from caesura.checkpoint.serde.base import SerializerProtocol, maybe_add_typed_methods
from caesura.checkpoint.serde.event_hooks import SerdeEvent, register_serde_event_listener
from caesura.checkpoint.serde.jsonplus import JsonPlusSerializer
from caesura.errors import DeserializationError
from caesura.warnings import CacheWarning

__all__ = ["BaseCache", "FullKey", "Namespace", "ValueT"]

ValueT = TypeVar("ValueT")
Namespace = tuple[str, ...]
"""Whose results these are: for a node's, the function and the node's name."""
FullKey = tuple[Namespace, str]

Typed = tuple[str, bytes]
"""A stored value: how its bytes are to be read, and the bytes."""


class BaseCache(ABC, Generic[ValueT]):
    """Values by namespace and key. Implement the six methods to write a cache of your own.

    The async methods are twins of the sync ones. All may raise; a run that uses the cache then warns
    with `CacheWarning` and computes what it would have looked up.

    Args:
        serde: turns values into bytes and back. None: msgpack, which builds no class it was not
            told of (`JsonPlusSerializer`); a program's own classes are told by its schemas.
    """

    serde: SerializerProtocol = JsonPlusSerializer()
    _default_serde: ClassVar[SerializerProtocol | None] = None
    _allowed: frozenset[Any] = frozenset()

    def __init__(self, *, serde: SerializerProtocol | None = None) -> None:
        given = serde or self._default_serde or type(self).serde
        self.serde = maybe_add_typed_methods(given)

    @abstractmethod
    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """The values of those ``keys`` that are there and have not expired."""

    @abstractmethod
    async def aget(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """`get` for async programs."""

    @abstractmethod
    def set(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """Store ``{key: (value, ttl)}``. ``ttl``: seconds to live; None: for ever, 0: not at all.

        Raises SerializationError for a value that cannot be stored; nothing is stored then.
        """

    @abstractmethod
    async def aset(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """`set` for async programs."""

    @abstractmethod
    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget what is in these namespaces (not in longer ones); None: everything."""

    @abstractmethod
    async def aclear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """`clear` for async programs."""

    def allow(self, classes: Collection[type | tuple[str, ...]]) -> None:
        """Also build these classes when reading. Programs tell their cache what they are made of."""
        widen = getattr(self.serde, "with_msgpack_allowlist", None)
        with _widening:
            new = frozenset(classes) - self._allowed
            if new and widen is not None:
                self._allowed |= new
                self.serde = widen(self._allowed)

    # --- for those that keep bytes ---

    def _written(
        self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]
    ) -> dict[FullKey, tuple[Typed, int | None]]:
        """``pairs`` as bytes. Raises SerializationError."""
        dumps = self.serde.dumps_typed
        return {key: (dumps(value), ttl) for key, (value, ttl) in pairs.items()}

    def _readable(self, found: Iterable[tuple[FullKey, Typed]]) -> dict[FullKey, ValueT]:
        """What was found as values, less what cannot be read as it was."""
        values: dict[FullKey, ValueT] = {}
        for key, typed in found:
            try:
                with _exact():
                    value = self.serde.loads_typed(typed)
                values[key] = value
            except Exception as error:
                warnings.warn(
                    f"A cached value of {'.'.join(key[0][1:] or key[0])} cannot be read and is not "
                    f"used: {error}",
                    CacheWarning,
                    stacklevel=3,
                )
        return values


_widening = threading.Lock()
_reading = threading.local()


def _note(event: SerdeEvent) -> None:
    if getattr(_reading, "kept_plain", None) is not None:
        _reading.kept_plain.append(f"{event['module']}.{event['name']}")


register_serde_event_listener(_note)


@contextmanager
def _exact() -> Iterator[None]:
    """Refuse a value in which a class was not built but left as plain data."""
    before: Any = getattr(_reading, "kept_plain", None)
    _reading.kept_plain = []
    try:
        yield
        if _reading.kept_plain:
            names = ", ".join(dict.fromkeys(_reading.kept_plain))
            raise DeserializationError(
                f"it holds {names}, which may not be built from stored data. Name the class in the "
                "state's schema or in the return annotation of the task, or give the cache "
                "serde=JsonPlusSerializer(allowed_msgpack_modules=[...])"
            )
    finally:
        _reading.kept_plain = before
