"""A program whose store fails at any one operation ends as if nothing had happened.

For every operation of a run, and before and after it takes effect: the run is broken there, a fresh
program goes on over the same store, and in the end the result is the same, no finished task ran
twice, and every answer was accepted once and used.
"""

from __future__ import annotations

import asyncio
import itertools
import operator
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from tests.databases import SCHEMAS, open_saver

from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.operations import PutWrites
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.graph import START, StateGraph
from caesura.storage.sqlite import connect
from caesura.testing.faults import FailingSaver, InjectedFailureError

from .programs import CASES, CONFIG, Case, Witness, accepted_answers, persist

MOST_CALLS = 40
Restart = Callable[[], Any]
"""Gives the store as a new process would open it."""


@contextmanager
def memory(folder: Path) -> Iterator[Restart]:
    saver = InMemorySaver()
    yield lambda: saver


@contextmanager
def sqlite(folder: Path) -> Iterator[Restart]:
    path = folder / "db"
    opened: list[SqliteSaver] = []

    def restart() -> SqliteSaver:
        while opened:
            opened.pop().close()
        opened.append(SqliteSaver(connect(str(path))))
        return opened[0]

    yield restart
    opened.pop().close()
    for file in folder.iterdir():
        file.unlink()


def break_and_go_on(
    case: Case, restart: Restart, n: int, options: dict[str, Any]
) -> tuple[FailingSaver, Witness, Any]:
    """Run a case to its end over a store that fails at operation ``n``, and then no more."""
    failing = FailingSaver(restart(), n, **options)
    witness = Witness([failing.performed])
    graph = case.make_sync(witness, failing)
    people = persist(case)
    given = next(people)
    for _ in range(MOST_CALLS):
        result, error = None, None
        try:
            result = graph.invoke(given, CONFIG)
        except Exception as caught:
            error = caught
        if isinstance(error, InjectedFailureError):
            graph = case.make_sync(witness, _healthy(restart, witness))
        try:
            given = people.send((result, error))
        except StopIteration as stop:
            return failing, witness, stop.value
    raise AssertionError("the program never came to its end")


async def abreak_and_go_on(
    case: Case, restart: Restart, n: int, options: dict[str, Any]
) -> tuple[FailingSaver, Witness, Any]:
    """`break_and_go_on`, async."""
    failing = FailingSaver(restart(), n, **options)
    witness = Witness([failing.performed])
    graph = case.make_async(witness, failing)
    people = persist(case)
    given = next(people)
    for _ in range(MOST_CALLS):
        result, error = None, None
        try:
            result = await graph.ainvoke(given, CONFIG)
        except Exception as caught:
            error = caught
        if isinstance(error, InjectedFailureError):
            graph = case.make_async(witness, _healthy(restart, witness))
        try:
            given = people.send((result, error))
        except StopIteration as stop:
            return failing, witness, stop.value
    raise AssertionError("the program never came to its end")


def _healthy(restart: Restart, witness: Witness) -> FailingSaver:
    saver = FailingSaver(restart())
    witness.performed.append(saver.performed)
    return saver


def check(case: Case, failing: FailingSaver, witness: Witness, result: Any) -> None:
    """What must hold after a broken run that went on."""
    where = f"operation {failing.fail_at}: {failing.failed}"
    assert result == case.result, where
    assert witness.repeated == [], where
    everything = list(itertools.chain(*witness.performed))
    answers = accepted_answers(everything)
    assert sorted(map(str, answers.values())) == sorted(map(str, case.answers.values())), where


@cache
def _postgres() -> str:
    return SCHEMAS.new_url()


@contextmanager
def postgres(folder: Path) -> Iterator[Restart]:
    with ExitStack() as opened:

        def restart() -> Any:
            opened.close()
            return opened.enter_context(closing(open_saver(_postgres())))

        yield restart
        restart().delete_thread(CONFIG["configurable"]["thread_id"])


STORES = {"memory": memory, "sqlite": sqlite, "postgres": postgres}
FAILURES: dict[str, dict[str, Any]] = {
    "once-before": {"after": False},
    "once-after": {"after": True},
    "dies-before": {"after": False, "for_good": True},
    "dies-after": {"after": True, "for_good": True},
}
everywhere = [
    pytest.mark.parametrize("program", list(CASES)),
    pytest.mark.parametrize("failure", list(FAILURES)),
    pytest.mark.parametrize("store", list(STORES)),
]


def _apply(function: Any) -> Any:
    for mark in everywhere:
        function = mark(function)
    return function


@_apply
def test_a_failure_at_any_operation_changes_no_result_and_repeats_no_finished_task(
    store: str, failure: str, program: str, tmp_path: Path
) -> None:
    for n in itertools.count(1):
        with STORES[store](tmp_path) as restart:
            ended = break_and_go_on(CASES[program], restart, n, FAILURES[failure])
            if ended[0].failed is None:
                break
            check(CASES[program], *ended)
    assert n > 15, "hardly anything was stored"


@_apply
async def test_a_failure_at_any_operation_of_an_async_run_changes_no_result(
    store: str, failure: str, program: str, tmp_path: Path
) -> None:
    for n in itertools.count(1):
        with STORES[store](tmp_path) as restart:
            ended = await abreak_and_go_on(CASES[program], restart, n, FAILURES[failure])
            if ended[0].failed is None:
                break
            check(CASES[program], *ended)
    assert n > 15, "hardly anything was stored"


class Pair(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


class FailsToStoreWrites(InMemorySaver):
    """Fails to store what the first task of a step wrote, and tells."""

    def __init__(self, failing: threading.Event) -> None:
        super().__init__()
        self.failing = failing

    def execute(self, op: Any) -> Any:
        if isinstance(op, PutWrites):
            self.failing.set()
            raise InjectedFailureError("Asked to fail.")
        return super().execute(op)

    async def aexecute(self, op: Any) -> Any:
        if isinstance(op, PutWrites):
            self.execute(op)
        return await super().aexecute(op)


def pair(quick: Any, slow: Any, saver: Any) -> Any:
    graph = StateGraph(Pair)
    graph.add_node("quick", quick)
    graph.add_node("slow", slow)
    graph.add_edge(START, "quick")
    graph.add_edge(START, "slow")
    return graph.compile(checkpointer=saver)


def test_a_run_whose_store_fails_ends_after_its_tasks() -> None:
    failing, over, overtaken = threading.Event(), threading.Event(), []

    def quick(state: Pair) -> Pair:
        return {"log": ["quick"]}

    def slow(state: Pair) -> Pair:
        assert failing.wait(10)
        overtaken.append(over.wait(0.2))
        return {"log": ["slow"]}

    saver = FailsToStoreWrites(failing)
    with pytest.raises(InjectedFailureError):
        pair(quick, slow, saver).invoke({"log": []}, CONFIG)
    over.set()
    assert overtaken == [False]


async def test_an_async_run_whose_store_fails_ends_after_its_tasks() -> None:
    failing, over, running = threading.Event(), asyncio.Event(), []

    async def quick(state: Pair) -> Pair:
        return {"log": ["quick"]}

    async def slow(state: Pair) -> Pair:
        running.append(asyncio.current_task())
        await over.wait()
        return {"log": ["slow"]}

    saver = FailsToStoreWrites(failing)
    with pytest.raises(InjectedFailureError):
        await pair(quick, slow, saver).ainvoke({"log": []}, CONFIG)
    left = [one for one in running if not one.done()]
    over.set()
    await asyncio.gather(*left, return_exceptions=True)
    assert left == []
