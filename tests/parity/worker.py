"""Runs a batch of programs on one side and prints one line of JSON for each.

``python -m parity.worker judge|caesura`` reads the cases from standard input, as a list of
``{"key", "path", "colour", "saver"}``. Standard output carries nothing but results; what programs
print goes to standard error. On the side ``caesura`` every ``import langgraph...`` of a program
resolves to Caesura.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import importlib
import importlib.util
import inspect
import itertools
import json
import logging
import os
import sys
import traceback
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
from psycopg import sql

from .normalise import encode


class Record:
    """What a program calls to note an observation; names are unique within a program."""

    def __init__(self) -> None:
        self.observations: list[tuple[str, Any]] = []

    def __call__(self, name: str, value: Any) -> None:
        """Note ``value``, as it is now, under ``name``."""
        if any(name == known for known, _ in self.observations):
            raise ValueError(f"observation {name!r} was recorded twice")
        self.observations.append((name, encode(value)))

    def raises(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call ``function`` and note the exception, or that it returned, and what."""
        try:
            outcome: Any = {"returned": function(*args, **kwargs)}
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            outcome = error
        self(name, outcome)

    async def raises_async(self, name: str, awaitable: Awaitable[Any]) -> None:
        """`raises` for something to await."""
        try:
            outcome: Any = {"returned": await awaitable}
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            outcome = error
        self(name, outcome)


RESULTS = ("output", "interrupted", "interrupts")


class SyncDrive:
    """The sync colour of a graph's methods; `AsyncDrive` has the same ones in the async colour."""

    colour = "sync"

    def node(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function`` in this colour: as it is, or as a coroutine function of the same name."""
        return function

    def invoke(self, graph: Any, *args: Any, **kwargs: Any) -> Any:
        return graph.invoke(*args, **kwargs)

    def stream(self, graph: Any, *args: Any, **kwargs: Any) -> list[Any]:
        """All chunks; if the stream raises, the exception is the last item."""
        return _items(graph.stream(*args, **kwargs))

    def events(self, graph: Any, *args: Any, **kwargs: Any) -> list[Any]:
        """All events of a v3 run without their times; if it raises, the exception is the last item."""
        return _timeless(self.projection(graph, None, *args, **kwargs))

    def projection(self, graph: Any, name: str | None, *args: Any, **kwargs: Any) -> list[Any]:
        """All items of a projection of a v3 run; None: the run itself."""
        with graph.stream_events(*args, version="v3", **kwargs) as run:
            return _items(run if name is None else run.extensions[name])

    def results(self, graph: Any, *args: Any, **kwargs: Any) -> list[Any]:
        """Output, interrupted and interrupts of a v3 run that nothing else is read of."""
        run = graph.stream_events(*args, version="v3", **kwargs)
        return [_outcome(lambda name=name: getattr(run, name)) for name in RESULTS]

    def state(self, graph: Any, *args: Any, **kwargs: Any) -> Any:
        return graph.get_state(*args, **kwargs)

    def history(self, graph: Any, *args: Any, **kwargs: Any) -> list[Any]:
        return list(graph.get_state_history(*args, **kwargs))

    def update(self, graph: Any, *args: Any, **kwargs: Any) -> Any:
        return graph.update_state(*args, **kwargs)

    def bulk_update(self, graph: Any, *args: Any, **kwargs: Any) -> Any:
        return graph.bulk_update_state(*args, **kwargs)

    def saved(self, saver: Any, config: Any) -> list[Any]:
        """The checkpoint tuples of ``config`` as ``saver`` lists them."""
        return list(saver.list(config))


class AsyncDrive(SyncDrive):
    """Runs everything on the event loop while the program itself runs in a thread."""

    colour = "async"

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def _await(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def node(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def coloured(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return coloured

    def invoke(self, graph: Any, *args: Any, **kwargs: Any) -> Any:
        return self._await(graph.ainvoke(*args, **kwargs))

    def stream(self, graph: Any, *args: Any, **kwargs: Any) -> list[Any]:
        return list(self._await(_collect(graph.astream(*args, **kwargs), keep_error=True)))

    def projection(self, graph: Any, name: str | None, *args: Any, **kwargs: Any) -> list[Any]:
        async def read() -> list[Any]:
            async with await graph.astream_events(*args, version="v3", **kwargs) as run:
                items = run if name is None else run.extensions[name]
                return await _collect(items, keep_error=True)

        return list(self._await(read()))

    def results(self, graph: Any, *args: Any, **kwargs: Any) -> list[Any]:
        run = self._await(graph.astream_events(*args, version="v3", **kwargs))
        return [_outcome(lambda name=name: self._await(getattr(run, name)())) for name in RESULTS]

    def state(self, graph: Any, *args: Any, **kwargs: Any) -> Any:
        return self._await(graph.aget_state(*args, **kwargs))

    def history(self, graph: Any, *args: Any, **kwargs: Any) -> list[Any]:
        return list(self._await(_collect(graph.aget_state_history(*args, **kwargs))))

    def update(self, graph: Any, *args: Any, **kwargs: Any) -> Any:
        return self._await(graph.aupdate_state(*args, **kwargs))

    def bulk_update(self, graph: Any, *args: Any, **kwargs: Any) -> Any:
        return self._await(graph.abulk_update_state(*args, **kwargs))

    def saved(self, saver: Any, config: Any) -> list[Any]:
        return list(self._await(_collect(saver.alist(config))))


def _items(items: Iterable[Any]) -> list[Any]:
    collected: list[Any] = []
    try:
        for item in items:
            collected.append(item)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        collected.append(error)
    return collected


def _outcome(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        return error


def _timeless(events: list[Any]) -> list[Any]:
    """Events without their times."""
    return [
        {**event, "params": {k: v for k, v in event["params"].items() if k != "timestamp"}}
        if isinstance(event, dict)
        else event
        for event in events
    ]


async def _collect(items: AsyncIterator[Any], keep_error: bool = False) -> list[Any]:
    collected: list[Any] = []
    try:
        async for item in items:
            collected.append(item)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        if not keep_error:
            raise
        collected.append(error)
    return collected


# --- one case --------------------------------------------------------------------------------


def run_case(case: dict[str, str], number: int) -> dict[str, Any]:
    """Run one program; a crash is part of the result, with its traceback."""
    record, crash = Record(), None
    try:
        program = _load(Path(case["path"]), f"parity_program_{number}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _run(program.run, record, case["colour"], case["saver"])
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        crash = _short_traceback(error, case["path"])
    return {"key": case["key"], "observations": record.observations, "crash": crash}


def _short_traceback(error: BaseException, path: str) -> str:
    """Where the program was and what it met; the frames of the packages are left out."""
    ours = (str(Path(__file__).parents[2] / "src"), path)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(ours)]
    lines = [*traceback.format_list(frames), *traceback.format_exception_only(error)]
    return "".join(lines)


def _load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _run(run: Callable[..., Any], record: Record, colour: str, saver: str) -> None:
    if inspect.iscoroutinefunction(run):
        asyncio.run(_run_coroutine(run, record, saver))
    elif colour == "async":
        asyncio.run(_run_driven(run, record, saver))
    else:
        with ExitStack() as stack:
            drive = [SyncDrive()] if _takes_drive(run) else []
            run(lambda: _open_sync(stack, saver), record, *drive)


def _takes_drive(run: Callable[..., Any]) -> bool:
    return len(inspect.signature(run).parameters) == 3


async def _run_coroutine(run: Callable[..., Any], record: Record, saver: str) -> None:
    async with AsyncExitStack() as stack:
        await run(lambda: _open_async(stack, saver), record)


async def _run_driven(run: Callable[..., Any], record: Record, saver: str) -> None:
    loop = asyncio.get_running_loop()

    async with AsyncExitStack() as stack:

        def make_saver() -> Any:
            return asyncio.run_coroutine_threadsafe(_open_async(stack, saver), loop).result()

        await asyncio.to_thread(run, make_saver, record, AsyncDrive(loop))


def _open_sync(stack: ExitStack, saver: str) -> Any:
    if saver == "memory":
        from langgraph.checkpoint.memory import InMemorySaver

        return InMemorySaver()
    if saver == "postgres":
        from langgraph.checkpoint.postgres import PostgresSaver

        url, more = _postgres(PostgresSaver)
        made = stack.enter_context(PostgresSaver.from_conn_string(url, **more))
        made.setup()
        return made
    from langgraph.checkpoint.sqlite import SqliteSaver

    return stack.enter_context(SqliteSaver.from_conn_string(":memory:"))


async def _open_async(stack: AsyncExitStack, saver: str) -> Any:
    if saver == "memory":
        from langgraph.checkpoint.memory import InMemorySaver

        return InMemorySaver()
    if saver == "postgres":
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

        url, more = _postgres(AsyncPostgresSaver)
        opened = AsyncPostgresSaver.from_conn_string(url, **more)
        made = await stack.enter_async_context(opened)
        await made.setup()
        return made
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    return await stack.enter_async_context(AsyncSqliteSaver.from_conn_string(":memory:"))


_schemas = itertools.count()


def _postgres(kind: type[Any]) -> tuple[str, dict[str, str]]:
    """Where a saver of this kind finds a schema that nobody uses, each in its own way."""
    url = os.environ["PARITY_POSTGRES"]
    name = f"{os.environ['PARITY_SCHEMAS']}{next(_schemas)}_{os.getpid()}"
    if kind.__module__.startswith("caesura"):
        return url, {"schema": name}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
    separator = "&" if "?" in url else "?"
    return f"{url}{separator}options=-csearch_path%3D{name}", {}


# --- the batch -------------------------------------------------------------------------------


def _prepare(side: str) -> None:
    logging.disable(logging.CRITICAL)
    if side == "caesura":
        alias: Any = importlib.import_module("caesura.compat.langgraph")
        alias.install()
    from langgraph.graph import StateGraph

    if StateGraph.__module__.startswith("caesura") != (side == "caesura"):
        raise SystemExit(f"side {side} got StateGraph from {StateGraph.__module__}")


def _results(cases: list[dict[str, str]]) -> Iterator[dict[str, Any]]:
    for number, case in enumerate(cases):
        yield run_case(case, number)
        if number % 50 == 0:
            gc.collect()


def main() -> None:
    """Read the cases, run them in turn, print a line for each."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    cases: list[dict[str, str]] = json.load(sys.stdin)
    _prepare(sys.argv[1])
    for result in _results(cases):
        out.write(json.dumps(result) + "\n")
        out.flush()
    out.flush()
    os._exit(0)  # a program may have left a thread behind; nothing is worth waiting for


if __name__ == "__main__":
    main()
