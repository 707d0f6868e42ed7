"""Runs generators of storage effects and branch calls where no graph is running (state methods)."""

from __future__ import annotations

import inspect
from collections.abc import Generator
from typing import Any

from caesura.core.effects import Store
from caesura.core.program import Action, Branch, Write
from caesura.core.state import ThreadState
from caesura.execution.body import Call
from caesura.execution.call import no_sync_form
from caesura.runtime import Runtime


def perform(steps: Generator[Any, Any, Any], saver: Any) -> Any:
    """Run ``steps`` to their end; returns what they return."""
    value: Any = None
    while True:
        try:
            effect = steps.send(value)
        except StopIteration as stop:
            return stop.value
        if type(effect) is Store:
            value = saver.execute(effect.operation)
        elif type(effect) is Call:
            value = _call(effect)


async def aperform(steps: Generator[Any, Any, Any], saver: Any) -> Any:
    """As `perform`, with the saver's async form and async functions."""
    value: Any = None
    while True:
        try:
            effect = steps.send(value)
        except StopIteration as stop:
            return stop.value
        if type(effect) is Store:
            value = await saver.aexecute(effect.operation)
        elif type(effect) is Call:
            action = effect.action
            if action.afunc is not None:
                value = await action.afunc(*effect.args, **_outside(action))
            else:
                value = _call(effect)
            if inspect.isawaitable(value):
                value = await value


def _call(effect: Call) -> Any:
    action = effect.action
    if action.func is None:
        raise no_sync_form(action.name)
    return action.func(*effect.args, **_outside(action))


def _outside(action: Action) -> dict[str, Any]:
    """What is injected where no run is going on."""
    runtime: Runtime[Any] = Runtime()
    known = {
        "config": {},
        "writer": runtime.stream_writer,
        "store": None,
        "previous": None,
        "runtime": runtime,
    }
    return {name: known[name] for name in action.inject if name in known}


def decide_branch(
    branch: Branch, result: Any, writes: list[Write], state: ThreadState
) -> Generator[Any, Any, list[Write]]:
    """Run a conditional edge for ``update_state``: its path sees the update's own writes."""

    def read(keys: Any) -> Any:
        names = (keys,) if isinstance(keys, str) else keys
        found = {}
        for name in names:
            channel = state.channels[name]
            mine = [value for written, value in writes if written == name]
            if mine:
                channel = channel.copy()
                channel.update(mine)
            if channel.is_available():
                found[name] = channel.get()
        return found.get(keys) if isinstance(keys, str) else found

    chosen = yield Call(branch.action, (branch.read(read, result),))
    return branch.route(chosen)
