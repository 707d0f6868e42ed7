"""The two packages measured: the names that programs import, and savers on equal terms.

Equal terms: both SQLite savers write a WAL with the same ``PRAGMA synchronous`` (NORMAL, or FULL where
the kind says so; or each as it comes, where what is stored is a question or an answer), both Postgres
savers use the same server with its settings, each in a schema of its own, and tables are made before
the clock starts.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

PACKAGES = ("caesura", "langgraph")
CONNECTIONS = 10
"""To Postgres, where runs are concurrent."""


class Package:
    """The names of one package."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.graph = self.load("graph")
        self.types = self.load("types")
        self.func = self.load("func")

    def load(self, module: str) -> Any:
        """A module of the package."""
        return importlib.import_module(f"{self.name}.{module}")

    @asynccontextmanager
    async def saver(self, where: Place) -> AsyncIterator[Any]:
        """A saver with nothing in it; None for the kind ``none``. Nothing is awaited for sync programs."""
        async with AsyncExitStack() as stack:
            if where.kind == "none":
                yield None
            elif where.kind == "memory":
                yield self.load("checkpoint.memory").InMemorySaver()
            elif where.kind == "postgres":
                yield await self._on_postgres(where, stack)
            else:
                yield await self._on_sqlite(where, stack)

    async def _on_sqlite(self, where: Place, stack: AsyncExitStack) -> Any:
        """LangGraph's savers leave SQLite's default, FULL; Caesura's choose NORMAL, and FULL for questions
        and answers. Here both are told, unless they are to be as they come."""
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        where.file = Path(folder) / "bench.sqlite"
        level = "full" if where.kind == "sqlite-full" else "normal"
        ours = {"durable": level} if self.name == "caesura" else {}
        if where.asynchronous:
            opening = self.load("checkpoint.sqlite.aio").AsyncSqliteSaver.from_conn_string
            saver = await stack.enter_async_context(opening(str(where.file), **ours))
            await saver.setup()
            if not ours and where.kind != "sqlite-default":
                await saver.conn.execute(f"PRAGMA synchronous = {level}")
            return saver
        opening = self.load("checkpoint.sqlite").SqliteSaver.from_conn_string
        saver = stack.enter_context(opening(str(where.file), **ours))
        saver.setup()
        if not ours and where.kind != "sqlite-default":
            saver.conn.execute(f"PRAGMA synchronous = {level}")
        return saver

    async def _on_postgres(self, where: Place, stack: AsyncExitStack) -> Any:
        if self.name == "caesura":
            url, ours = where.url, {"schema": where.schema}
        else:
            _make_schema(where)
            url, ours = _searching(where.url, where.schema), {}
        if not where.asynchronous:
            opening = self.load("checkpoint.postgres").PostgresSaver.from_conn_string
            saver = stack.enter_context(opening(url, **ours))
            saver.setup()
            return saver
        kind = self.load("checkpoint.postgres.aio").AsyncPostgresSaver
        if where.concurrent and not ours:
            saver = kind(await stack.enter_async_context(_pool(url)))
        else:
            saver = await stack.enter_async_context(kind.from_conn_string(url, **ours))
        await saver.setup()
        return saver


class Place:
    """Where a saver keeps things."""

    def __init__(self, kind: str, asynchronous: bool, concurrent: bool, url: str, schema: str):
        self.kind, self.asynchronous, self.concurrent = kind, asynchronous, concurrent
        self.url, self.schema = url, schema
        self.file: Path | None = None
        """The SQLite file, once opened."""

    def bytes(self) -> int:
        """What the SQLite file takes on disk, its log included."""
        assert self.file is not None
        return sum(f.stat().st_size for f in self.file.parent.iterdir())


def _make_schema(where: Place) -> None:
    import psycopg
    from psycopg import sql

    with psycopg.connect(where.url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(where.schema)))


def _searching(url: str, schema: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{schema}"


def _pool(url: str) -> Any:
    """The pool that LangGraph's documentation has, with as many connections as Caesura opens."""
    from psycopg.rows import dict_row
    from psycopg_pool import AsyncConnectionPool

    settings = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    return AsyncConnectionPool(url, max_size=CONNECTIONS, kwargs=settings, open=False)
