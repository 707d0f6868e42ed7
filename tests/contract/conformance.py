"""Runs the conformance suite that LangGraph publishes for savers on one of ours; prints what it found.

The suite imports ``langgraph``, which is Caesura here. ``python conformance.py NAME FOLDER``.
"""

from __future__ import annotations

import asyncio
import importlib.abc
import importlib.machinery
import importlib.metadata
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

SUITE = "langgraph.checkpoint.conformance"


@contextmanager
def _memory(folder: Path) -> Iterator[Any]:
    from caesura.checkpoint.memory import InMemorySaver

    yield InMemorySaver()


@contextmanager
def _sqlite(folder: Path, **how: Any) -> Iterator[Any]:
    from caesura.checkpoint.sqlite import SqliteSaver

    with SqliteSaver.from_conn_string(str(folder / f"{uuid4()}.db"), **how) as saver:
        yield saver


def _encrypted(folder: Path) -> Any:
    from caesura.checkpoint.serde.encrypted import EncryptedSerializer

    return _sqlite(folder, serde=EncryptedSerializer.from_aes_gcm(b"k" * 32))


@contextmanager
def _postgres(folder: Path) -> Iterator[Any]:
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.databases import postgres_saver

    with postgres_saver() as saver:
        yield saver


SAVERS: dict[str, Callable[[Path], AbstractContextManager[Any]]] = {
    "memory": _memory,
    "sqlite": _sqlite,
    "sqlite-encrypted": _encrypted,
    "postgres": _postgres,
}
"""Name → what gives a fresh saver; a folder to make it in."""


class _Suite(importlib.abc.MetaPathFinder):
    """Finds the suite's modules, which stand in the folder of a ``langgraph`` that is not imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith(SUITE):
            return None
        root = importlib.metadata.distribution("langgraph-checkpoint-conformance")
        here = Path(str(root.locate_file(SUITE.replace(".", "/")))).parent
        where = [str(here)] if fullname == SUITE else path
        return importlib.machinery.PathFinder.find_spec(fullname, where)


async def _judge(name: str, folder: Path) -> Any:
    from langgraph.checkpoint.conformance import checkpointer_test, validate

    @checkpointer_test(name=name)
    async def registered() -> AsyncIterator[Any]:
        with SAVERS[name](folder) as opened:
            yield opened

    return await validate(registered)


def main(name: str, folder: Path) -> None:
    from caesura.compat import langgraph

    langgraph.install()
    sys.meta_path.insert(0, _Suite())
    report = asyncio.run(_judge(name, folder))
    found = {name: asdict(result) for name, result in report.results.items()}
    print(json.dumps(found, default=str))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
