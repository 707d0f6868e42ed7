"""Classes that programs of this process declare, so that stored data may name them.

A state's classes come from its schemas. A task's result has no schema; its return annotation is what
its author declares, so classes reachable from it count too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

declared_types: set[type] = set()


def declare(annotations: Iterable[Any]) -> None:
    """Allow the classes reachable from ``annotations``."""
    declared_types.update(_collected([a for a in annotations if a is not None]))


def allowed_types(schemas: Iterable[Any]) -> set[type]:
    """What a program with these schemas may read: their classes, and all that were declared."""
    return declared_types.union(_collected(schemas))


def _collected(annotations: Iterable[Any]) -> list[type]:
    from caesura.checkpoint.serde.reachable import collect_types  # brings the serializer along

    return collect_types(annotations)
