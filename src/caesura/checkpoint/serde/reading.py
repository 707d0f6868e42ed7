"""Reading msgpack: bytes to values, safe against hostile ones.

Each nesting of extensions has a hook of its own: so hostile bytes cannot exhaust the stack, and the
usual ones pay nothing for it. What the `Allowlist` does not admit comes back as its raw payload, with
one warning a class.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn, cast

from ormsgpack import OPT_NON_STR_KEYS, unpackb

from caesura.checkpoint.serde._msgpack import (
    EXT_DELTA_SNAPSHOT,
    EXT_NUMPY_ARRAY,
    EXT_PAIRS,
    EXT_PYDANTIC_V2,
    MAX_NESTED_OBJECTS,
    STDLIB,
    TypeName,
)
from caesura.checkpoint.serde.building import Allowlist, current_module, hashable
from caesura.checkpoint.serde.event_hooks import emit_serde_event
from caesura.checkpoint.serde.frames import EXT_PANDAS
from caesura.checkpoint.serde.frames import build as build_pandas
from caesura.checkpoint.serde.nesting import container_depth
from caesura.checkpoint.serde.types import _DeltaSnapshot
from caesura.errors import DeserializationError

logger = logging.getLogger("caesura.checkpoint.serde.jsonplus")  # the name that programs filter by

warned_blocked_types: set[TypeName] = set()
_warned_unbuildable_types: set[TypeName] = set()
_MAX_WARNED: Final = 1000

_PAIR: Final = b"\x92"
_LIST: Final = b"\xdd"
_MARKED: Final = b"\xcf\xca\xe5\x75\x7a\x1d\x3c\x96\x42"
_MARK: Final = int.from_bytes(_MARKED[1:], "big")
_LEFT_OVER: Final = "Stored bytes are no msgpack value: some follow after its end"
_FREE_LEVELS: Final = 3
_CONTAINER_BUDGET: Final = 4000
"""Lists and dicts below the free levels: what a stack of 8 MB bears, with room to spare."""
_failure = threading.local()


class Reader:
    """Reads msgpack, building only what ``allowed`` admits."""

    def __init__(self, allowed: Allowlist) -> None:
        self.allowed = allowed
        hook = self._deep_hook(_FREE_LEVELS, _CONTAINER_BUDGET)
        for _ in range(_FREE_LEVELS):
            hook = self._hook(hook)
        self._first = hook

    def unpack(self, data: bytes | bytearray | memoryview) -> Any:
        """The stored value. Raises DeserializationError if the bytes are no complete value."""
        # Framed as a pair with a mark behind: bytes left over or missing cannot go unnoticed.
        try:
            value, mark = unpackb(
                b"".join((_PAIR, data, _MARKED)), ext_hook=self._first, option=OPT_NON_STR_KEYS
            )
            if mark == _MARK:
                return value
        except (ValueError, TypeError, RecursionError, MemoryError) as error:
            _refuse(error)
        raise DeserializationError(_LEFT_OVER)

    def unpack_all(self, parts: Sequence[bytes]) -> list[Any]:
        """Several stored values, read in one go. Raises DeserializationError as `unpack` does."""
        count = len(parts)
        frame = [_MARKED] * (2 * count + 1)
        frame[0] = _LIST + (2 * count).to_bytes(4, "big")
        frame[1::2] = parts
        try:
            made = unpackb(b"".join(frame), ext_hook=self._first, option=OPT_NON_STR_KEYS)
            if made[1::2].count(_MARK) == count:
                return cast("list[Any]", made[::2])
        except (ValueError, TypeError, RecursionError, MemoryError) as error:
            _refuse(error)
        raise DeserializationError(_LEFT_OVER)

    def _hook(self, inner: Callable[[int, bytes], Any]) -> Callable[[int, bytes], Any]:
        build = self._build

        def hook(code: int, data: bytes) -> Any:
            try:
                return build(code, unpackb(data, ext_hook=inner, option=OPT_NON_STR_KEYS))
            except BaseException as error:
                _remember(error)
                raise

        return hook

    def _deep_hook(self, level: int, budget: int) -> Callable[[int, bytes], Any]:
        """A hook that also counts what remains of the stack; made anew for each object."""

        def hook(code: int, data: bytes) -> Any:
            left = budget - container_depth(data, budget)
            if left <= 0 or level >= MAX_NESTED_OBJECTS:
                error = DeserializationError("Stored bytes are nested too deeply")
                _remember(error)
                raise error
            return self._hook(self._deep_hook(level + 1, left))(code, data)

        return hook

    def _build(self, code: int, body: Any) -> Any:
        if code == EXT_DELTA_SNAPSHOT:
            return _DeltaSnapshot(_delta_value(body))
        if not isinstance(body, list):
            raise DeserializationError("Stored data has an unknown shape")
        if code == EXT_PAIRS and all(type(pair) is list for pair in body):
            return {hashable(key): value for key, value in body}
        if code == EXT_PANDAS:
            return build_pandas(body)
        if code == EXT_NUMPY_ARRAY:
            return _build_array(*body)
        if not 0 <= code <= EXT_PYDANTIC_V2 or len(body) < 3:
            raise DeserializationError(f"Stored data has an unknown shape (extension {code})")
        return self.build(code, body)

    def build(self, code: int, body: list[Any]) -> Any:
        """The object that a payload describes, or the payload's data if it may not be built."""
        builder = self.allowed.builder(body[0], body[1])
        if builder is None:
            _report_blocked(body[0], body[1])
            return body[2]
        try:
            return builder(code, body)
        except DeserializationError:
            raise
        except Exception as error:
            module = current_module(body[0])
            if (module, body[1]) in STDLIB and body[1] not in ("set", "frozenset"):
                raise DeserializationError(
                    f"A stored {module}.{body[1]} is damaged: {error}"
                ) from None
            _report_unbuildable(body[0], body[1], error)
            return body[2]


def _delta_value(body: Any) -> Any:
    return body[0] if isinstance(body, list) and len(body) == 1 else body


def _build_array(dtype: Any, shape: Any, order: Any, data: Any) -> Any:
    try:
        import numpy as np
    except ImportError:
        raise DeserializationError("Stored data holds a numpy array; install numpy") from None
    if shape is not None and not isinstance(shape, list):
        raise DeserializationError("A stored numpy array is damaged")
    if dtype == "|O" and isinstance(data, list):
        return _build_objects(np, shape, data)
    kind = np.dtype(dtype) if isinstance(dtype, str) else None
    if kind is None or kind.hasobject or not isinstance(data, bytes):
        raise DeserializationError("A stored numpy array is damaged")
    flat = np.frombuffer(data, dtype=kind)
    if shape is None:
        return flat[0]
    return flat.reshape(tuple(shape), order="F" if order == "F" else "C").copy("K")


def _build_objects(np: Any, shape: Any, items: list[Any]) -> Any:
    made = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):  # one by one: lists are items here, not dimensions
        made[i] = item
    return made.reshape(tuple(shape))


def _remember(error: BaseException) -> None:
    """ormsgpack replaces what a hook raises; keep the first, innermost one."""
    if getattr(_failure, "error", None) is None:
        _failure.error = error


def _refuse(error: BaseException) -> NoReturn:
    inner = getattr(_failure, "error", None)
    _failure.error = None
    if isinstance(inner, DeserializationError):
        raise inner from None
    if inner is not None and not isinstance(inner, Exception):
        raise inner
    raise DeserializationError(f"Stored bytes cannot be read: {inner or error}") from None


def _report_blocked(module: str, name: str) -> None:
    shown = _on_one_line(module), _on_one_line(name)
    if _first_time(warned_blocked_types, (module, name)):
        logger.warning(
            "%s.%s was not built from stored data, which comes back as plain data: the class is "
            "not allowed. To allow it, name it in the state's schema, or pass "
            "allowed_msgpack_modules=[(%r, %r)] to JsonPlusSerializer.",
            *shown,
            module,
            name,
        )
    emit_serde_event({"kind": "msgpack_blocked", "module": module, "name": name})


def _report_unbuildable(module: str, name: str, error: Exception) -> None:
    if _first_time(_warned_unbuildable_types, (module, name)):
        logger.warning(
            "%s.%s could not be built from its stored data, which comes back as plain data (%s: "
            "%s). The class has probably changed since.",
            module,
            name,
            type(error).__name__,
            _on_one_line(str(error)),
        )
    emit_serde_event({"kind": "msgpack_unbuildable", "module": module, "name": name})


def _on_one_line(text: str) -> str:
    """``text`` as a log may hold it: stored data must not write lines of its own."""
    return text.encode("unicode_escape").decode()


def _first_time(seen: set[TypeName], name: TypeName) -> bool:
    if name in seen:
        return False
    if len(seen) < _MAX_WARNED:
        seen.add(name)
    return True
