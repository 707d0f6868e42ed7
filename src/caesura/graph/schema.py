"""State classes → channels (source: semantics §2.1)."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Annotated, Any, NotRequired, Required, get_args, get_origin, get_type_hints

from caesura.channels.base import BaseChannel
from caesura.channels.binop import BinaryOperatorAggregate
from caesura.channels.delta import DeltaChannel
from caesura.channels.last_value import LastValue
from caesura.constants import ROOT
from caesura.managed.base import is_managed_value
from caesura.schemas.kinds import has_keys
from caesura.types import is_pydantic

Channels = dict[str, BaseChannel[Any, Any, Any]]


def channels_of(schema: Any) -> tuple[Channels, dict[str, Any]]:
    """The channels and managed values that ``schema`` declares, by key."""
    if not has_keys(schema):
        return {ROOT: _channel(ROOT, schema)}, {}
    channels, managed = {}, {}
    for key, annotation in get_type_hints(schema, include_extras=True).items():
        if key == "__slots__" or _is_class_var(annotation):
            continue
        value = _managed(annotation)
        if value is not None:
            managed[key] = value
        else:
            channels[key] = _channel(key, annotation)
    return channels, managed


def _is_class_var(annotation: Any) -> bool:
    from typing import ClassVar

    return annotation is ClassVar or get_origin(annotation) is ClassVar


def _strip(annotation: Any) -> Any:
    while get_origin(annotation) in (Required, NotRequired):
        annotation = get_args(annotation)[0]
    return annotation


def _managed(annotation: Any) -> Any:
    annotation = _strip(annotation)
    if is_managed_value(annotation):
        return annotation
    if get_origin(annotation) is Annotated:
        last = annotation.__metadata__[-1]
        if is_managed_value(last):
            return last
    return None


def _channel(key: str, annotation: Any) -> BaseChannel[Any, Any, Any]:
    annotation = _strip(annotation)
    if get_origin(annotation) is not Annotated:
        return LastValue(annotation, key)
    base, metadata = get_args(annotation)[0], annotation.__metadata__
    for item in metadata:
        if isinstance(item, BaseChannel):
            found = item.copy()
            found.key = key
            if isinstance(found, DeltaChannel):
                found.typ = base
            return found
        if isinstance(item, type) and issubclass(item, BaseChannel):
            found = item(base)
            found.key = key
            return found
    last = metadata[-1]
    if callable(last):
        if _is_reducer(last):
            return BinaryOperatorAggregate(base, last, key)
        raise ValueError(
            f"Invalid reducer signature. Expected (a, b) -> c. Got {inspect.signature(last)}"
        )
    return LastValue(base, key)


def _is_reducer(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # Some builtins have no signature.
        return True
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(1 for p in parameters if p.kind in positional) == 2


def coercer(schema: Any) -> Callable[[Any], Any] | None:
    """How a dict of present values becomes what a node is called with; None: as it is."""
    if is_pydantic(schema) or is_dataclass(schema):
        return lambda present: schema(**present) if isinstance(present, dict) else present
    return None
