"""Which classes a program's state can hold, by what its schemas say.

Reading stored data builds only classes that are allowed. Those that a state schema names are meant
to be stored, so compiling a program allows them: dataclasses, enums, named tuples and pydantic models
in the annotations, in what those classes' fields are annotated with, and so on. Subclasses that no
annotation names, and names that cannot be resolved, are not found: allow them at the serializer.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from caesura.channels.base import BaseChannel
from caesura.checkpoint.serde._msgpack import MODELS, STDLIB, is_pydantic, type_name

__all__ = ["collect_types"]


def collect_types(schemas: Iterable[Any]) -> list[type]:
    """The classes reachable from ``schemas`` (any annotations) that need to be allowed, each once.

    In the order in which they are met; what may always be built is left out. Pass the result to
    ``saver.with_allowlist``.
    """
    walk = _Walk()
    for schema in schemas:
        walk.visit(schema)
    return walk.found


class _Walk:
    def __init__(self) -> None:
        self.found: list[type] = []
        self._seen: dict[int, Any] = {}  # by id: annotations need not be hashable

    def visit(self, tp: Any) -> None:
        waiting = [tp]
        while waiting:
            current = waiting.pop()
            if id(current) in self._seen or current is None:
                continue
            self._seen[id(current)] = current
            if isinstance(current, type) and _is_built(current) and not _is_always_built(current):
                self.found.append(current)
            waiting.extend(reversed(list(_named_by(current))))


def _is_built(cls: type) -> bool:
    """True for the kinds of classes that `building` can build when they are allowed."""
    if issubclass(cls, Enum) or dataclasses.is_dataclass(cls):
        return True
    if is_pydantic(cls, "pydantic") or is_pydantic(cls, "pydantic.v1"):
        return True
    return issubclass(cls, tuple) and hasattr(cls, "_fields")


def _is_always_built(cls: type) -> bool:
    module, name = type_name(cls)
    return (module, name) in STDLIB or name in MODELS.get(module, ())


def _named_by(tp: Any) -> Iterator[Any]:
    """The annotations, classes and channels that ``tp`` is made of, one level down."""
    if isinstance(tp, list | tuple):  # the parameters of a Callable
        yield from tp
        return
    if get_origin(tp) is Literal:
        yield from (type(value) for value in get_args(tp) if isinstance(value, Enum))
        return
    yield get_origin(tp)
    yield from get_args(tp)
    if isinstance(tp, type) and get_origin(tp) is None:
        if not _is_always_built(tp) and (_is_built(tp) or typing.is_typeddict(tp)):
            yield from _field_types(tp)
        return
    if isinstance(tp, BaseChannel):  # among the notes of an `Annotated`
        yield tp.typ
    elif isinstance(tp, typing.TypeVar):
        yield from (_said(tp, name) for name in ("__bound__", "__constraints__", "__default__"))
    else:  # a `NewType` or a type alias
        yield from (_said(tp, name) for name in ("__supertype__", "__value__"))


def _said(tp: Any, name: str) -> Any:
    """An attribute of an annotation; None if it has none, or names what cannot be resolved."""
    try:
        return getattr(tp, name, None)
    except Exception:
        return None


def _field_types(cls: type) -> Iterator[Any]:
    if is_pydantic(cls, "pydantic") and getattr(cls, "__pydantic_complete__", False):
        for field in cls.__pydantic_fields__.values():  # type: ignore[attr-defined]
            yield field.annotation
            yield from field.metadata
        return
    try:
        yield from typing.get_type_hints(
            cls, None, {cls.__name__: cls}, include_extras=True
        ).values()
    except Exception:
        yield from _resolvable(cls)


def _resolvable(cls: type) -> Iterator[Any]:
    """The hints of the fields whose annotations can be resolved, where not all can."""
    for base in reversed(cls.__mro__):
        names = {**vars(sys.modules.get(base.__module__, object)), cls.__name__: cls}
        for name, annotation in inspect.get_annotations(base).items():
            alone: Any = types.SimpleNamespace(__annotations__={name: annotation})
            try:
                hints = typing.get_type_hints(alone, names, include_extras=True)
            except Exception:
                continue
            yield from hints.values()
