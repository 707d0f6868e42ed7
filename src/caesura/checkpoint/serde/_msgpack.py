"""Writing: which values can be stored, and as which msgpack.

Plain data goes through ``ormsgpack`` untouched. Any other value becomes an extension; its payload,
itself msgpack, starts with the module and qualified name of its class:

    0  class(value)    1  class(*args)    2  class(**kwargs)    3  datetime, as ISO text
    4  pydantic v1     5  pydantic v2     6  numpy array        7  delta snapshot
    16 a dict whose keys are no plain values, as pairs    17 an object of pandas (`frames`)

`parts` says what an object's extension holds, `pack` writes it. It takes the fast way first; only
when that fails, `_Walk` goes through the value once more in Python. It repairs what can be repaired
(keys of any kind, lone surrogates) and otherwise names the path of the culprit. Reading is in
`reading` and `building`; the tables below say which classes it always builds.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from enum import Enum
from typing import Any, Final

from ormsgpack import (
    OPT_NON_STR_KEYS,
    OPT_PASSTHROUGH_DATACLASS,
    OPT_PASSTHROUGH_DATETIME,
    OPT_PASSTHROUGH_ENUM,
    OPT_PASSTHROUGH_UUID,
    OPT_REPLACE_SURROGATES,
    Ext,
    packb,
)

from caesura.errors import SerializationError

EXT_CONSTRUCTOR_SINGLE_ARG: Final = 0
EXT_CONSTRUCTOR_POS_ARGS: Final = 1
EXT_CONSTRUCTOR_KW_ARGS: Final = 2
EXT_METHOD_SINGLE_ARG: Final = 3
EXT_PYDANTIC_V1: Final = 4
EXT_PYDANTIC_V2: Final = 5
EXT_NUMPY_ARRAY: Final = 6
EXT_DELTA_SNAPSHOT: Final = 7
EXT_PAIRS: Final = 16

STRICT_MSGPACK_ENABLED: Final = True
"""Always: there is no switch that lets stored data pick classes."""

TypeName = tuple[str, str]
"""Defining module and qualified name of a class."""
AllowedMsgpackModules = Iterable[tuple[str, ...] | type]
Parts = tuple[int, list[Any]]

STDLIB: Final = frozenset(
    {
        ("builtins", "frozenset"), ("builtins", "set"), ("collections", "deque"),
        ("datetime", "date"), ("datetime", "datetime"), ("datetime", "time"),
        ("datetime", "timedelta"), ("datetime", "timezone"), ("decimal", "Decimal"),
        ("ipaddress", "IPv4Address"), ("ipaddress", "IPv4Interface"),
        ("ipaddress", "IPv4Network"), ("ipaddress", "IPv6Address"),
        ("ipaddress", "IPv6Interface"), ("ipaddress", "IPv6Network"),
        ("pathlib", "Path"), ("pathlib", "PosixPath"), ("pathlib", "PurePath"),
        ("pathlib", "PurePosixPath"), ("pathlib", "PureWindowsPath"), ("pathlib", "WindowsPath"),
        ("re", "compile"), ("uuid", "UUID"), ("zoneinfo", "ZoneInfo"),
        ("pydantic.types", "SecretStr"), ("pydantic.types", "SecretBytes"),
    }
)  # fmt: skip
_OWN: Final = {
    "caesura.types": (
        "Interrupt", "Send", "Command", "PregelTask", "StateSnapshot", "StateUpdate", "Overwrite",
        "RetryPolicy", "CachePolicy", "TimeoutPolicy", "CacheKey", "GraphOutput",
    ),
    "caesura.messages.kinds": (
        "HumanMessage", "AIMessage", "SystemMessage", "ToolMessage", "RemoveMessage",
    ),
    "caesura.store.base": (
        "Item", "SearchItem", "GetOp", "PutOp", "SearchOp", "ListNamespacesOp", "MatchCondition",
    ),
}  # fmt: skip
_LANGCHAIN: Final = {
    "langchain_core.messages.ai": ("AIMessage", "AIMessageChunk"),
    "langchain_core.messages.base": ("BaseMessage", "BaseMessageChunk"),
    "langchain_core.messages.chat": ("ChatMessage", "ChatMessageChunk"),
    "langchain_core.messages.function": ("FunctionMessage", "FunctionMessageChunk"),
    "langchain_core.messages.human": ("HumanMessage", "HumanMessageChunk"),
    "langchain_core.messages.modifier": ("RemoveMessage",),
    "langchain_core.messages.system": ("SystemMessage", "SystemMessageChunk"),
    "langchain_core.messages.tool": ("ToolMessage", "ToolMessageChunk"),
    "langchain_core.documents.base": ("Document",),
}
MODELS: Final = {**_OWN, **_LANGCHAIN}
SAFE_MSGPACK_TYPES: Final = STDLIB | {(m, name) for m, names in MODELS.items() for name in names}
"""Classes that every serializer builds, whatever its allow-list says."""
SAFE_MSGPACK_METHODS: Final = frozenset({("datetime", "datetime", "fromisoformat")})

_PACK: Final = (
    OPT_PASSTHROUGH_DATACLASS
    | OPT_PASSTHROUGH_DATETIME
    | OPT_PASSTHROUGH_ENUM
    | OPT_PASSTHROUGH_UUID
    | OPT_REPLACE_SURROGATES
)
_PACK_ANY_KEY: Final = _PACK | OPT_NON_STR_KEYS
MAX_NESTED_OBJECTS: Final = 100
"""Objects within objects, when writing and when reading."""
_MAX_NESTED_CONTAINERS: Final = 250
"""Lists and dicts within one object; ormsgpack itself stops at 254."""
KNOWN_LIMIT: Final = 4096


# --- what an object's extension holds --------------------------------------------------------


def _decimal(obj: Any) -> Parts:
    return 0, ["decimal", "Decimal", str(obj)]


def _address(obj: Any) -> Parts:
    return 0, ["ipaddress", type(obj).__name__, str(obj)]


def _set(obj: Any) -> Parts:
    return 0, ["builtins", "set", list(obj)]


def _frozenset(obj: Any) -> Parts:
    return 0, ["builtins", "frozenset", list(obj)]


def _deque(obj: Any) -> Parts:
    if obj.maxlen is None:
        return 0, ["collections", "deque", list(obj)]
    return 1, ["collections", "deque", [list(obj), obj.maxlen]]


def _datetime(obj: Any) -> Parts:
    body = ["datetime", "datetime", datetime.isoformat(obj), "fromisoformat"]
    zone = getattr(obj.tzinfo, "key", None)
    if zone is not None or obj.fold:
        # The text alone would turn a place into an offset, and lose the second of two equal hours.
        return 3, [*body, zone if isinstance(zone, str) else None, obj.fold]
    return 3, body


def _date(obj: Any) -> Parts:
    return 1, ["datetime", "date", [obj.year, obj.month, obj.day]]


def _time(obj: Any) -> Parts:
    names = ("hour", "minute", "second", "microsecond", "tzinfo", "fold")
    return 2, ["datetime", "time", {name: getattr(obj, name) for name in names}]


def _timedelta(obj: Any) -> Parts:
    return 1, ["datetime", "timedelta", [obj.days, obj.seconds, obj.microseconds]]


def _timezone(obj: Any) -> Parts:
    return 1, ["datetime", "timezone", list(obj.__getinitargs__())]


def _zone(obj: Any) -> Parts:
    if obj.key is None:
        raise TypeError
    return 0, ["zoneinfo", "ZoneInfo", obj.key]


def _uuid(obj: Any) -> Parts:
    return 0, ["uuid", "UUID", obj.hex]


def _pattern(obj: Any) -> Parts:
    return 1, ["re", "compile", [obj.pattern, obj.flags]]


def _path(obj: Any) -> Parts:
    return 1, ["pathlib", type(obj).__name__, list(obj.parts)]


def _secret(obj: Any) -> Parts:
    return 0, ["pydantic.types", type(obj).__name__, obj.get_secret_value()]


def _enum(obj: Any) -> Parts:
    return 0, [*type_name(type(obj)), obj.value]


def _named_tuple(obj: Any) -> Parts:
    return 2, [*type_name(type(obj)), obj._asdict()]


def _dataclass(obj: Any) -> Parts:
    names = type(obj).__dataclass_fields__
    fields = {name: getattr(obj, name) for name in instance_fields(names) if hasattr(obj, name)}
    return 2, [*type_name(type(obj)), fields]


def instance_fields(fields: dict[str, Any]) -> list[str]:
    kind = dataclasses._FIELD  # type: ignore[attr-defined]
    return [name for name, field in fields.items() if field._field_type is kind]


def _interrupt(obj: Any) -> Parts:
    names = ("value", "id", "response_schema", "key", "title", "digest", "record")
    fields = {n: v for n in names if (v := getattr(obj, n, None)) is not None or n == "value"}
    return 2, ["caesura.types", "Interrupt", fields]


def _send(obj: Any) -> Parts:
    args = [obj.node, obj.arg] if obj.timeout is None else [obj.node, obj.arg, obj.timeout]
    return 1, ["caesura.types", "Send", args]


def _item(obj: Any) -> Parts:
    names = ("value", "key", "namespace", "created_at", "updated_at", "score")
    fields = {name: getattr(obj, name) for name in names if hasattr(obj, name)}
    return 2, [*type_name(type(obj)), fields]


def _delta(obj: Any) -> Parts:
    return EXT_DELTA_SNAPSHOT, [obj.value]


def _pydantic_v1(obj: Any) -> Parts:
    return EXT_PYDANTIC_V1, [*type_name(type(obj)), dict(obj.__dict__)]


def _pydantic_v2(obj: Any) -> Parts:
    # Field by field, not `model_dump`: that would flatten a subclass to what its field declares.
    stored = obj.__dict__
    fields = {name: stored[name] for name in type(obj).__pydantic_fields__ if name in stored}
    if obj.__pydantic_extra__:
        fields.update(obj.__pydantic_extra__)
    body = [*type_name(type(obj)), fields]
    if len(obj.__pydantic_fields_set__) != len(fields):
        return EXT_PYDANTIC_V2, [*body, None, sorted(obj.__pydantic_fields_set__)]
    return EXT_PYDANTIC_V2, body


def _numpy_array(obj: Any) -> Parts:
    if obj.dtype == object:
        return EXT_NUMPY_ARRAY, ["|O", list(obj.shape), "C", list(obj.flat)]
    if obj.dtype.hasobject or obj.dtype.names:
        raise TypeError
    order = "F" if obj.flags.f_contiguous and not obj.flags.c_contiguous else "C"
    return EXT_NUMPY_ARRAY, [obj.dtype.str, list(obj.shape), order, obj.tobytes(order)]


def _numpy_scalar(obj: Any) -> Parts:
    if obj.dtype.hasobject or obj.dtype.names:
        raise TypeError
    return EXT_NUMPY_ARRAY, [obj.dtype.str, None, "C", obj.tobytes()]


Described = Parts | str | bytes | float | list[Any]
"""An extension's code and payload; or plain data, which is never a tuple, that stands for it."""
_Describe = Callable[[Any], Described]
_BY_NAME: Final[dict[TypeName, _Describe]] = {
    ("builtins", "set"): _set,
    ("builtins", "frozenset"): _frozenset,
    ("collections", "deque"): _deque,
    ("datetime", "datetime"): _datetime,
    ("datetime", "date"): _date,
    ("datetime", "time"): _time,
    ("datetime", "timedelta"): _timedelta,
    ("datetime", "timezone"): _timezone,
    ("zoneinfo", "ZoneInfo"): _zone,
    ("decimal", "Decimal"): _decimal,
    ("uuid", "UUID"): _uuid,
    ("re", "Pattern"): _pattern,
    ("pydantic.types", "SecretStr"): _secret,
    ("pydantic.types", "SecretBytes"): _secret,
    ("numpy", "ndarray"): _numpy_array,
    ("caesura.types", "Interrupt"): _interrupt,
    ("caesura.types", "Send"): _send,
    ("caesura.store.base", "Item"): _item,
    ("caesura.store.base", "SearchItem"): _item,
    ("caesura.channels.delta", "_DeltaSnapshot"): _delta,
    **{name: _address for name in STDLIB if name[0] == "ipaddress"},
}
_describers: dict[type, _Describe | None] = {}


def type_name(cls: type) -> TypeName:
    """The name under which instances of ``cls`` are stored."""
    return cls.__module__, cls.__qualname__


def parts(obj: Any) -> Described:
    """Extension code and payload of ``obj``, or the plain data that stands for it.

    Raises TypeError if it cannot be stored.
    """
    cls = type(obj)
    try:
        describe = _describers[cls]
    except KeyError:
        describe = _describer(cls)
        if len(_describers) > KNOWN_LIMIT:
            _describers.clear()
        _describers[cls] = describe
    if describe is None:
        raise TypeError
    return describe(obj)


def _describer(cls: type) -> _Describe | None:
    if cls.__module__.partition(".")[0] == "pandas":
        from caesura.checkpoint.serde import frames

        return frames.describer(cls)
    exact = _BY_NAME.get(type_name(cls)) or _describer_by_kind(cls)
    if exact is not None:
        return exact
    for base in cls.__mro__:
        known = _BY_NAME.get(type_name(base))
        if known in _FLATTENED:
            return known
    return None


_FLATTENED: Final = frozenset(
    {_set, _frozenset, _deque, _datetime, _date, _time, _timedelta, _decimal, _uuid}
)
"""Subclasses of these are stored as the plain type."""


def _describer_by_kind(cls: type) -> _Describe | None:
    numpy_scalar = getattr(sys.modules.get("numpy"), "generic", ())
    path = getattr(sys.modules.get("pathlib"), "PurePath", ())
    kinds: tuple[tuple[bool, _Describe], ...] = (
        (issubclass(cls, Enum), _enum),
        (is_pydantic(cls, "pydantic"), _pydantic_v2),
        (dataclasses.is_dataclass(cls), _dataclass),
        (issubclass(cls, tuple) and hasattr(cls, "_fields"), _named_tuple),
        (issubclass(cls, path), _path),
        (issubclass(cls, BaseException), _exception),
        (issubclass(cls, numpy_scalar), _numpy_scalar),
        (issubclass(cls, tuple), list),
        (issubclass(cls, bytes), bytes),
        (issubclass(cls, float), float),
        (is_pydantic(cls, "pydantic.v1"), _pydantic_v1),
    )
    return next((describe for matches, describe in kinds if matches), None)


def _exception(obj: Any) -> str:
    return repr(obj)


def is_pydantic(cls: type, module: str) -> bool:
    base = getattr(sys.modules.get(module), "BaseModel", None)
    return isinstance(base, type) and issubclass(cls, base)


# --- writing ---------------------------------------------------------------------------------


def _pack_hook(level: int) -> Callable[[Any], Any]:
    deeper = level + 1

    def hook(obj: Any) -> Any:
        found = parts(obj)
        return Ext(found[0], _pack(found[1], deeper)) if type(found) is tuple else found

    return hook


_PACK_HOOKS: Final = tuple(_pack_hook(level) for level in range(MAX_NESTED_OBJECTS))
_first_hook = _PACK_HOOKS[0]


def _pack(obj: Any, level: int) -> bytes:
    if level >= MAX_NESTED_OBJECTS:
        raise TypeError
    try:
        return packb(obj, _PACK_HOOKS[level], _PACK)
    except TypeError:
        return _pack_slowly(obj, level)


def pack(obj: Any, at: str = "") -> bytes:
    """``obj`` as msgpack. ``at`` is the path of ``obj`` itself, for errors.

    Raises SerializationError, whose ``path`` names the value that cannot be stored.
    """
    try:
        return packb(obj, _first_hook, _PACK)
    except TypeError:
        return _pack_or_explain(obj, at)


def _pack_slowly(obj: Any, level: int) -> bytes:
    if _has_plain_keys(obj, 0):
        try:
            # Objects are tried again at the top only: at every level, the cost would double each.
            return packb(obj, _PACK_HOOKS[0] if level == 0 else None, _PACK_ANY_KEY)
        except TypeError:
            pass
    return packb(_Walk(level).rewrite(obj, None, 0), None, _PACK_ANY_KEY)


_PLAIN_KEYS: Final = frozenset({str, int, float, bool, bytes, type(None)})


def _has_plain_keys(obj: Any, depth: int) -> bool:
    if isinstance(obj, dict):
        if not _PLAIN_KEYS.issuperset(map(type, obj)):
            return False
        obj = obj.values()
    elif not isinstance(obj, (list, tuple)):
        return True
    return depth < _MAX_NESTED_CONTAINERS and all(
        _has_plain_keys(item, depth + 1) for item in obj if isinstance(item, (dict, list, tuple))
    )


def _pack_or_explain(obj: Any, at: str) -> bytes:
    try:
        return _pack_slowly(obj, 0)
    except _Fault as fault:
        path = _render(fault.trail, at)
        raise SerializationError(fault.reason + (f" (at {path})" if path else ""), path) from None
    except RecursionError:
        raise SerializationError("Nested too deeply to be stored", at) from None
    except TypeError as error:
        raise SerializationError(f"{error} (at {at})" if at else str(error), at) from None


Trail = tuple[Any, str, Any] | None
"""A path, innermost first: (the trail before, kind of step, key)."""


class _Fault(Exception):
    def __init__(self, reason: str, trail: Trail) -> None:
        super().__init__(reason)
        self.reason, self.trail = reason, trail


def _render(trail: Trail, at: str) -> str:
    steps: list[tuple[str, Any]] = []
    while trail is not None:
        trail, kind, key = trail
        steps.append((kind, key))
    path = at
    for kind, key in reversed(steps):
        if kind == "field" or (not path and isinstance(key, str) and key.isidentifier()):
            path += f".{key}" if path else key
        elif kind == "key" and isinstance(key, str):
            path += f"[{_quoted(key)}]"
        elif kind == "keyof":
            path += f"<key {type(key).__name__}>"
        else:
            path += f"[{_short(key)}]"
    return path


def _quoted(key: str) -> str:
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _short(key: Any) -> str:
    return repr(key)[:80] if isinstance(key, (int, float, bytes, tuple)) else type(key).__name__


_FIELD_CODES: Final = (EXT_CONSTRUCTOR_KW_ARGS, EXT_PYDANTIC_V1, EXT_PYDANTIC_V2)


class _Walk:
    """Goes through a value that the fast way refused; returns one it accepts, or raises _Fault."""

    def __init__(self, level: int) -> None:
        self.level = level

    def rewrite(self, obj: Any, trail: Trail, depth: int) -> Any:
        if depth > _MAX_NESTED_CONTAINERS:
            raise _Fault("Nested too deeply to be stored", trail)
        cls = type(obj)
        if obj is None or cls is bool or cls is float:
            return obj
        if isinstance(obj, Enum):
            return self.extension(obj, trail)
        if isinstance(obj, int):
            return _checked_int(obj, trail)
        if isinstance(obj, str):
            return obj if cls is str else str.__str__(obj)
        if isinstance(obj, dict):
            return self.mapping(obj, trail, depth)
        if isinstance(obj, (list, tuple)) and not hasattr(obj, "_fields"):
            return [
                self.rewrite(item, (trail, "index", i), depth + 1) for i, item in enumerate(obj)
            ]
        if isinstance(obj, (bytes, bytearray, memoryview)):
            return bytes(obj)
        return self.extension(obj, trail)

    def mapping(self, obj: dict[Any, Any], trail: Trail, depth: int) -> Any:
        if all(map(_is_plain_key, obj)):
            return {
                _checked_key(key, trail): self.rewrite(value, (trail, "key", key), depth + 1)
                for key, value in obj.items()
            }
        deeper = self._deeper(trail)
        pairs = [
            [
                deeper.rewrite(key, (trail, "keyof", key), 2),
                deeper.rewrite(value, (trail, "key", key), 2),
            ]
            for key, value in obj.items()
        ]
        return Ext(EXT_PAIRS, packb(pairs, None, _PACK_ANY_KEY))

    def _deeper(self, trail: Trail) -> _Walk:
        if self.level + 1 >= MAX_NESTED_OBJECTS:
            raise _Fault("Nested too deeply to be stored", trail)
        return _Walk(self.level + 1)

    def extension(self, obj: Any, trail: Trail) -> Any:
        try:
            found = parts(obj)
        except Exception:
            name = f"Type is not msgpack serializable: {_public_name(type(obj))}"
            raise _Fault(name, trail) from None
        if not isinstance(found, tuple):
            return self.rewrite(found, trail, 0) if isinstance(found, list) else found
        code, body = found
        rewritten = self._deeper(trail).body(code, body, trail)
        return Ext(code, packb(rewritten, None, _PACK_ANY_KEY))

    def body(self, code: int, body: list[Any], trail: Trail) -> list[Any]:
        """An extension's payload, rewritten; steps into fields read as ``.name``."""
        out: list[Any] = []
        for position, value in enumerate(body):
            if position == 2 and code in _FIELD_CODES and isinstance(value, dict):
                out.append({k: self.rewrite(v, (trail, "field", k), 1) for k, v in value.items()})
            elif position == 2 and code == 1 and body[1] == "Send":
                names = ("node", "arg", "timeout")
                zipped = zip(names, value, strict=False)
                out.append([self.rewrite(v, (trail, "field", k), 1) for k, v in zipped])
            else:
                out.append(self.rewrite(value, trail, 1))
        return out


def _checked_int(obj: int, trail: Trail) -> int:
    if not -(2**63) <= obj < 2**64:
        raise _Fault("Integer exceeds 64-bit range", trail)
    return int(obj)


def _checked_key(key: Any, trail: Trail) -> Any:
    if isinstance(key, str):
        return key if isinstance(key, Enum) else key.encode("utf-8", "replace").decode()
    if isinstance(key, int):
        return _checked_int(key, (trail, "keyof", key))
    if isinstance(key, tuple):
        return tuple(_checked_key(part, (trail, "keyof", key)) for part in key)
    return key


def _is_plain_key(key: Any) -> bool:
    """True if ormsgpack stores and restores the key as an equal one."""
    if isinstance(key, Enum):
        return isinstance(key, (str, int))
    if isinstance(key, tuple) and not hasattr(key, "_fields"):
        return all(map(_is_plain_key, key))
    return key is None or isinstance(key, (str, int)) or type(key) in (float, bytes)


def _public_name(cls: type) -> str:
    return f"numpy.{cls.__name__}" if cls.__module__ == "numpy" else cls.__name__
