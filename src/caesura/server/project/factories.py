"""Graph factories: functions that make a graph each time one is needed.

A factory is a function or an async function that returns a graph, or one decorated with
``contextlib.contextmanager`` or ``asynccontextmanager`` that yields one. It takes nothing, the run's
config (a dict), a `ServerRuntime`, or both: a parameter annotated ``ServerRuntime`` gets that; one
annotated ``RunnableConfig`` or named ``config``, or else the first, gets the config; of several, one
named ``runtime`` gets the runtime. Sync factories run in threads, as sync nodes do.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal, get_origin

from caesura.server.project.runtime import ServerRuntime

Wanted = Literal["config", "runtime"]


class FactoryError(TypeError):
    """The function cannot be a graph factory."""


class Factory:
    """A factory function, and what it wants to be called with. Raises `FactoryError`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self._parameters = _parameters(function)
        inner = inspect.unwrap(function)
        if inner is function and _is_generator(inner):
            decorator = (
                "asynccontextmanager" if inspect.isasyncgenfunction(inner) else "contextmanager"
            )
            raise FactoryError(
                f"is a generator; decorate it with @contextlib.{decorator} to make it a graph factory"
            )
        self._is_quick = _is_generator(inner) or inspect.iscoroutinefunction(inner)
        """Calling it runs nothing of its body yet."""

    @asynccontextmanager
    async def opened(
        self, config: Mapping[str, Any], runtime: ServerRuntime[Any]
    ) -> AsyncIterator[Any]:
        """What the factory makes, while the block runs. Whatever it raises passes through."""
        args, named = self._arguments(config, runtime)
        if self._is_quick:
            made = self.function(*args, **named)
        else:
            made = await asyncio.to_thread(self.function, *args, **named)
        if inspect.isawaitable(made):
            made = await made
        if hasattr(type(made), "__aenter__"):
            async with made as graph:
                yield graph
        elif hasattr(type(made), "__enter__"):
            async with _in_threads(made) as graph:
                yield graph
        else:
            yield made

    def _arguments(
        self, config: Mapping[str, Any], runtime: ServerRuntime[Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        args: list[Any] = []
        named: dict[str, Any] = {}
        for parameter, wanted in self._parameters:
            value = runtime if wanted == "runtime" else _full(config)
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                args.append(value)
            else:
                named[parameter.name] = value
        return args, named


def _full(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config of its own for the factory, with the keys that are looked up without asking."""
    full: dict[str, Any] = {"tags": [], "metadata": {}, **config}
    full["configurable"] = dict(full.get("configurable") or {})
    return full


def _is_generator(function: Any) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def _parameters(function: Callable[..., Any]) -> list[tuple[inspect.Parameter, Wanted]]:
    """The parameters that get something, and what."""
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    found = [p for p in inspect.signature(function).parameters.values() if p.kind not in variable]
    wanted: dict[str, Wanted] = {}
    for parameter in found:
        named = _named(parameter, several=len(found) > 1)
        if named is not None:
            wanted[parameter.name] = named
    for parameter in found:
        if parameter.name in wanted or parameter.default is not inspect.Parameter.empty:
            continue
        if "config" in wanted.values():
            raise FactoryError(
                f"needs a value for its parameter {parameter.name!r}; a graph factory gets a config "
                "(`config: RunnableConfig`), a runtime (`runtime: ServerRuntime`), or both"
            )
        wanted[parameter.name] = "config"
    return [(p, wanted[p.name]) for p in found if p.name in wanted]


def _named(parameter: inspect.Parameter, *, several: bool) -> Wanted | None:
    """What a parameter wants by its annotation or name."""
    annotation = _name_of(parameter.annotation)
    if annotation == "ServerRuntime":
        return "runtime"
    if annotation == "RunnableConfig" or parameter.name == "config":
        return "config"
    return "runtime" if several and parameter.name == "runtime" else None


def _name_of(annotation: Any) -> str:
    """``Name`` of ``module.Name[...]``, written out or as a text."""
    if isinstance(annotation, str):
        return annotation.partition("[")[0].rpartition(".")[2].strip()
    return str(getattr(get_origin(annotation) or annotation, "__name__", ""))


@asynccontextmanager
async def _in_threads(manager: Any) -> AsyncIterator[Any]:
    """A sync context manager, entered and left in threads."""
    graph = await asyncio.to_thread(manager.__enter__)
    try:
        yield graph
    except BaseException as error:
        # A stop of the block must reach the manager too; only what it swallows is not raised again.
        if not await asyncio.to_thread(manager.__exit__, type(error), error, error.__traceback__):
            raise
    else:
        await asyncio.to_thread(manager.__exit__, None, None, None)
