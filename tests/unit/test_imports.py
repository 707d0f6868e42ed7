"""What importing Caesura does not import: what a program does not use, it does not pay for."""

from __future__ import annotations

import subprocess
import sys

import pytest

# asyncio is what async programs bring along themselves; the rest belongs to one feature each.
NOT_IMPORTED = (
    "aiosqlite asyncio caesura.cli caesura.client caesura.compat caesura.drawing "
    "caesura.execution.aio caesura.graph.arguments caesura.func.arguments caesura.messages "
    "caesura.pregel.arguments caesura.schemas.checking caesura.schemas.converting "
    "caesura.schemas.describing caesura.server caesura.storage caesura.stream caesura.testing "
    "concurrent.futures.process concurrent.futures.thread cryptography ctypes decimal email grandalf "
    "html http httpx importlib.metadata jinja2 jsonschema langchain_core langgraph langsmith "
    "msgspec multiprocessing numpy opentelemetry orjson pandas pathlib psycopg pydantic redis rich "
    "socket sqlite3 ssl starlette subprocess tempfile typer urllib.request uvicorn xml yaml"
)

GRAPH = """
from typing import TypedDict
from caesura.checkpoint.memory import InMemorySaver
from caesura.graph import START, StateGraph
from caesura.types import Command, interrupt
class State(TypedDict):
    answer: str
graph = StateGraph(State).add_node("ask", lambda state: {"answer": interrupt("?")})
graph = graph.add_edge(START, "ask").compile(checkpointer=InMemorySaver())
thread = {"configurable": {"thread_id": "1"}}
graph.invoke({}, thread)
assert graph.invoke(Command(resume="yes"), thread) == {"answer": "yes"}
"""


NO_SAVER = (
    "_hashlib caesura.checkpoint.base caesura.checkpoint.memory caesura.checkpoint.rows "
    "caesura.checkpoint.serde.reachable caesura.execution.sync concurrent.futures logging ormsgpack "
    "platform uuid"
)
"""What a run brings along, or a saver, and an import does not."""


@pytest.mark.parametrize(
    ("program", "unused"),
    [
        ("import caesura", f"{NOT_IMPORTED} {NO_SAVER}"),
        ("from caesura.graph import StateGraph", f"{NOT_IMPORTED} {NO_SAVER}"),
        (GRAPH, NOT_IMPORTED),
    ],
    ids=["caesura", "caesura.graph", "a run"],
)
def test_a_program_imports_nothing_that_it_does_not_use(program: str, unused: str) -> None:
    told = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    assert sorted({*unused.split()} & {*told.stdout.split()}) == []
