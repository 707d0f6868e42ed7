"""Building typed objects from stored data: which classes are admitted, and how each is built.

An `Allowlist` turns a stored name into a builder: for values of the standard library, Caesura's own
words, LangChain's messages and documents, and those enums, dataclasses, named tuples and pydantic
models that it was told of. There is one builder for each of these kinds, and nothing else is ever
called: stored data never selects a function.
"""

from __future__ import annotations

import dataclasses
import importlib
import sys
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from enum import Enum
from typing import Any, Final, TypeVar, cast

from caesura.checkpoint.serde._msgpack import (
    EXT_CONSTRUCTOR_KW_ARGS,
    EXT_CONSTRUCTOR_POS_ARGS,
    EXT_CONSTRUCTOR_SINGLE_ARG,
    EXT_METHOD_SINGLE_ARG,
    KNOWN_LIMIT,
    MODELS,
    STDLIB,
    AllowedMsgpackModules,
    TypeName,
    instance_fields,
    is_pydantic,
    type_name,
)
from caesura.errors import DeserializationError

Build = Callable[[int, list[Any]], Any]
T = TypeVar("T")


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
                module = current_module(".".join(entry[:-1]))
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
        module = current_module(module)
        if (module, name) in STDLIB:
            return _stdlib_builder(module, name)
        if name in MODELS.get(module, ()):
            return _class_builder(_import(module, name))
        if (module, name) in self.named:
            return _class_builder(self.named[module, name] or _import(module, name))
        return _class_builder(_import(module, name)) if self.everything else None


def current_module(module: str) -> str:
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
    if name in ("IPv4Network", "IPv6Network"):
        return lambda code, body: endless(cls(*_arguments(code, body[2])))
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
        import pathlib

        return pathlib.Path(*segments)


def hashable(value: Any) -> Any:
    """``value`` with lists turned into the tuples they were, to serve as key or element."""
    return tuple(map(hashable, value)) if isinstance(value, list) else value


_SPECIAL: Final[dict[str, Callable[..., Any]]] = {
    "compile": _build_pattern,
    "set": lambda items: set(map(hashable, _listed(items))),
    "frozenset": lambda items: frozenset(map(hashable, _listed(items))),
    "deque": lambda items, *limit: deque(_listed(items), *limit),
}


# --- values that go on for ever -------------------------------------------------------------------
#
# A network or a range takes a few bytes, and whoever goes through it meets 2**128 addresses. So builders
# go through lists only, and pydantic, which takes anything iterable for a list, is not given such values.

_endless: Final[set[type]] = set()
"""Classes of such values that were built here. As long as there are none, nothing is looked for."""


def endless(value: T) -> T:
    """``value``, noted as one that nobody may go through."""
    _endless.add(type(value))
    return value


def _listed(items: Any) -> list[Any]:
    if not isinstance(items, list):
        raise DeserializationError("Stored data has an unknown shape")
    return items


def _holds_endless(value: Any) -> bool:
    """True if ``value`` is, or holds in collections, a value that was noted as endless."""
    waiting = [value] if _endless else []
    while waiting:
        current = waiting.pop()
        if type(current) in _endless:
            return True
        if isinstance(current, dict):
            waiting += current.values()
        elif isinstance(current, (list, tuple, deque, set, frozenset)):
            waiting += current
        elif _may_hold_anything(current):
            return True
    return False


def _may_hold_anything(value: Any) -> bool:
    """True for what numpy and pandas keep objects in."""
    of_pandas = type(value).__module__.partition(".")[0] == "pandas"
    return of_pandas or getattr(getattr(value, "dtype", None), "kind", "") == "O"


# --- classes ---------------------------------------------------------------------------------------


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
        given = set(_listed(body[4])) if len(body) > 4 else set(fields)
        try:
            if options is None:
                raise TypeError("validation would read aliases")
            if _holds_endless(fields):
                raise TypeError("validation might go through it")
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
        if _holds_endless(fields):
            raise TypeError("validation might go through it")
        return cls(**fields)
    except Exception:
        return cls.construct(**fields)


def _build_send(cls: Any, code: int, payload: Any) -> Any:
    node, arg, *timeout = _listed(payload)
    return cls(node, arg, timeout=timeout[0] if timeout else None)


def _build_interrupt(cls: Any, code: int, payload: Any) -> Any:
    return cls(**payload) if isinstance(payload, dict) else cls(*_listed(payload))


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
    fields["namespace"] = tuple(_listed(fields["namespace"]))
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
