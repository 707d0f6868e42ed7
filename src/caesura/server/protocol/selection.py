"""Which events a client has asked for: channels, namespaces, depth. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from caesura.records.shapes import Event

_METHODS: Final = {
    "values": "values",
    "updates": "updates",
    "messages": "messages",
    "tools": "tools",
    "custom": "custom",
    "lifecycle": "lifecycle",
    "input": "input.requested",
    "tasks": "tasks",
    "checkpoints": "checkpoints",
}


class _Params(msgspec.Struct):
    namespace: list[str]
    data: msgspec.Raw


class _Stored(msgspec.Struct):
    params: _Params


class _Custom(msgspec.Struct):
    name: str | None = None


class SelectionError(ValueError):
    """What was asked for has the wrong form."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a client wants to see. ``namespaces``: prefixes; () is everything."""

    methods: frozenset[str]
    names: frozenset[str]
    """Of custom events."""
    namespaces: tuple[tuple[str, ...], ...] = ()
    depth: int | None = None
    """How many levels below a prefix."""

    def takes(self, event: Event) -> bool:
        """Whether a stored event is wanted."""
        named = event.name == "custom" and self.names
        if event.name not in self.methods and not named:
            return False
        params = msgspec.json.decode(event.data, type=_Stored).params
        if event.name not in self.methods:
            name = msgspec.json.decode(params.data, type=_Custom).name
            if name not in self.names:
                return False
        return any(self._is_under(params.namespace, p) for p in self.namespaces or ((),))

    def _is_under(self, namespace: Sequence[str], prefix: Sequence[str]) -> bool:
        if len(namespace) < len(prefix):
            return False
        if self.depth is not None and len(namespace) - len(prefix) > self.depth:
            return False
        pairs = zip(prefix, namespace, strict=False)
        return all(want in (given, given.partition(":")[0]) for want, given in pairs)


def read_selection(given: Mapping[str, Any]) -> Selection:
    """A client's ``channels``, ``namespaces`` and ``depth``. Raises `SelectionError`."""
    channels = given.get("channels")
    if not isinstance(channels, list) or not channels:
        raise SelectionError("channels is required and must be a non-empty array")
    unknown = [c for c in channels if not _is_channel(c)]
    if unknown:
        allowed = ", ".join(_METHODS)
        raise SelectionError(
            f"channels contains unsupported entries: {', '.join(map(str, unknown))}. "
            f"Allowed: {allowed}, or any `custom:<name>`."
        )
    return Selection(
        frozenset(_METHODS[c] for c in channels if c in _METHODS),
        frozenset(c.partition(":")[2] for c in channels if c not in _METHODS),
        _read_namespaces(given.get("namespaces")),
        read_count(given, "depth"),
    )


def read_count(given: Mapping[str, Any], name: str) -> int | None:
    """A member that is a count, or absent. Raises `SelectionError`."""
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise SelectionError(f"{name} must be an integer that is not negative")
    return value


def _is_channel(channel: Any) -> bool:
    if not isinstance(channel, str):
        return False
    return channel in _METHODS or (channel.startswith("custom:") and channel != "custom:")


def _read_namespaces(given: Any) -> tuple[tuple[str, ...], ...]:
    if given is None:
        return ()
    fits = isinstance(given, list) and all(
        isinstance(ns, list) and all(isinstance(part, str) for part in ns) for ns in given
    )
    if not fits:
        raise SelectionError("namespaces must be an array of arrays of strings")
    return tuple(tuple(ns) for ns in given)
