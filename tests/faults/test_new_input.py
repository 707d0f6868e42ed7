"""New input that comes in while another run of the thread asks somebody."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from typing import Annotated, Any, TypedDict

import pytest
from tests.databases import new_database, open_saver

from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.operations import Commit, FindInterrupts, Load
from caesura.errors import StaleThreadError
from caesura.graph import START, StateGraph
from caesura.testing.faults import FailingSaver
from caesura.types import interrupt

ROUNDS = 20


class State(TypedDict):
    log: Annotated[list[Any], operator.add]


class Interposed(FailingSaver):
    """Something happens just before a checkpoint is stored, once."""

    first: Callable[[], Any] | None = None

    def execute(self, op: Any) -> Any:
        if isinstance(op, Commit) and (act := self.first) is not None:
            self.first = None
            act()
        return super().execute(op)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def savers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Any, Any]]:
    """Two savers on one database."""
    if request.param == "memory":
        saver = InMemorySaver()
        yield saver, saver
        return
    with (
        new_database(request.param, tmp_path) as name,
        closing(open_saver(name)) as one,
        closing(open_saver(name)) as other,
    ):
        yield one, other


def asking(saver: Any) -> Any:
    """A graph that asks; with new input it asks anew."""
    builder = StateGraph(State)
    builder.add_node("ask", lambda s: {"log": [interrupt(len(s["log"]))]})
    return builder.add_edge(START, "ask").compile(checkpointer=saver)


def config(thread_id: str) -> Any:
    return {"configurable": {"thread_id": thread_id}}


def require_answerable(saver: Any, thread_id: str) -> None:
    """Whatever is open is asked on the newest checkpoint."""
    newest = saver.execute(Load(thread_id, ""))
    for row in saver.execute(FindInterrupts(thread_id)):
        assert row.checkpoint_id == newest.checkpoint_id


def before_asking(saver: Any, thread_id: str) -> Any:
    """A thread that is about to ask."""
    graph = asking(saver)
    graph.invoke({"log": []}, config(thread_id), interrupt_before=["ask"])
    return graph


@pytest.mark.parametrize("how", ["input", "update"])
def test_a_question_stored_since_the_thread_was_read_does_not_stay_open_behind_new_input(
    how: str, savers: tuple[Any, Any]
) -> None:
    saver, other = savers
    slow = Interposed(saver)
    graph = before_asking(slow, "t")
    slow.first = lambda: asking(other).invoke(None, config("t"))
    if how == "input":
        graph.invoke({"log": ["more"]}, config("t"), interrupt_before=["ask"])
    else:
        graph.update_state(config("t"), {"log": ["more"]}, as_node="ask")
    assert slow.first is None
    [row] = saver.execute(FindInterrupts("t", status=None))
    assert row.status == "withdrawn"
    require_answerable(saver, "t")


def test_of_a_question_and_new_input_at_the_same_moment_no_question_stays_behind(
    savers: tuple[Any, Any],
) -> None:
    saver, other = savers
    met = 0
    for n in range(ROUNDS):
        thread_id = f"thread-{n}"
        before_asking(saver, thread_id)
        start = Barrier(2)

        def go(saver: Any, given: Any, thread_id: str = thread_id, start: Barrier = start) -> Any:
            start.wait()
            try:
                return asking(saver).invoke(given, config(thread_id))
            except StaleThreadError as refused:
                return refused

        with ThreadPoolExecutor(2) as pool:
            one = pool.submit(go, saver, None)
            two = pool.submit(go, other, {"log": ["more"]})
            one.result(), two.result()
        require_answerable(saver, thread_id)
        met += len(saver.execute(FindInterrupts(thread_id, status=None)))
    assert met >= ROUNDS
