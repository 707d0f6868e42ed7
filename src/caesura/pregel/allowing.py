"""Classes that programs of this process declare, so that stored data may name them.

A state's classes come from its schemas. A task's result has no schema; its return annotation is what
its author declares, so classes reachable from it count too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from caesura.checkpoint.serde.reachable import collect_types

declared_types: set[type] = set()


def declare(annotations: Iterable[Any]) -> None:
    """Allow the classes reachable from ``annotations``."""
    declared_types.update(collect_types([a for a in annotations if a is not None]))
