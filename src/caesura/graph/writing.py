"""A node's result → the writes it stands for (source: semantics §2.3, §2.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from caesura.constants import ROOT
from caesura.core.program import Write
from caesura.errors import ErrorCode, InvalidUpdateError, ParentCommand, create_error_message
from caesura.graph.branch import goto_write
from caesura.types import Command, Send, annotated_pairs, iterate_goto, update_as_tuples


def collector(keys: frozenset[str], static: list[Write]) -> Callable[[Any], list[Write]]:
    """How a node of a graph with ``keys`` writes its result; ``static``: its plain edges."""
    root = keys == {ROOT}

    def collect(result: Any) -> list[Write]:
        if type(result) is dict and not root:
            writes = [(key, value) for key, value in result.items() if key in keys]
        else:
            writes = _root_writes(result) if root else _writes(result, keys)
        if static:
            writes += static
        return writes

    return collect


def _command_writes(command: Command[Any], keys: frozenset[str]) -> list[Write]:
    if command.graph == Command.PARENT:
        raise ParentCommand(command)
    writes = [(key, value) for key, value in update_as_tuples(command.update) if key in keys]
    for target in iterate_goto(command.goto) if command.goto else ():
        writes += goto_write(target)
    return writes


def _root_writes(result: Any) -> list[Write]:
    keys = frozenset((ROOT,))
    if isinstance(result, Command):
        return _command_writes(result, keys)
    if isinstance(result, Send):
        return goto_write(result)
    if isinstance(result, (list, tuple)) and result and _has_jumps(result):
        writes: list[Write] = []
        for item in result:
            writes += _root_writes(item)
        return writes
    return [] if result is None else [(ROOT, result)]


def _has_jumps(items: Any) -> bool:
    return any(isinstance(item, Command) for item in items)


def _writes(result: Any, keys: frozenset[str]) -> list[Write]:
    if result is None:
        return []
    if isinstance(result, dict):
        return [(key, value) for key, value in result.items() if key in keys]
    if isinstance(result, Command):
        return _command_writes(result, keys)
    if isinstance(result, Send):
        return goto_write(result)
    if isinstance(result, (list, tuple)) and result and _has_jumps(result):
        writes: list[Write] = []
        for item in result:
            writes += _writes(item, keys)
        return writes
    pairs = annotated_pairs(result)
    if pairs is None:
        raise InvalidUpdateError(
            create_error_message(
                message=f"Expected dict, got {result}",
                error_code=ErrorCode.INVALID_GRAPH_NODE_RETURN_VALUE,
            )
        )
    return [(key, value) for key, value in pairs if key in keys]
