"""`RunnableCallable`: a function's sync and async form as one node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from caesura.config import find_scope
from caesura.core.program import Action
from caesura.execution.call import no_sync_form
from caesura.execution.context import TaskScope
from caesura.execution.effects import injected_outside
from caesura.pregel.injection import action_of, is_runnable, name_of

__all__ = ("RunnableCallable",)


class RunnableCallable:
    """Calls ``func``, or ``afunc`` in async runs; either may be None.

    What a node is given by parameter name (``runtime``, ``config``, ...), they are given too.
    ``recurse``: a Runnable that they return is called with the same input. ``explode_args``: the
    input is ``(args, kwargs)``. Further ``kwargs`` are handed over with each call. Raises ValueError
    without a function.
    """

    def __init__(
        self,
        func: Callable[..., Any] | None,
        afunc: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        trace: bool = True,
        recurse: bool = True,
        explode_args: bool = False,
        **kwargs: Any,
    ) -> None:
        if func is None and afunc is None:
            raise ValueError("At least one of func or afunc must be provided.")
        self.name = name or name_of(func or afunc)
        self.func, self.afunc, self.tags, self.trace = func, afunc, tags, trace
        self.recurse, self.explode_args, self.kwargs = recurse, explode_args, kwargs
        self._sync = None if func is None else action_of(func, self.name)
        self._async = None if afunc is None else action_of(afunc, self.name)

    def __repr__(self) -> str:
        return f"RunnableCallable({self.name})"

    def get_name(self) -> str:
        """Its name."""
        return self.name

    def invoke(self, input: Any, config: Mapping[str, Any] | None = None, **kwargs: Any) -> Any:
        """Call the sync function. Raises TypeError if there is none."""
        if self._sync is None or self._sync.func is None:
            raise no_sync_form(self.name)
        args, given = self._arguments(self._sync, input, config, kwargs)
        result = self._sync.func(*args, **given)
        return result.invoke(input, config) if self._goes_on(result) else result

    async def ainvoke(
        self, input: Any, config: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        """Await the async function; without one, call the sync one in a thread."""
        action = self._async or self._sync
        assert action is not None
        args, given = self._arguments(action, input, config, kwargs)
        if action.afunc is not None:
            result = await action.afunc(*args, **given)
        else:
            assert action.func is not None
            result = await asyncio.to_thread(action.func, *args, **given)
        return await result.ainvoke(input, config) if self._goes_on(result) else result

    def _goes_on(self, result: Any) -> bool:
        return self.recurse and is_runnable(result)

    def _arguments(
        self, action: Action, input: Any, config: Mapping[str, Any] | None, more: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        scope = find_scope()
        injected = (
            scope.injected(action) if isinstance(scope, TaskScope) else injected_outside(action)
        )
        if config is not None and "config" in injected:
            injected["config"] = config
        if not self.explode_args:
            return (input,), {**self.kwargs, **injected, **more}
        args, kwargs = input
        return tuple(args), {**self.kwargs, **injected, **kwargs, **more}
