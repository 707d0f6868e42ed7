"""User functions → `Action`s: their sync and async forms, and what is injected by parameter name."""

from __future__ import annotations

import dis
import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any, get_type_hints

from caesura.core.program import Action

INJECTABLE = ("config", "writer", "store", "previous", "runtime", "error")
_CONFIG_TEXTS = ("RunnableConfig", "Optional[RunnableConfig]", "RunnableConfig | None")


def action_of(function: Any, name: str | None = None) -> Action:
    """``function`` as drivers call it. Raises TypeError if it cannot be called."""
    if isinstance(function, dict):
        function = _parallel(function)
    if is_runnable(function):
        return _runnable(function, name)
    if not callable(function):
        raise TypeError(
            "Expected a Runnable, callable or dict."
            f"Instead got an unsupported type: {type(function)}"
        )
    called = _callable_of(function)
    inject = _injected(called)
    name = name or name_of(function)
    if inspect.iscoroutinefunction(_innermost(called)):
        return Action(name, None, function, inject, function)
    if inspect.isasyncgenfunction(_innermost(called)):
        return Action(name, None, _collect_async(function), inject, function)
    if inspect.isgeneratorfunction(_innermost(called)):
        return Action(name, _collect_sync(function), None, inject, function)
    return Action(name, function, None, inject, function)


def is_runnable(value: Any) -> bool:
    """True for graphs, and for what has both their ways to be called."""
    return hasattr(value, "invoke") and hasattr(value, "ainvoke")


def name_of(function: Any) -> str:
    """The name a function goes by: its own, that of what a partial wraps, or its class."""
    if isinstance(function, functools.partial):
        return name_of(function.func)
    if hasattr(function, "get_name"):
        return str(function.get_name())
    named = getattr(function, "__name__", None) or getattr(function, "name", None)
    return str(named or type(function).__name__)


def _callable_of(function: Any) -> Any:
    """What is called in the end: of a callable object its ``__call__``."""
    if inspect.isroutine(function) or isinstance(function, (functools.partial, type)):
        return function
    return function.__call__


def _innermost(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function):
        return function
    return type(function).__call__ if callable(function) else function


def _injected(function: Any) -> tuple[str, ...]:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return ()
    found = []
    for position, (name, parameter) in enumerate(parameters.items()):
        if name not in INJECTABLE or parameter.kind in (
            parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY,
        ):  # fmt: skip
            continue
        if position == 0 and name not in ("config", "writer", "runtime", "error"):
            continue
        if _accepts(function, name, parameter):
            found.append(name)
    return tuple(found)


def _accepts(function: Any, name: str, parameter: inspect.Parameter) -> bool:
    """Whether the parameter's annotation is of the kind that its name promises."""
    annotation = parameter.annotation
    if annotation is inspect.Parameter.empty:
        return name != "error"
    text = annotation if isinstance(annotation, str) else _text(annotation)
    if name == "config":
        if "RunnableConfig" in text or text == "dict":
            return True
        warnings.warn(
            f"The 'config' parameter should be typed as 'RunnableConfig' or "
            f"'RunnableConfig | None', not '{text}'.",
            UserWarning,
            stacklevel=6,
        )
        return False
    if name == "store":
        return "Store" in text
    if name == "writer":
        return "StreamWriter" in text or "Callable" in text
    if name == "runtime":
        return "Runtime" in text
    if name == "error":
        return "NodeError" in text
    return True


def _text(annotation: Any) -> str:
    if isinstance(annotation, type) and not hasattr(annotation, "__origin__"):
        return annotation.__name__
    return str(annotation)


def first_annotation(function: Any) -> Any:
    """The class the first parameter is annotated with; None if there is none."""
    called = _callable_of(function) if callable(function) else function
    while isinstance(called, functools.partial):
        called = called.func
    try:
        hints = get_type_hints(called)
        first = next(iter(inspect.signature(called).parameters), None)
    except Exception:
        return None
    return hints.get(first) if first is not None else None


def return_annotation(function: Any) -> Any:
    """What the function is annotated to return; None if nothing."""
    called = _callable_of(function) if callable(function) else function
    while isinstance(called, functools.partial):
        called = called.func
    try:
        return get_type_hints(called, include_extras=True).get("return")
    except Exception:
        return None


def _runnable(runnable: Any, name: str | None) -> Action:
    """A graph or another object with ``invoke`` and ``ainvoke``."""
    from caesura.pregel.compiled import Pregel

    if isinstance(runnable, Pregel):
        return Action(name or runnable.name, runnable.invoke, runnable.ainvoke, (), runnable)

    def call(value: Any, *, config: Any) -> Any:
        return runnable.invoke(value, config)

    async def acall(value: Any, *, config: Any) -> Any:
        return await runnable.ainvoke(value, config)

    return Action(name or name_of(runnable), call, acall, ("config",), runnable)


def _parallel(functions: dict[str, Any]) -> Callable[[Any], dict[str, Any]]:
    """A dict of functions: each is called with the input; the results form a dict."""

    def run(value: Any) -> dict[str, Any]:
        return {
            key: part.invoke(value) if hasattr(part, "invoke") else part(value)
            for key, part in functions.items()
        }

    return run


def _collect_sync(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        return _joined(list(function(*args, **kwargs)))

    return run


def _collect_async(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        return _joined([chunk async for chunk in function(*args, **kwargs)])

    return run


def _joined(chunks: list[Any]) -> Any:
    """A generator's chunks added up where they can be; otherwise the last one."""
    joined = None
    for index, chunk in enumerate(chunks):
        if index == 0:
            joined = chunk
            continue
        try:
            joined = joined + chunk
        except TypeError:
            joined = chunk
    return joined


def closure_graphs(function: Any) -> tuple[Any, ...]:
    """Compiled graphs that a node is, or refers to from its closure or globals."""
    from caesura.pregel.compiled import Pregel

    if isinstance(function, Pregel):
        return (function,)
    called = _innermost(function) if callable(function) else function
    called = inspect.unwrap(getattr(called, "__func__", called))
    if not inspect.isfunction(called):
        return ()
    try:
        names = inspect.getclosurevars(called)
    except Exception:
        return ()
    found = [_graph_in(value) for value in names.nonlocals.values()]
    outside = {key: graph for key, v in names.globals.items() if (graph := _graph_in(v))}
    if outside:  # `getclosurevars` takes ``self.name`` for the global ``name``, too.
        loaded = {i.argval for i in dis.get_instructions(called) if i.opname == "LOAD_GLOBAL"}
        found += [graph for key, graph in outside.items() if key in loaded]
    return tuple(graph for graph in found if graph is not None)


def _graph_in(value: Any) -> Any:
    """The compiled graph that ``value`` is, or is a method of; None if there is none."""
    from caesura.pregel.compiled import Pregel

    owner = value if isinstance(value, Pregel) else getattr(value, "__self__", None)
    return owner if isinstance(owner, Pregel) else None
