"""The lives of nested graphs, read off a run's events. Pure; the library's event streams and the server share it.

A nested graph is known by its namespace, whose last part is ``node:task``: it begins with the first
event from inside, and ends with the result of that task, which is an event of the graph around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

Namespace = tuple[str, ...]
Status = Literal["started", "completed", "failed", "interrupted", "drained"]


class Lives:
    """The nested graphs of one run that have begun; ``open`` are those that have not ended."""

    def __init__(self) -> None:
        self._known: set[Namespace] = set()
        self.open: list[Namespace] = []

    def begin(self, ns: Namespace) -> bool:
        """Something came from inside ``ns``: true if it is the first."""
        if ns in self._known:
            return False
        self._known.add(ns)
        self.open.append(ns)
        return True

    def begin_all(self, ns: Namespace) -> list[Namespace]:
        """`begin` for ``ns`` and every graph around it, outermost first; returns the new ones."""
        around = (ns[:depth] for depth in range(1, len(ns) + 1))
        return [each for each in around if self.begin(each)]

    def end_of(self, ns: Namespace, task: Mapping[str, Any]) -> Namespace | None:
        """``task``, the result of a task in ``ns``, ends this graph."""
        child = (*ns, f"{task['name']}:{task['id']}")
        return child if self.end(child) else None

    def end(self, ns: Namespace) -> bool:
        """``ns`` has ended: true if it was open."""
        if ns not in self.open:
            return False
        self.open.remove(ns)
        return True

    def end_all(self) -> Iterable[Namespace]:
        """Nothing more comes: those that were open."""
        ended, self.open = self.open, []
        return ended


def status_of(task: Mapping[str, Any]) -> tuple[Status, str | None]:
    """How the result of a task ended the graph in it: status, and the error's text if it failed."""
    error = task.get("error")
    if error is not None and error != "":
        return "failed", str(error)
    return ("interrupted" if task.get("interrupts") else "completed"), None


def part_of(segment: str) -> tuple[str, str | None]:
    """Node and task in one part of a namespace; the parts that only count calls have no task."""
    name, _, task = segment.partition(":")
    return name, task or None
