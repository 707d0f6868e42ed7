"""A run that is over is gone: nothing of it waits for the garbage collector."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from typing import Any, TypedDict

import pytest

from caesura.checkpoint.memory import InMemorySaver
from caesura.graph import END, START, StateGraph
from caesura.types import Command, interrupt


class Count(TypedDict):
    """A counter."""

    n: int


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """The collector runs when a test says so."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def work(state: Count) -> Any:
    return {"n": state["n"] + 1}


def ask(state: Count) -> Any:
    return {"n": interrupt("how many?")}


async def aask(state: Count) -> Any:
    return {"n": interrupt("how many?")}


def graph(node: Callable[..., Any]) -> Any:
    builder = StateGraph(Count).add_node("node", node).add_edge(START, "node")
    builder.add_conditional_edges("node", lambda s: END if s["n"] > 2 else "node")
    return builder.compile(checkpointer=InMemorySaver())


def config(thread: int) -> Any:
    return {"configurable": {"thread_id": str(thread)}}


@pytest.mark.parametrize("node", [work, ask])
def test_a_sync_run_leaves_nothing_behind(node: Callable[..., Any]) -> None:
    program = graph(node)
    program.invoke({"n": 0}, config(0))  # What is made once is made here.
    gc.collect()
    program.invoke({"n": 0}, config(1))
    if node is ask:
        program.invoke(Command(resume=3), config(1))
    assert gc.collect() == 0


@pytest.mark.parametrize("node", [work, ask, aask])
def test_an_async_run_leaves_nothing_behind(node: Callable[..., Any]) -> None:
    program = graph(node)
    with asyncio.Runner() as runner:
        runner.run(program.ainvoke({"n": 0}, config(0)))
        gc.collect()
        runner.run(program.ainvoke({"n": 0}, config(1)))
        if node is not work:
            runner.run(program.ainvoke(Command(resume=3), config(1)))
        assert gc.collect() == 0
