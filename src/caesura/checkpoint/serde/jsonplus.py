"""The default serializer: msgpack for everything, strict about what stored bytes may build.

`JsonPlusSerializer.encode` and ``decode`` are the bare codec, for savers that know what they store.
``dumps_typed`` and ``loads_typed`` add a tag, for the saver interface that programs know. Writing
is in `_msgpack`; this file reads.

Reading builds nothing but what writing can have produced: some values of the standard library,
Caesura's own words, LangChain's messages and documents, and those enums, dataclasses, named
tuples and pydantic models that an `Allowlist` admits. Stored data never selects a function to call.
What is not admitted comes back as its raw payload, with one warning a class. Each nesting of
extensions has a hook of its own: so hostile bytes cannot exhaust the stack, and the usual ones pay
nothing for it.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import logging
import pathlib
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from enum import Enum
from typing import Any, Final, Literal, NoReturn, cast

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
    KNOWN_LIMIT,
    MAX_NESTED_OBJECTS,
    MODELS,
    SAFE_MSGPACK_TYPES,
    STDLIB,
    AllowedMsgpackModules,
    TypeName,
    instance_fields,
    is_pydantic,
    pack,
    type_name,
)
from caesura.checkpoint.serde.event_hooks import emit_serde_event
from caesura.checkpoint.serde.types import _DeltaSnapshot
from caesura.errors import DeserializationError

logger = logging.getLogger(__name__)

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


# --- which classes may be built --------------------------------------------------------------


_warned_blocked_types: set[TypeName] = set()
_warned_unregistered_types = _warned_blocked_types
_warned_unbuildable_types: set[TypeName] = set()
_MAX_WARNED: Final = 1000

Build = Callable[[int, list[Any]], Any]


class Allowlist:
    """Decides, by stored name, what may be built. Immutable; `extended` returns a wider one.

    ``allowed``: classes or ``(module, qualified name)`` pairs; True admits every enum, dataclass,
    named tuple and pydantic model that can be imported.
    """

    def __init__(self, allowed: AllowedMsgpackModules | bool | None = None) -> None:
        self.everything = allowed is True
        self.named: dict[TypeName, type | None] = {}
        self._builders: dict[TypeName, Build | None] = {}
        if allowed is not None and not isinstance(allowed, bool):
            self._add(allowed)

    def _add(self, allowed: AllowedMsgpackModules) -> None:
        for entry in allowed:
            if isinstance(entry, type):
                self.named[type_name(entry)] = entry
                self.named.setdefault((entry.__module__, entry.__name__), entry)
            elif len(entry) >= 2 and all(isinstance(part, str) for part in entry):
                module = _current_module(".".join(entry[:-1]))
                self.named.setdefault((module, entry[-1]), None)
            else:
                raise TypeError(
                    f"An allow-list holds classes and (module, name) pairs, not {entry!r}"
                )

    def extended(self, extra: AllowedMsgpackModules) -> Allowlist:
        """A list that also admits ``extra``."""
        wider = Allowlist(self.everything or None)
        wider.named.update(self.named)
        wider._add(extra)
        return wider

    def builder(self, module: Any, name: Any) -> Build | None:
        """What builds instances of the named class; None if it is not admitted."""
        if not (isinstance(module, str) and isinstance(name, str)):
            raise DeserializationError("Stored data names no class where it should")
        try:
            return self._builders[module, name]
        except KeyError:
            build = self._find(module, name)
            if len(self._builders) > KNOWN_LIMIT:
                self._builders.clear()
            self._builders[module, name] = build
            return build

    def _find(self, module: str, name: str) -> Build | None:
        module = _current_module(module)
        if (module, name) in STDLIB:
            return _stdlib_builder(module, name)
        if name in MODELS.get(module, ()):
            return _class_builder(_import(module, name))
        if (module, name) in self.named:
            return _class_builder(self.named[module, name] or _import(module, name))
        return _class_builder(_import(module, name)) if self.everything else None


def _current_module(module: str) -> str:
    """Bytes written by LangGraph name its modules; ours carry the same names under ``caesura``."""
    if module == "langgraph" or module.startswith("langgraph."):
        return "caesura" + module[len("langgraph") :]
    return "pathlib" if module == "pathlib._local" else module


def _import(module: str, name: str) -> Any:
    try:
        found: Any = sys.modules.get(module) or importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception:
        return None
    return found


def _stdlib_builder(module: str, name: str) -> Build:
    special = _SPECIAL.get(name)
    if special is not None:
        return lambda code, body: special(*_arguments(code, body[2]))
    if name == "datetime":
        return _build_datetime
    cls = _import(module, name)
    if cls is None:
        raise DeserializationError(f"Stored data needs {module}.{name}, which is not installed")
    if module == "pathlib":
        return lambda code, body: _build_path(cls, _arguments(code, body[2]))
    return lambda code, body: (
        cls(**body[2]) if code == EXT_CONSTRUCTOR_KW_ARGS else cls(*_arguments(code, body[2]))
    )


def _arguments(code: int, payload: Any) -> list[Any]:
    if code == EXT_CONSTRUCTOR_SINGLE_ARG:
        return [payload]
    if code == EXT_CONSTRUCTOR_POS_ARGS and isinstance(payload, list):
        return payload
    raise DeserializationError("Stored data has an unknown shape")


def _build_pattern(pattern: Any, flags: int = 0) -> Any:
    import re

    return re.compile(pattern, flags)


def _build_datetime(code: int, body: list[Any]) -> Any:
    if code != EXT_METHOD_SINGLE_ARG:
        return datetime(*_arguments(code, body[2]))
    if body[3] != "fromisoformat":
        raise DeserializationError("Stored data has an unknown shape")
    moment = datetime.fromisoformat(body[2])
    if len(body) < 6:
        return moment
    if body[4] is not None:
        from zoneinfo import ZoneInfo

        moment = moment.replace(tzinfo=ZoneInfo(body[4]))
    return moment.replace(fold=body[5])


def _build_path(cls: Any, segments: list[str]) -> Any:
    try:
        return cls(*segments)
    except NotImplementedError:  # a path of the other kind of system
        return pathlib.Path(*segments)


def hashable(value: Any) -> Any:
    """``value`` with lists turned into the tuples they were, to serve as key or element."""
    return tuple(map(hashable, value)) if isinstance(value, list) else value


_SPECIAL: Final[dict[str, Callable[..., Any]]] = {
    "compile": _build_pattern,
    "set": lambda items: set(map(hashable, items)),
    "frozenset": lambda items: frozenset(map(hashable, items)),
}


def _class_builder(cls: Any) -> Build | None:
    """How to build a class of one of the four kinds; nothing else is ever called."""
    if not isinstance(cls, type):
        return None
    if issubclass(cls, Enum):
        return lambda code, body: _build_enum(cls, body[2])
    known = _OWN_BUILDERS.get(type_name(cls))
    if known is not None:
        return lambda code, body: known(cls, code, body[2])
    if is_pydantic(cls, "pydantic"):
        return _pydantic_builder(cls)
    if dataclasses.is_dataclass(cls):
        return lambda code, body: _build_dataclass(cls, _fields(body))
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return lambda code, body: cls(**_known_fields(_fields(body), cls._fields))
    if is_pydantic(cls, "pydantic.v1"):
        return lambda code, body: _build_pydantic_v1(cast(Any, cls), _fields(body))
    return None


def _fields(body: list[Any]) -> dict[str, Any]:
    if not isinstance(body[2], dict):
        raise TypeError("the stored data is no mapping of fields")
    return body[2]


def _known_fields(fields: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Without the fields that the class has lost since."""
    return {name: fields[name] for name in names if name in fields}


def _build_enum(cls: type[Enum], value: Any) -> Enum:
    try:
        return cls(value)
    except ValueError:
        return cls(hashable(value))


def _build_dataclass(cls: Any, fields: dict[str, Any]) -> Any:
    specs = cls.__dataclass_fields__
    known = _known_fields(fields, instance_fields(specs))
    try:
        obj = cls(**{name: value for name, value in known.items() if specs[name].init})
        known = {name: value for name, value in known.items() if not specs[name].init}
    except TypeError:
        # `InitVar`, an `__init__` of its own: restore the fields, as `copy` does.
        obj = object.__new__(cls)
        known = {name: _default(specs[name]) for name in _missing(specs, known)} | known
    for name, value in known.items():
        object.__setattr__(obj, name, value)
    return obj


def _missing(specs: dict[str, Any], known: dict[str, Any]) -> list[str]:
    return [name for name in instance_fields(specs) if name not in known]


def _default(spec: Any) -> Any:
    if spec.default is not dataclasses.MISSING:
        return spec.default
    if spec.default_factory is not dataclasses.MISSING:
        return spec.default_factory()
    raise TypeError(f"no stored value for {spec.name}")


def _pydantic_builder(cls: Any) -> Build:
    options = _by_field_name(cls)

    def build(code: int, body: list[Any]) -> Any:
        fields = _fields(body)
        given = set(body[4]) if len(body) > 4 else set(fields)
        try:
            if options is None:
                raise TypeError("validation would read aliases")
            obj = cls.model_validate(fields["root"] if _is_root_model(cls) else fields, **options)
            if len(body) > 4:
                object.__setattr__(obj, "__pydantic_fields_set__", given)
        except Exception:
            # The class has changed or was filled without validation: keep what was stored.
            obj = cls.model_construct(_fields_set=given, **_all_fields(cls, fields))
        return obj

    return build


def _by_field_name(cls: Any) -> dict[str, Any] | None:
    """How to make validation go by field names; None if this version of pydantic cannot."""
    specs = cls.__pydantic_fields__.values()
    if all(spec.validation_alias is None and spec.alias is None for spec in specs):
        return {}
    import inspect

    can = "by_name" in inspect.signature(cls.model_validate).parameters
    return {"by_name": True, "by_alias": False} if can else None


def _is_root_model(cls: Any) -> bool:
    return bool(getattr(cls, "__pydantic_root_model__", False))


def _all_fields(cls: Any, fields: dict[str, Any]) -> dict[str, Any]:
    missing = [
        name
        for name, spec in cls.__pydantic_fields__.items()
        if name not in fields and spec.is_required()
    ]
    if missing:
        raise TypeError(f"no stored value for {', '.join(missing)}")
    return fields


def _build_pydantic_v1(cls: Any, fields: dict[str, Any]) -> Any:
    try:
        return cls(**fields)
    except Exception:
        return cls.construct(**fields)


def _build_send(cls: Any, code: int, payload: Any) -> Any:
    node, arg, *timeout = payload
    return cls(node, arg, timeout=timeout[0] if timeout else None)


def _build_interrupt(cls: Any, code: int, payload: Any) -> Any:
    return cls(**payload) if isinstance(payload, dict) else cls(*payload)


def _build_command(cls: Any, code: int, payload: Any) -> Any:
    fields = _known_fields(payload, cls.__dataclass_fields__)
    if fields.get("goto") == []:
        del fields["goto"]
    return cls(**fields)


def _build_with_tuples(*names: str) -> Callable[[Any, int, Any], Any]:
    def build(cls: Any, code: int, payload: Any) -> Any:
        known = getattr(cls, "_fields", None) or cls.__dataclass_fields__
        fields = _known_fields(payload, known)
        for name in names:
            if isinstance(fields.get(name), list):
                fields[name] = tuple(fields[name])
        return cls(**fields)

    return build


def _build_item(cls: Any, code: int, payload: Any) -> Any:
    fields = dict(payload)
    fields["namespace"] = tuple(fields["namespace"])
    for name in ("created_at", "updated_at"):
        if isinstance(fields.get(name), str):
            fields[name] = datetime.fromisoformat(fields[name])
    return cls(**fields)


_OWN_BUILDERS: Final[dict[TypeName, Callable[[Any, int, Any], Any]]] = {
    ("caesura.types", "Send"): _build_send,
    ("caesura.types", "Interrupt"): _build_interrupt,
    ("caesura.types", "Command"): _build_command,
    ("caesura.types", "PregelTask"): _build_with_tuples("path", "interrupts"),
    ("caesura.types", "StateSnapshot"): _build_with_tuples("next", "tasks", "interrupts"),
    ("caesura.types", "GraphOutput"): _build_with_tuples("interrupts"),
    ("caesura.types", "CacheKey"): _build_with_tuples("ns"),
    ("caesura.store.base", "Item"): _build_item,
    ("caesura.store.base", "SearchItem"): _build_item,
    ("caesura.store.base", "GetOp"): _build_with_tuples("namespace"),
    ("caesura.store.base", "PutOp"): _build_with_tuples("namespace"),
    ("caesura.store.base", "SearchOp"): _build_with_tuples("namespace_prefix"),
    ("caesura.store.base", "MatchCondition"): _build_with_tuples("path"),
}


# --- reading ---------------------------------------------------------------------------------


_FRAME_HEAD: Final = b"\x92"
_FRAME_TAIL: Final = b"\xcf\xca\xe5\x75\x7a\x1d\x3c\x96\x42"
_FRAME_MARK: Final = int.from_bytes(_FRAME_TAIL[1:], "big")
_FREE_LEVELS: Final = 3
_CONTAINER_BUDGET: Final = 4000
"""Lists and dicts below the free levels: what a stack of 8 MB bears, with room to spare."""
_NO_CONTAINERS: Final = bytes(b for b in range(256) if not (0x80 <= b <= 0x9F or 0xDC <= b <= 0xDF))
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
                b"".join((_FRAME_HEAD, data, _FRAME_TAIL)),
                ext_hook=self._first,
                option=OPT_NON_STR_KEYS,
            )
            if mark == _FRAME_MARK:
                return value
        except (ValueError, TypeError, RecursionError, MemoryError) as error:
            _refuse(error)
        raise DeserializationError("Stored bytes are no msgpack value: some follow after its end")

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
            left = budget - _container_depth(data, budget)
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
        if code == EXT_PAIRS:
            return {hashable(key): value for key, value in body}
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
            module = _current_module(body[0])
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
    kind = np.dtype(dtype) if isinstance(dtype, str) else None
    if kind is None or kind.hasobject or not isinstance(data, bytes):
        raise DeserializationError("A stored numpy array is damaged")
    flat = np.frombuffer(data, dtype=kind)
    if shape is None:
        return flat[0]
    return flat.reshape(tuple(shape), order="F" if order == "F" else "C").copy("K")


def _container_depth(data: bytes, enough: int) -> int:
    """An upper bound of the nesting in ``data``: cheap where few containers occur, else counted."""
    bound = len(data.translate(None, _NO_CONTAINERS))
    return bound if bound <= 16 else min(bound, nesting(data, enough))


_FIXED: Final = {
    0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,
    0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17,
}  # fmt: skip
_SIZED: Final = {
    0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1),
    0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0),
}  # fmt: skip
_COUNTED: Final = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def nesting(data: bytes, enough: int) -> int:
    """How deep lists and dicts nest in a msgpack value; stops counting at ``enough``."""
    position, deepest, size = 0, 0, len(data)
    open_items: list[int] = []
    while position < size:
        length, items = _step(data, position)
        position += length
        if open_items:
            open_items[-1] -= 1
        if items:
            open_items.append(items)
            deepest = max(deepest, len(open_items))
            if deepest >= enough:
                break
        while open_items and not open_items[-1]:
            open_items.pop()
        if not open_items:
            break
    return deepest


def _step(data: bytes, position: int) -> tuple[int, int]:
    """Bytes to go on by, and how many items follow, for the value that starts at ``position``."""
    head = data[position]
    if 0x80 <= head <= 0x8F:
        return 1, (head & 15) * 2
    if 0x90 <= head <= 0x9F:
        return 1, head & 15
    if 0xA0 <= head <= 0xBF:
        return 1 + (head & 31), 0
    if head in _FIXED:
        return 1 + _FIXED[head], 0
    if head in _SIZED:
        width, kind = _SIZED[head]
        number = int.from_bytes(data[position + 1 : position + 1 + width], "big")
        return 1 + width + kind + number, 0
    if head in _COUNTED:
        width, each = _COUNTED[head]
        number = int.from_bytes(data[position + 1 : position + 1 + width], "big")
        return 1 + width, number * each
    return 1, 0


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
    if _first_time(_warned_blocked_types, (module, name)):
        logger.warning(
            "%s.%s was not built from stored data, which comes back as plain data: the class is "
            "not allowed. To allow it, name it in the state's schema, or pass "
            "allowed_msgpack_modules=[(%r, %r)] to JsonPlusSerializer.",
            module,
            name,
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
            error,
        )
    emit_serde_event({"kind": "msgpack_unbuildable", "module": module, "name": name})


def _first_time(seen: set[TypeName], name: TypeName) -> bool:
    if name in seen:
        return False
    if len(seen) < _MAX_WARNED:
        seen.add(name)
    return True


# --- the serializer --------------------------------------------------------------------------


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
        self._reader = Reader(self._allowed)
        self._json_allowed = Allowlist(allowed_json_modules)
        self.decode = self._reader.unpack
        """``decode(data)``: what ``encode`` was given. Raises DeserializationError."""

    encode = staticmethod(pack)
    """``encode(value, at="")``: msgpack. Raises SerializationError, with the path below ``at``."""

    def with_allowlist(self, extra: AllowedMsgpackModules) -> JsonPlusSerializer:
        """A serializer like this one that may also build the classes in ``extra``."""
        wider = type(self).__new__(type(self))
        wider.__dict__.update(self.__dict__)
        wider._allowed = self._allowed.extended(extra)
        wider._reader = Reader(wider._allowed)
        wider.decode = wider._reader.unpack
        return wider

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

        Raises DeserializationError for bytes that do not fit their tag and for pickles, and
        NotImplementedError for a tag that is not known.
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
    if code == EXT_NUMPY_ARRAY:
        return None
    return body[2]
