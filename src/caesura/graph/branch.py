"""Conditional edges: from a path function's result to the nodes that run next."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from caesura.constants import END, START, TASKS
from caesura.core.program import Action, Write
from caesura.errors import InvalidUpdateError
from caesura.pregel.injection import action_of, return_annotation
from caesura.types import Send


@dataclass(slots=True)
class BranchSpec:
    """A conditional edge as declared. ``ends``: result → node name, or None: results are names."""

    path: Any
    action: Action
    ends: dict[Hashable, str] | None
    input_schema: Any = None

    @classmethod
    def of(cls, path: Any, path_map: Any, input_schema: Any = None) -> BranchSpec:
        """Read ``path_map`` (dict, list, or from the path's ``Literal`` return annotation)."""
        ends: dict[Hashable, str] | None = None
        if isinstance(path_map, dict):
            ends = dict(path_map)
        elif isinstance(path_map, (list, tuple)):
            ends = {name: name for name in path_map}
        else:
            annotation = return_annotation(path)
            if get_origin(annotation) is Literal:
                ends = {name: name for name in get_args(annotation)}
        return cls(path, action_of(path), ends, input_schema)

    def route(self, result: Any) -> list[Write]:
        """The writes that make the chosen nodes run."""
        if not isinstance(result, (list, tuple)):
            return _checked_write(self._target(result))
        chosen = [self._target(each) for each in result]
        return [write for target in chosen for write in _checked_write(target)]

    def _target(self, chosen: Any) -> Any:
        return self.ends[chosen] if self.ends and not isinstance(chosen, Send) else chosen


def _checked_write(target: Any) -> list[Write]:
    if target is None or target == START:
        raise ValueError("Branch did not return a valid destination")
    return goto_write(target)


def goto_write(target: Any) -> list[Write]:
    """The write that makes ``target`` run: none for END. Raises `InvalidUpdateError`."""
    if isinstance(target, Send):
        if target.node == END:
            raise InvalidUpdateError("Cannot send a packet to the END node")
        return [(TASKS, target)]
    return [] if target == END else [(f"branch:to:{target}", None)]
