"""Many who answer at once, and runs that meet on one thread."""

from __future__ import annotations

import asyncio
import json
import operator
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import groupby, pairwise
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from tests.databases import new_database, open_saver

from caesura.checkpoint.operations import FindInterrupts, Load
from caesura.checkpoint.saver import EngineSaver
from caesura.errors import AlreadyAnsweredError, NothingToResumeError, StaleThreadError
from caesura.graph import END, START, StateGraph
from caesura.types import Command, interrupt

from .racer import config, program, race

THREADS, PROCESSES, QUESTIONS = 8, 4, 200
STEPS = 3


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_of_all_threads_and_processes_that_answer_one_question_exactly_one_is_accepted(
    kind: str, tmp_path: Path
) -> None:
    with new_database(kind, tmp_path) as name:
        (tmp_path / "database").write_text(name)
        with closing(open_saver(name)) as saver:
            answer_from_everywhere(saver, tmp_path)


def answer_from_everywhere(saver: Any, folder: Path) -> None:
    graph = program(saver, folder)
    asked = {}
    for number in range(QUESTIONS):
        thread_id = f"thread-{number}"
        paused = graph.invoke({"name": thread_id}, config(thread_id))
        asked[thread_id] = paused["__interrupt__"][0].id
    (folder / "asked.json").write_text(json.dumps(asked))

    became = _race_all(folder, graph, asked)

    outcomes = Counter((thread, how) for racer in became for thread, how in racer.items())
    racers = THREADS + PROCESSES
    for thread_id in asked:
        assert outcomes[thread_id, "accepted"] == 1
        assert outcomes[thread_id, "AlreadyAnsweredError"] == racers - 1
    effects = [line.split() for line in (folder / "effects").read_text().splitlines()]
    assert sorted(name for name, _ in effects) == sorted(asked)
    recorded = {
        row.thread_id: row.answer for row in saver.execute(FindInterrupts(status="answered"))
    }
    assert recorded == dict(effects)


def _race_all(folder: Path, graph: Any, asked: dict[str, str]) -> list[dict[str, str]]:
    """Let threads and processes answer everything at once; what became of each one's answers."""
    pipe = subprocess.PIPE
    with ExitStack() as stack:
        processes = []
        for number in range(PROCESSES):
            command = [sys.executable, "-m", "tests.faults.racer", str(folder), f"process-{number}"]
            popen = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
            processes.append(stack.enter_context(popen))
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        start = threading.Barrier(THREADS + 1)

        def one(number: int) -> dict[str, str]:
            start.wait()
            return race(graph, asked, f"person-{number}")

        pool = stack.enter_context(ThreadPoolExecutor(THREADS))
        running = [pool.submit(one, number) for number in range(THREADS)]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        start.wait()
        became = [future.result() for future in running]
        became += [json.loads(process.stdout.readline()) for process in processes]  # type: ignore[union-attr]
        return became


def test_of_all_bare_answers_given_at_once_exactly_one_is_accepted(
    saver: Any, tmp_path: Path
) -> None:
    graph = program(saver, tmp_path)
    for number in range(20):
        where = config(f"thread-{number}")
        graph.invoke({"name": f"thread-{number}"}, where)
        start = threading.Barrier(4)

        def answer(who: str, where: Any = where, start: threading.Barrier = start) -> Any:
            start.wait()
            try:
                return graph.invoke(Command(resume=who), where)["log"]
            except (AlreadyAnsweredError, NothingToResumeError):
                return None

        with ThreadPoolExecutor(4) as pool:
            ends = list(pool.map(answer, ["a", "b", "c", "d"]))
        won = [end for end in ends if end is not None]
        assert len(won) == 1
        assert graph.get_state(where).values["log"] == won[0]
    assert len((tmp_path / "effects").read_text().splitlines()) == 20


async def test_of_all_coroutines_that_answer_one_question_exactly_one_is_accepted(
    saver: Any, tmp_path: Path
) -> None:
    graph = program(saver, tmp_path)
    where = config("thread-1")
    asked = (await graph.ainvoke({"name": "thread-1"}, where))["__interrupt__"][0].id
    answers = [graph.ainvoke(Command(resume={asked: str(n)}), where) for n in range(20)]
    ends = await asyncio.gather(*answers, return_exceptions=True)
    won = [end["log"] for end in ends if isinstance(end, dict)]
    lost = [end for end in ends if isinstance(end, AlreadyAnsweredError)]
    assert (len(won), len(lost)) == (1, 19)
    assert all([loser.answer] == won[0] for loser in lost)


# --- two runs on one thread ----------------------------------------------------------------------


class Walk(TypedDict, total=False):
    who: str
    steps: Annotated[list[str], operator.add]


def walker(saver: Any, meet: Callable[[], Any]) -> Any:
    """`STEPS` steps, each of which calls ``meet``."""

    def step(state: Walk) -> Walk:
        meet()
        return {"steps": [state["who"]]}

    graph = StateGraph(Walk)
    graph.add_sequence([("one", step), ("two", step), ("three", step)])
    graph.add_edge(START, "one")
    graph.add_edge("three", END)
    return graph.compile(checkpointer=saver)


def check_one_line(graph: Any, where: Any, ends: dict[str, Any]) -> None:
    """Nobody's steps stand between another's; who was overtaken stopped there, with an error."""
    history = list(graph.get_state_history(where))
    for newer, older in pairwise(history):
        assert newer.parent_config["configurable"] == older.config["configurable"]
    stretches = [(who, len([*steps])) for who, steps in groupby(history[0].values["steps"])]
    done = dict(stretches)
    assert len(stretches) == len(done)
    for who, end in ends.items():
        if isinstance(end, dict):
            assert done.pop(who) == STEPS
            assert end["steps"][-STEPS:] == [who] * STEPS
        else:
            assert isinstance(end, StaleThreadError)
            assert done.pop(who, 0) < STEPS
    assert done == {}
    assert any(isinstance(end, dict) for end in ends.values())


class Meeting(EngineSaver):
    """Before another saver: the first loads of each thread wait for each other."""

    def __init__(self, inner: Any, parties: int) -> None:
        super().__init__(serde=inner.serde)
        self.inner = inner
        self.parties = parties
        self.barriers: dict[str, threading.Barrier] = {}
        self.loads: Counter[str] = Counter()
        self.lock = threading.Lock()

    def execute(self, op: Any) -> Any:
        result = self.inner.execute(op)
        if isinstance(op, Load):
            with self.lock:
                self.loads[op.thread_id] += 1
                early = self.loads[op.thread_id] <= self.parties
                barrier = threading.Barrier(self.parties)
                barrier = self.barriers.setdefault(op.thread_id, barrier)
            if early:
                barrier.wait(10)
        return result


@pytest.mark.parametrize("parties", [2, 6])
def test_runs_on_one_thread_at_once_never_interleave_and_those_overtaken_are_stale(
    saver: Any, parties: int
) -> None:
    graph = walker(Meeting(saver, parties), lambda: None)
    for number in range(10):
        where = config(f"thread-{number}")

        def run(who: str, where: Any = where) -> Any:
            try:
                return graph.invoke({"who": who}, where)
            except Exception as error:
                return error

        with ThreadPoolExecutor(6) as pool:
            ends = dict(zip("abcdef", pool.map(run, "abcdef"), strict=True))
        check_one_line(graph, where, ends)
        stale = sum(isinstance(end, StaleThreadError) for end in ends.values())
        assert stale >= parties - 1


async def test_async_runs_on_one_thread_at_once_never_interleave(saver: Any) -> None:
    async def step(state: Walk) -> Walk:
        await asyncio.sleep(0)
        return {"steps": [state["who"]]}

    builder = StateGraph(Walk)
    builder.add_sequence([("one", step), ("two", step), ("three", step)])
    builder.add_edge(START, "one")
    graph = builder.compile(checkpointer=saver)
    for number in range(10):
        where = config(f"thread-{number}")
        runs = [graph.ainvoke({"who": who}, where) for who in "abcdef"]
        ends = await asyncio.gather(*runs, return_exceptions=True)
        check_one_line(graph, where, dict(zip("abcdef", ends, strict=True)))
        assert any(isinstance(end, StaleThreadError) for end in ends)


def test_a_run_that_was_overtaken_while_a_node_worked_stores_nothing(saver: Any) -> None:
    where = config("thread-1")
    nested = []

    def meet() -> None:
        if not nested:
            nested.append(True)
            other = threading.Thread(target=graph.invoke, args=({"who": "b"}, where))
            other.start()
            other.join()

    graph = walker(saver, meet)
    with pytest.raises(StaleThreadError):
        graph.invoke({"who": "a"}, where)
    assert graph.get_state(where).values == {"who": "b", "steps": ["b"] * 3}
    assert graph.get_state(where).next == ()


def test_a_run_that_was_overtaken_cannot_open_a_question(saver: Any) -> None:
    where = config("thread-1")
    overtaken = []

    def asks(state: Walk) -> Walk:
        if state["who"] == "a" and not overtaken:
            overtaken.append(True)
            other = threading.Thread(target=graph.invoke, args=({"who": "b"}, where))
            other.start()
            other.join()
        if state["who"] == "a":
            interrupt("still there?")
        return {"steps": [state["who"]]}

    builder = StateGraph(Walk)
    builder.add_node("asks", asks)
    builder.add_edge(START, "asks")
    graph = builder.compile(checkpointer=saver)
    with pytest.raises(StaleThreadError):
        graph.invoke({"who": "a"}, where)
    assert graph.get_state(where).interrupts == ()
    assert saver.execute(FindInterrupts("thread-1", status=None)) == []
    with pytest.raises(NothingToResumeError):
        graph.invoke(Command(resume="yes"), where)


def test_an_answer_given_while_a_new_input_withdraws_the_question_is_used_or_refused(
    saver: Any, tmp_path: Path
) -> None:
    from caesura.errors import InterruptClosedError

    graph = program(saver, tmp_path)
    for number in range(20):
        where = config(f"thread-{number}")
        asked = graph.invoke({"name": "old"}, where)["__interrupt__"][0].id
        start = threading.Barrier(2)

        def run(given: Any, where: Any = where, start: threading.Barrier = start) -> Any:
            start.wait()
            try:
                return graph.invoke(given, where)
            except (InterruptClosedError, StaleThreadError) as refusal:
                return refusal

        with ThreadPoolExecutor(2) as pool:
            answered, renewed = pool.map(run, [Command(resume={asked: "x"}), {"name": "new"}])
        rows = {
            row.id: row for row in saver.execute(FindInterrupts(f"thread-{number}", status=None))
        }
        if isinstance(answered, InterruptClosedError):
            assert rows[asked].status == "withdrawn"
            assert isinstance(renewed, dict)
        else:
            assert (rows[asked].status, rows[asked].answer) == ("answered", "x")
        assert isinstance(answered, dict) or isinstance(renewed, dict), "both were refused"


# --- two people, two questions -------------------------------------------------------------------


def two_questions(saver: Any, ran: list[str]) -> Any:
    def left(state: Walk) -> Walk:
        answer = interrupt("left?")
        ran.append("left")
        return {"steps": [f"left {answer}"]}

    def right(state: Walk) -> Walk:
        answer = interrupt("right?")
        ran.append("right")
        return {"steps": [f"right {answer}"]}

    def both(state: Walk) -> Walk:
        ran.append("both")
        return {"steps": ["both"]}

    builder = StateGraph(Walk)
    for node in (left, right, both):
        builder.add_node(node)
    builder.add_edge(START, "left")
    builder.add_edge(START, "right")
    builder.add_edge(["left", "right"], "both")
    return builder.compile(checkpointer=saver)


def answer_both_at_once(saver: Any) -> tuple[Any, list[Any], list[str]]:
    """Two people answer one question each, neither knowing of the other; the graph, what they got
    back, and which bodies ran to their end."""
    ran: list[str] = []
    where = config("thread-1")
    asked = two_questions(saver, ran).invoke({"who": "x"}, where)["__interrupt__"]
    graph = two_questions(Meeting(saver, 2), ran)

    def answer(one: Any) -> Any:
        try:
            return graph.invoke(Command(resume={one.id: "yes"}), where)
        except StaleThreadError as stale:
            return stale

    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(answer, asked))
    return graph, ends, ran


def test_two_people_who_answer_two_questions_at_once_are_both_heard(saver: Any) -> None:
    graph, _, _ = answer_both_at_once(saver)
    where = config("thread-1")
    assert graph.get_state(where).interrupts == ()
    graph.invoke(None, where)
    values = graph.get_state(where).values
    assert values["steps"] == ["left yes", "right yes", "both"]


def test_a_program_whose_questions_were_answered_at_once_is_not_left_standing(saver: Any) -> None:
    graph, ends, ran = answer_both_at_once(saver)
    state = graph.get_state(config("thread-1"))
    assert state.next == ()
    assert state.values["steps"] == ["left yes", "right yes", "both"]
    assert sorted(ran) == ["both", "left", "right"]
    assert any(isinstance(end, dict) and end["steps"][-1] == "both" for end in ends)
