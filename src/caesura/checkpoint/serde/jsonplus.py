"""The default serializer: msgpack for everything, strict about what stored bytes may build.

`JsonPlusSerializer.encode` and ``decode`` are the bare codec, for savers that know what they store.
``dumps_typed`` and ``loads_typed`` add a tag, for the saver interface that programs know. Writing
is in `_msgpack`, reading in `reading`, and what reading may build in `building`. Here are the tags,
and the old JSON form, which is read as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, Literal

from ormsgpack import OPT_NON_STR_KEYS, unpackb

from caesura.checkpoint.serde._msgpack import (
    EXT_CONSTRUCTOR_KW_ARGS,
    EXT_CONSTRUCTOR_POS_ARGS,
    EXT_CONSTRUCTOR_SINGLE_ARG,
    EXT_DELTA_SNAPSHOT,
    EXT_METHOD_SINGLE_ARG,
    EXT_NUMPY_ARRAY,
    EXT_PAIRS,
    EXT_PYDANTIC_V1,
    EXT_PYDANTIC_V2,
    SAFE_MSGPACK_TYPES,
    AllowedMsgpackModules,
    pack,
)
from caesura.checkpoint.serde.building import Allowlist
from caesura.checkpoint.serde.frames import EXT_PANDAS
from caesura.checkpoint.serde.reading import Reader, warned_blocked_types
from caesura.errors import DecryptionError, DeserializationError

__all__ = [
    "EXT_CONSTRUCTOR_KW_ARGS",
    "EXT_CONSTRUCTOR_POS_ARGS",
    "EXT_CONSTRUCTOR_SINGLE_ARG",
    "EXT_DELTA_SNAPSHOT",
    "EXT_METHOD_SINGLE_ARG",
    "EXT_NUMPY_ARRAY",
    "EXT_PYDANTIC_V1",
    "EXT_PYDANTIC_V2",
    "InvalidModuleError",
    "JsonPlusSerializer",
]

EMPTY_BYTES: Final = b""
_LANGCHAIN_MODULES: Final = {
    name: module for module, name in SAFE_MSGPACK_TYPES if module.startswith("langchain_core.")
}


class InvalidModuleError(Exception):
    """Old JSON data names a class that is not allowed. Kept for imports; never raised here."""


_warned_blocked_types = _warned_unregistered_types = warned_blocked_types


class JsonPlusSerializer:
    """Turns values into bytes and back; builds no class that is not known to be safe or allowed.

    ``allowed_msgpack_modules`` names further classes that may be built when reading: classes or
    ``(module, qualified name)`` pairs. None: only the safe ones. True: every enum, dataclass, named
    tuple and pydantic model that can be imported; importing runs a module's code, so use it only
    with a store nobody else can write to. ``allowed_json_modules`` does the same for old JSON.
    Raises ValueError for ``pickle_fallback=True``.
    """

    def __init__(
        self,
        *,
        pickle_fallback: bool = False,
        allowed_json_modules: Iterable[tuple[str, ...]] | Literal[True] | None = None,
        allowed_msgpack_modules: AllowedMsgpackModules | Literal[True] | None = None,
    ) -> None:
        if pickle_fallback:
            raise ValueError(
                "pickle_fallback=True is refused: reading a pickle runs whatever code its bytes "
                "name. Store plain data, dataclasses or pydantic models instead; the error of a "
                "value that cannot be stored says where it is."
            )
        self.pickle_fallback = False
        self._allowed = Allowlist(allowed_msgpack_modules)
        self._json_allowed = Allowlist(allowed_json_modules)
        self._read_with(Reader(self._allowed))

    encode = staticmethod(pack)
    """``encode(value, at="")``: msgpack. Raises SerializationError, with the path below ``at``."""

    def with_allowlist(self, extra: AllowedMsgpackModules) -> JsonPlusSerializer:
        """A serializer like this one that may also build the classes in ``extra``."""
        wider = type(self).__new__(type(self))
        wider.__dict__.update(self.__dict__)
        wider._allowed = self._allowed.extended(extra)
        wider._read_with(Reader(wider._allowed))
        return wider

    def _read_with(self, reader: Reader) -> None:
        self._reader = reader
        self.decode = reader.unpack
        """``decode(data)``: what ``encode`` was given. Raises DeserializationError."""
        self.decode_all = reader.unpack_all
        """``decode_all(parts)``: each as by ``decode``, in less time. Raises DeserializationError."""

    with_msgpack_allowlist = with_allowlist

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """``(tag, bytes)``; the tag is ``null``, ``bytes``, ``bytearray`` or ``msgpack``.

        Raises SerializationError.
        """
        if obj is None:
            return "null", EMPTY_BYTES
        if type(obj) is bytes:
            return "bytes", obj
        if type(obj) is bytearray:
            return "bytearray", bytes(obj)
        return "msgpack", pack(obj)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value that ``dumps_typed`` was given; ``json`` of old stores is read as well.

        Raises DeserializationError for bytes that do not fit their tag and for pickles (or, encrypted
        ones, DecryptionError), and NotImplementedError for a tag that is not known.
        """
        tag, payload = data
        if tag == "msgpack":
            return self._reader.unpack(payload)
        if tag == "null":
            return None
        if tag == "bytes":
            return payload
        if tag == "bytearray":
            return bytearray(payload)
        if tag == "json":
            return self._loads_json(payload)
        if tag == "pickle":
            raise DeserializationError(
                "This value was stored as a pickle. Reading a pickle runs code, so it is refused."
            )
        if "+" in tag:
            raise DecryptionError(
                f"This value was stored encrypted ({tag}), and was not read. Give the saver the "
                "EncryptedSerializer that its data was written with; commands take the keys from "
                "CAESURA_ENCRYPTION_KEYS."
            )
        raise NotImplementedError(f"Unknown serialization type: {tag}")

    def _loads_json(self, data: bytes) -> Any:
        try:
            return json.loads(data, object_hook=self._revive)
        except (ValueError, RecursionError) as error:
            raise DeserializationError(f"Stored JSON cannot be read: {error}") from None

    def _revive(self, value: dict[str, Any]) -> Any:
        """What an old ``constructor`` object stands for; the dict itself if that is not allowed."""
        if value.get("type") != "constructor" or not isinstance(value.get("id"), list):
            return value
        body = _constructor(value)
        if body is None:
            return value
        for allowed in (self._allowed, self._json_allowed):
            if allowed.builder(body[1][0], body[1][1]) is not None:
                return Reader(allowed).build(*body)
        return value


def _constructor(value: dict[str, Any]) -> tuple[int, list[Any]] | None:
    """The old form as extension code and payload; None if it is not one."""
    path, args, kwargs = value["id"], value.get("args") or [], value.get("kwargs") or {}
    if len(path) < 2 or not all(isinstance(part, str) for part in path):
        return None
    if not (isinstance(args, list) and isinstance(kwargs, dict)):
        return None
    name = path[-1]
    if name in _LANGCHAIN_MODULES and path[0] in ("langchain", "langchain_core"):
        return EXT_PYDANTIC_V2, [_LANGCHAIN_MODULES[name], name, kwargs]
    if value.get("lc") != 2:
        return None
    module = ".".join(path[:-1])
    if value.get("method") == "fromisoformat" and args:
        return EXT_METHOD_SINGLE_ARG, [module, name, args[0], "fromisoformat"]
    if kwargs:
        return EXT_CONSTRUCTOR_KW_ARGS, [module, name, kwargs]
    return EXT_CONSTRUCTOR_POS_ARGS, [module, name, args]


def _msgpack_enc(data: Any) -> bytes:
    return pack(data)


def _msgpack_ext_hook_to_json(code: int, data: bytes) -> Any:
    """An extension as plain data for a JSON document; nothing is built."""
    body = unpackb(data, ext_hook=_msgpack_ext_hook_to_json, option=OPT_NON_STR_KEYS)
    if code == EXT_DELTA_SNAPSHOT:
        return body
    if code == EXT_PAIRS:
        return [list(pair) for pair in body]
    if code in (EXT_NUMPY_ARRAY, EXT_PANDAS):
        return None
    return body[2]
