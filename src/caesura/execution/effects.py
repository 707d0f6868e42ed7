"""Runs generators of storage effects and branch calls where no graph is running (state methods)."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from caesura.checkpoint.operations import History
from caesura.core.effects import Store
from caesura.core.inspect import FAR
from caesura.core.program import Action, Branch, Write
from caesura.core.state import ThreadState
from caesura.execution.body import FreshState
from caesura.execution.call import no_sync_form
from caesura.runtime import Runtime


def perform(steps: Generator[Any, Any, Any], saver: Any) -> Any:
    """Run ``steps`` to their end; returns what they return."""
    value: Any = None
    advance: Callable[[Any], Any] = steps.send
    while True:
        try:
            effect = advance(value)
        except StopIteration as stop:
            return stop.value
        try:
            if type(effect) is Store:
                value = saver.execute(effect.operation)
            elif type(effect) is tuple:
                value = _call(*effect)
            advance = steps.send
        except BaseException as error:
            value, advance = error, steps.throw


def aexecute(saver: Any, operation: Any) -> Awaitable[Any]:
    """Perform an operation; a history read piece by piece is gathered into a list."""
    made: Awaitable[Any] = saver.aexecute(operation)
    return _gathered(made) if type(operation) is History else made


async def _gathered(made: Awaitable[Any]) -> list[Any]:
    return [item async for item in await made]


async def aperform(steps: Generator[Any, Any, Any], saver: Any) -> Any:
    """As `perform`, with the saver's async form and async functions."""
    value: Any = None
    advance: Callable[[Any], Any] = steps.send
    while True:
        try:
            effect = advance(value)
        except StopIteration as stop:
            return stop.value
        try:
            if type(effect) is Store:
                value = await aexecute(saver, effect.operation)
            elif type(effect) is tuple:
                value = await _acall(*effect)
            advance = steps.send
        except BaseException as error:
            value, advance = error, steps.throw


def _call(action: Action, args: tuple[Any, ...]) -> Any:
    if action.func is None:
        raise no_sync_form(action.name)
    return action.func(*args, **injected_outside(action))


async def _acall(action: Action, args: tuple[Any, ...]) -> Any:
    if action.afunc is not None:
        value = await action.afunc(*args, **injected_outside(action))
    else:
        value = _call(action, args)
    return await value if inspect.isawaitable(value) else value


def injected_outside(action: Action) -> dict[str, Any]:
    """What is injected where no run is going on."""
    runtime: Runtime[Any] = Runtime()
    known = {
        "config": {},
        "writer": runtime.stream_writer,
        "store": None,
        "previous": None,
        "runtime": runtime,
        "error": None,
    }
    return {name: known[name] for name in action.inject if name in known}


def decide_branch(
    branch: Branch, result: Any, writes: list[Write], state: ThreadState
) -> Generator[Any, Any, list[Write]]:
    """Run a conditional edge for ``update_state``: its path sees the update's own writes."""

    fresh = FreshState(state, writes, state.step + 1, state.step + FAR)
    chosen = yield branch.action, (branch.read(fresh, result),)
    return branch.route(chosen)
