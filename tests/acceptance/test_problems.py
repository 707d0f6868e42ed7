"""What users of such software complain about most, and what happens here instead.

One test or more for each problem; the name says what holds. Every test runs on each saver.
"""

from __future__ import annotations

import asyncio
import operator
import pickle
import signal
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib.metadata import metadata
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypedDict

import pytest
from tests.databases import stored_bytes

from caesura.asking import Question
from caesura.checkpoint.operations import Accept, Answer, FindInterrupts, InterruptRow
from caesura.checkpoint.postgres import PostgresSaver
from caesura.checkpoint.saver import EngineSaver
from caesura.checkpoint.serde.jsonplus import JsonPlusSerializer
from caesura.client import get_sync_client
from caesura.errors import (
    AlreadyAnsweredError,
    AmbiguousResumeError,
    DeserializationError,
    EmptyInputError,
    InterruptClosedError,
    InvalidAnswerError,
    NothingToResumeError,
    ProgramChangedError,
    SerializationError,
    StaleThreadError,
    StorageError,
    SwallowedInterruptError,
    UnknownInterruptError,
    UnknownThreadError,
    UnstorableTextError,
)
from caesura.func import entrypoint, task
from caesura.graph import START, StateGraph
from caesura.pregel.remote import RemoteGraph
from caesura.testing.faults import FailingSaver
from caesura.types import Command, StateSnapshot, interrupt, interrupts

from .server import Server
from .shapes import State, line, side_by_side
from .terminal import Shell

WHERE: Any = {"configurable": {"thread_id": "thread-1"}}
NO_ID = "0" * 32


def asking(question: Any, ran: Counter[str] | None = None) -> Callable[[State], State]:
    """A node that asks, and notes question and answer."""

    def node(state: State) -> State:
        if ran is not None:
            ran[f"{question} started"] += 1
        answer = interrupt(question)
        if ran is not None:
            ran[f"{question} ended"] += 1
        return {"log": [f"{question} {answer}"]}

    return node


def asked(result: Any) -> dict[Any, str]:
    """Question → id of everything that waits."""
    return {one.value: one.id for one in result["__interrupt__"]}


def rows(saver: Any) -> dict[Any, InterruptRow]:
    """Question → row, of every question that was ever asked."""
    return {row.payload: row for row in saver.execute(FindInterrupts("thread-1", status=None))}


def checkpoints(graph: Any) -> int:
    return len(list(graph.get_state_history(WHERE)))


class Overtaken(EngineSaver):
    """A saver under which somebody else answers in the very moment before the answer is stored."""

    def __init__(self, inner: Any, rival: Callable[[], Any]) -> None:
        super().__init__(serde=inner.serde)
        self.inner = inner
        self.rival: Callable[[], Any] | None = rival

    def execute(self, op: Any) -> Any:
        if isinstance(op, Accept) and self.rival is not None:
            rival, self.rival = self.rival, None
            rival()
        return self.inner.execute(op)


# --- 1 -------------------------------------------------------------------------------------------


def test_problem_01_an_answer_sent_twice_never_lands_on_the_next_question(saver: Any) -> None:
    graph = line(saver, letter=asking("send newsletter?"), drop=asking("delete prod?"))
    first = asked(graph.invoke({"log": []}, WHERE))["send newsletter?"]
    assert asked(graph.invoke(Command(resume={first: "yes"}), WHERE)).keys() == {"delete prod?"}
    with pytest.raises(AlreadyAnsweredError) as refusal:
        graph.invoke(Command(resume={first: "yes"}), WHERE)
    assert refusal.value.answer == "yes"
    assert [one.value for one in refusal.value.open_interrupts] == ["delete prod?"]
    assert rows(saver)["delete prod?"].status == "open"


def test_problem_01_a_bare_answer_is_bound_when_handed_in_and_never_later(saver: Any) -> None:
    nodes = {"letter": asking("send newsletter?"), "drop": asking("delete prod?")}
    graph = line(saver, **nodes)
    graph.invoke({"log": []}, WHERE)
    slow = line(Overtaken(saver, lambda: graph.invoke(Command(resume="yes"), WHERE)), **nodes)
    with pytest.raises(AlreadyAnsweredError):
        slow.invoke(Command(resume="yes"), WHERE)
    assert rows(saver)["delete prod?"].status == "open"


def test_problem_01_code_that_asks_something_else_does_not_get_the_old_answer(saver: Any) -> None:
    def before(state: State) -> State:
        return {"log": [interrupt("budget?"), interrupt("sure?")]}

    def after(state: State) -> State:
        return {"log": [interrupt("delete everything?"), interrupt("sure?")]}

    line(saver, node=before).invoke({"log": []}, WHERE)
    line(saver, node=before).invoke(Command(resume="yes"), WHERE)
    changed = line(saver, node=after)
    paused = changed.invoke(Command(resume="yes"), WHERE)
    assert asked(paused).keys() == {"delete everything?"}
    assert rows(saver)["budget?"].status == "superseded"
    assert changed.invoke(Command(resume="no"), WHERE)["log"] == ["no", "yes"]


def test_problem_01_questions_that_swap_places_keep_their_answers(saver: Any) -> None:
    def before(state: State) -> State:
        return {"log": [interrupt("a?"), interrupt("b?"), interrupt("c?")]}

    def after(state: State) -> State:
        return {"log": [interrupt("b?"), interrupt("a?"), interrupt("c?")]}

    line(saver, node=before).invoke({"log": []}, WHERE)
    line(saver, node=before).invoke(Command(resume="A"), WHERE)
    line(saver, node=before).invoke(Command(resume="B"), WHERE)
    swapped = line(saver, node=after).invoke(Command(resume="C"), WHERE)
    assert swapped["log"] == ["B", "A", "C"]


# --- 2 -------------------------------------------------------------------------------------------


def test_problem_02_of_two_answers_one_is_executed_and_the_other_learns_it(saver: Any) -> None:
    paid: list[str] = []

    def pays(state: State) -> State:
        decision = interrupt("pay 82,000?")
        paid.append(decision)
        return {"log": [decision]}

    graph = line(saver, pays=pays)
    pay = asked(graph.invoke({"log": []}, WHERE))["pay 82,000?"]
    quick = Command(resume={pay: "reject"})
    slow = line(Overtaken(saver, lambda: graph.invoke(quick, WHERE)), pays=pays)
    with pytest.raises(AlreadyAnsweredError) as refusal:
        slow.invoke(Command(resume={pay: "approve"}), WHERE)
    assert refusal.value.answer == "reject"
    assert paid == ["reject"]
    assert graph.get_state(WHERE).values == {"log": ["reject"]}


# --- 3 -------------------------------------------------------------------------------------------


def test_problem_03_tasks_before_a_pause_are_not_run_again(saver: Any) -> None:
    ran: Counter[str] = Counter()

    @task
    def draft(number: int) -> str:
        ran[f"draft {number}"] += 1
        return f"draft {number}"

    @entrypoint(checkpointer=saver)
    def loop(wanted: str) -> list[str]:
        drafts = []
        for number in range(4):
            text = draft(number).result()
            drafts.append(f"{text}: {interrupt(f'is {text} good?')}")
        return drafts

    loop.invoke("an essay", WHERE)
    for answer in "abc":
        loop.invoke(Command(resume=answer), WHERE)
    done = loop.invoke(Command(resume="d"), WHERE)
    assert done == ["draft 0: a", "draft 1: b", "draft 2: c", "draft 3: d"]
    assert ran == {f"draft {number}": 1 for number in range(4)}


def test_problem_03_answering_one_of_three_leaves_the_others_alone(saver: Any) -> None:
    ran: Counter[str] = Counter()
    graph = side_by_side(saver, **{name: asking(f"{name}?", ran) for name in "abc"})
    waiting = asked(graph.invoke({"log": []}, WHERE))
    graph.invoke(Command(resume={waiting["b?"]: "yes"}), WHERE)
    assert ran == {"a? started": 1, "b? started": 2, "b? ended": 1, "c? started": 1}


def test_problem_03_going_on_without_an_answer_starts_nothing(saver: Any) -> None:
    ran: Counter[str] = Counter()
    graph = line(saver, asks=asking("a?", ran))
    first = asked(graph.invoke({"log": []}, WHERE))
    again = asked(graph.invoke(None, WHERE))
    assert again == first
    assert ran == {"a? started": 1}


def test_problem_03_a_finished_sibling_is_not_run_again(saver: Any) -> None:
    ran: Counter[str] = Counter()

    def pays(state: State) -> State:
        ran["paid"] += 1
        return {"log": ["paid"]}

    graph = side_by_side(saver, asks=asking("a?"), pays=pays)
    graph.invoke({"log": []}, WHERE)
    graph.invoke(None, WHERE)
    assert graph.invoke(Command(resume="yes"), WHERE)["log"] == ["a? yes", "paid"]
    assert ran == {"paid": 1}


# --- 4 -------------------------------------------------------------------------------------------

KILLED_WHILE_PAYING = """
import os, signal
from pathlib import Path
from caesura.func import entrypoint, task

paid = Path("paid")

@task(effect=True)
def pay(amount: int) -> str:
    with paid.open("a") as file:
        file.write(f"{amount}\\n")
    if len(paid.read_text().split()) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return f"receipt {len(paid.read_text().split())}"

@entrypoint()
def bill(amount):
    return pay(amount).result()
"""


@pytest.mark.parametrize("answer", ['{"outcome": "done", "result": "receipt 1"}', "not_done"])
def test_problem_04_a_payment_whose_process_was_killed_is_not_made_again_unless_a_person_says_so(
    tmp_path: Path, answer: str
) -> None:
    shell = Shell(tmp_path)
    (tmp_path / "bill.py").write_text(KILLED_WHILE_PAYING)
    assert shell.run("run", "bill.py", "--input", "5").code == -signal.SIGKILL
    for _ in range(2):
        waits = shell.run("run", "bill.py", "--json").lines[-1]["interrupts"]
        assert [one["title"] for one in waits] == ["Did `pay` happen?"]
        assert (tmp_path / "paid").read_text() == "5\n"
    said = shell.run("answer", waits[0]["id"], answer, "--json")
    receipt = 2 if answer == "not_done" else 1
    assert said.lines[-1]["output"] == f"receipt {receipt}"
    assert (tmp_path / "paid").read_text() == receipt * "5\n"


def test_problem_04_a_run_that_was_overtaken_repeats_nothing_and_stores_nothing(
    saver: Any,
) -> None:
    ran: Counter[str] = Counter()

    def slow(state: State) -> State:
        ran["slow"] += 1
        if ran["slow"] == 1:
            other = threading.Thread(target=graph.invoke, args=(None, WHERE))
            other.start()
            other.join()
        return {"log": ["slow"]}

    def ends(state: State) -> State:
        ran["ends"] += 1
        return {"log": ["ends"]}

    graph = line(saver, slow=slow, ends=ends)
    with pytest.raises(StaleThreadError):
        graph.invoke({"log": []}, WHERE)
    assert graph.get_state(WHERE).values == {"log": ["slow", "ends"]}
    assert ran["ends"] == 1


# --- 5 -------------------------------------------------------------------------------------------


def test_problem_05_a_resume_of_an_unknown_thread_starts_nothing(saver: Any) -> None:
    ran: Counter[str] = Counter()
    graph = line(saver, asks=asking("a?", ran))
    for resume in ("yes", {NO_ID: "yes"}, False):
        with pytest.raises(UnknownThreadError):
            graph.invoke(Command(resume=resume), WHERE)
    assert ran == {}
    assert checkpoints(graph) == 0


def test_problem_05_a_resume_of_a_finished_thread_is_refused(saver: Any) -> None:
    ran: Counter[str] = Counter()
    graph = line(saver, asks=asking("a?", ran))
    graph.invoke({"log": []}, WHERE)
    graph.invoke(Command(resume="yes"), WHERE)
    before = checkpoints(graph), dict(ran)
    with pytest.raises(NothingToResumeError) as refusal:
        graph.invoke(Command(resume="no"), WHERE)
    assert refusal.value.open_interrupts == ()
    assert (checkpoints(graph), ran) == before
    assert graph.get_state(WHERE).values == {"log": ["a? yes"]}


def test_problem_05_an_unknown_id_is_refused_with_a_list_of_what_waits(saver: Any) -> None:
    ran: Counter[str] = Counter()
    graph = line(saver, asks=asking("a?", ran))
    waiting = asked(graph.invoke({"log": []}, WHERE))
    for resume in ({NO_ID: "yes"}, {waiting["a?"]: "yes", NO_ID: "yes"}, {}):
        with pytest.raises(UnknownInterruptError) as refusal:
            graph.invoke(Command(resume=resume), WHERE)
        assert [one.id for one in refusal.value.open_interrupts] == [waiting["a?"]]
        assert waiting["a?"] in str(refusal.value)
    assert ran == {"a? started": 1}
    assert rows(saver)["a?"].status == "open"


def test_problem_05_a_bare_answer_to_several_questions_is_refused(saver: Any) -> None:
    ran: Counter[str] = Counter()
    graph = side_by_side(saver, a=asking("a?", ran), b=asking("b?", ran))
    graph.invoke({"log": []}, WHERE)
    with pytest.raises(AmbiguousResumeError) as refusal:
        graph.invoke(Command(resume="yes"), WHERE)
    assert {one.value for one in refusal.value.open_interrupts} == {"a?", "b?"}
    assert ran == {"a? started": 1, "b? started": 1}


def test_problem_05_an_empty_command_says_what_is_missing(saver: Any) -> None:
    graph = line(saver, asks=asking("a?"))
    waiting = asked(graph.invoke({"log": []}, WHERE))
    for command in (Command(), Command(resume=None)):
        with pytest.raises(EmptyInputError):
            graph.invoke(command, WHERE)
    assert graph.invoke(Command(resume={waiting["a?"]: None}), WHERE)["log"] == ["a? None"]


def test_problem_05_a_refused_resume_leaves_its_update_and_goto_undone(saver: Any) -> None:
    graph = line(saver, asks=asking("a?"), ends=lambda state: {"log": ["end"]})
    graph.invoke({"log": []}, WHERE)
    with pytest.raises(UnknownInterruptError):
        graph.invoke(Command(resume={NO_ID: 1}, update={"log": ["x"]}, goto="ends"), WHERE)
    assert graph.get_state(WHERE).values == {"log": []}
    assert graph.invoke(Command(resume="yes"), WHERE)["log"] == ["a? yes", "end"]


# --- 6 -------------------------------------------------------------------------------------------


def _parallel_tasks(saver: Any, ran: Counter[str]) -> Any:
    @task
    def asks(question: str) -> str:
        ran[question] += 1
        return f"{question} {interrupt(question)}"

    @entrypoint(checkpointer=saver)
    def program(given: Any) -> Any:
        calls = [asks(f"{name}?") for name in "abc"]
        return {"log": [call.result() for call in calls]}

    return program


def _plural(saver: Any, ran: Counter[str]) -> Any:
    def asks(state: State) -> State:
        ran["node"] += 1
        questions = [f"{name}?" for name in "abc"]
        answers = interrupts([Question(question) for question in questions])
        return {"log": [f"{q} {a}" for q, a in zip(questions, answers, strict=True)]}

    return line(saver, asks=asks)


def _nodes(saver: Any, ran: Counter[str]) -> Any:
    return side_by_side(saver, **{name: asking(f"{name}?", ran) for name in "abc"})


@pytest.mark.parametrize("make", [_nodes, _plural, _parallel_tasks])
@pytest.mark.parametrize("order", ["abc", "cab", "bca"])
def test_problem_06_all_questions_are_visible_at_once_and_take_answers_in_any_order(
    saver: Any, make: Any, order: str
) -> None:
    graph = make(saver, Counter())
    waiting = asked(graph.invoke({"log": []}, WHERE))
    assert waiting.keys() == {"a?", "b?", "c?"}
    assert len(set(waiting.values())) == 3
    left = list(order)
    while left:
        name = left.pop(0)
        assert {i.value for i in graph.get_state(WHERE).interrupts} == {
            f"{n}?" for n in (name, *left)
        }
        result = graph.invoke(Command(resume={waiting[f"{name}?"]: name.upper()}), WHERE)
        if left:
            assert asked(result) == {f"{n}?": waiting[f"{n}?"] for n in left}
    assert result["log"] == ["a? A", "b? B", "c? C"]


@pytest.mark.parametrize("make", [_nodes, _plural, _parallel_tasks])
def test_problem_06_all_questions_can_be_answered_together(saver: Any, make: Any) -> None:
    graph = make(saver, Counter())
    waiting = asked(graph.invoke({"log": []}, WHERE))
    answers = {id: question[0].upper() for question, id in waiting.items()}
    assert graph.invoke(Command(resume=answers), WHERE)["log"] == ["a? A", "b? B", "c? C"]


def test_problem_06_one_answer_of_several_in_a_node_starts_nothing(saver: Any) -> None:
    ran: Counter[str] = Counter()
    graph = _plural(saver, ran)
    waiting = asked(graph.invoke({"log": []}, WHERE))
    graph.invoke(Command(resume={waiting["a?"]: "A"}), WHERE)
    assert ran == {"node": 1}


# --- 7 -------------------------------------------------------------------------------------------


def _nested(saver: Any, ran: Counter[str], depth: int) -> Any:
    """Graphs in graphs; each level works, lets the next one work, and works again."""

    def works(name: str) -> Callable[[State], State]:
        def node(state: State) -> State:
            ran[name] += 1
            return {"log": [name]}

        return node

    inner = asking("innermost?", ran)
    for level in range(depth, 0, -1):
        own = saver if level == 1 else None
        inner = line(own, before=works(f"before {level}"), sub=inner, after=works(f"after {level}"))
    return inner


def test_problem_07_a_question_deep_inside_is_addressed_by_its_id_and_nothing_is_repeated(
    saver: Any,
) -> None:
    ran: Counter[str] = Counter()
    graph = _nested(saver, ran, 3)
    id = asked(graph.invoke({"log": []}, WHERE))["innermost?"]
    assert [one.id for one in graph.get_state(WHERE).interrupts] == [id]
    state = graph.get_state(WHERE, subgraphs=True)
    while isinstance(state.tasks[0].state, StateSnapshot):
        state = state.tasks[0].state
    assert [one.id for one in state.interrupts] == [id]
    done = _nested(saver, ran, 3).invoke(Command(resume={id: "yes"}), WHERE)
    assert done["log"][-1] == "after 1"
    assert "innermost? yes" in done["log"]
    levels = range(1, 4)
    worked = {f"{when} {level}": 1 for level in levels for when in ("before", "after")}
    assert ran == {**worked, "innermost? started": 2, "innermost? ended": 1}


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_problem_07_nested_agents_side_by_side_are_answered_in_any_order(
    saver: Any, order: str
) -> None:
    ran: Counter[str] = Counter()
    agents = {
        name: line(None, works=asking(f"{name} one?", ran), more=asking(f"{name} two?", ran))
        for name in "ab"
    }
    graph = side_by_side(saver, **agents)
    waiting = asked(graph.invoke({"log": []}, WHERE))
    for question in ("one?", "two?"):
        for name in order:
            assert f"{name} {question}" in waiting
            resume = {waiting[f"{name} {question}"]: "yes"}
            result = graph.invoke(Command(resume=resume), WHERE)
            waiting = asked(result) if "__interrupt__" in result else {}
    assert sorted(result["log"]) == ["a one? yes", "a two? yes", "b one? yes", "b two? yes"]
    assert {count for what, count in ran.items() if "ended" in what} == {1}
    assert {count for what, count in ran.items() if "started" in what} == {2}


def test_problem_07_a_graph_called_by_a_task_is_not_begun_again_for_its_question(
    saver: Any,
) -> None:
    ran: Counter[str] = Counter()
    agent = _nested(None, ran, 1)

    @task
    def calls(log: list[str]) -> Any:
        return agent.invoke({"log": log})["log"]

    @entrypoint(checkpointer=saver)
    def program(log: list[str]) -> Any:
        return [calls(log).result(), calls(log).result()]

    result = program.invoke([], WHERE)
    for _ in range(2):
        assert asked(result).keys() == {"innermost?"}
        result = program.invoke(Command(resume="yes"), WHERE)
    assert result == [["before 1", "innermost? yes", "after 1"]] * 2
    assert (ran["before 1"], ran["after 1"], ran["innermost? ended"]) == (2, 2, 2)


def test_problem_07_a_question_asked_on_a_server_is_answered_here_by_its_id(
    saver: Any, server: Server
) -> None:
    with get_sync_client(url=server.url, api_key=None) as client:
        remote = RemoteGraph("seq2", sync_client=client)
        graph = line(saver, remote=remote, asks=asking("and here?"))
        first = asked(graph.invoke({"log": []}, WHERE))["first?"]
        second = asked(graph.invoke(Command(resume={first: "one"}), WHERE))["second?"]
        with pytest.raises(AlreadyAnsweredError):
            graph.invoke(Command(resume={first: "again"}), WHERE)
        graph.invoke(Command(resume={second: "two"}), WHERE)
        done = graph.invoke(Command(resume="three"), WHERE)
    assert done["log"] == ["one/two", "and here? three"]


# --- 8 -------------------------------------------------------------------------------------------


def test_problem_08_ordinary_exception_handling_does_not_swallow_the_pause(saver: Any) -> None:
    def careful(state: State) -> State:
        try:
            return {"log": [interrupt("a?")]}
        except Exception:
            return {"log": ["swallowed"]}

    graph = line(saver, careful=careful)
    assert asked(graph.invoke({"log": []}, WHERE)).keys() == {"a?"}
    assert graph.invoke(Command(resume="yes"), WHERE)["log"] == ["yes"]


def test_problem_08_a_swallowed_pause_fails_and_names_the_line(saver: Any) -> None:
    def careless(state: State) -> State:
        with suppress(BaseException):
            interrupt("a?")
        return {"log": ["swallowed"]}

    graph = line(saver, careless=careless)
    with pytest.raises(SwallowedInterruptError) as failure:
        graph.invoke({"log": []}, WHERE)
    where = careless.__code__.co_firstlineno + 2
    assert f"{Path(__file__).name}:{where}" in str(failure.value)
    assert graph.get_state(WHERE).values == {"log": []}
    assert graph.get_state(WHERE).next == ("careless",)


async def test_problem_08_gather_cannot_hide_a_pause(saver: Any) -> None:
    async def asks() -> str:
        return str(interrupt("a?"))

    async def gathers(state: State) -> State:
        await asyncio.gather(asks(), return_exceptions=True)
        return {"log": ["swallowed"]}

    graph = line(saver, gathers=gathers)
    with pytest.raises(SwallowedInterruptError):
        await graph.ainvoke({"log": []}, WHERE)
    assert (await graph.aget_state(WHERE)).next == ("gathers",)


async def test_problem_08_a_task_that_pauses_inside_gather_pauses_its_caller(saver: Any) -> None:
    @task
    async def asks() -> str:
        return str(interrupt("a?"))

    async def gathers(state: State) -> State:
        return {"log": await asyncio.gather(asks(), return_exceptions=True)}

    graph = line(saver, gathers=gathers)
    assert asked(await graph.ainvoke({"log": []}, WHERE)).keys() == {"a?"}
    assert (await graph.ainvoke(Command(resume="yes"), WHERE))["log"] == ["yes"]


# --- 9 -------------------------------------------------------------------------------------------


def test_problem_09_new_input_withdraws_the_question_and_says_so(saver: Any) -> None:
    graph = line(saver, asks=asking("a?"))
    first = asked(graph.invoke({"log": ["one"]}, WHERE))["a?"]
    second = asked(graph.invoke({"log": ["two"]}, WHERE))["a?"]
    assert first != second
    every = saver.execute(FindInterrupts("thread-1", status=None))
    assert [(row.id, row.status) for row in every] == [(first, "withdrawn"), (second, "open")]
    assert every[0].reason == "new input"
    with pytest.raises(InterruptClosedError) as refusal:
        graph.invoke(Command(resume={first: "yes"}), WHERE)
    assert (refusal.value.status, refusal.value.reason) == ("withdrawn", "new input")
    assert [one.id for one in refusal.value.open_interrupts] == [second]
    assert graph.invoke(Command(resume="yes"), WHERE)["log"] == ["one", "two", "a? yes"]


def test_problem_09_an_edit_of_the_state_does_not_drop_the_question_silently(saver: Any) -> None:
    graph = line(saver, starts=lambda state: {"log": ["start"]}, asks=asking("a?"))
    first = asked(graph.invoke({"log": []}, WHERE))["a?"]
    graph.update_state(WHERE, {"log": ["edit"]}, as_node="starts")
    row = next(row for row in saver.execute(FindInterrupts("thread-1", status=None)))
    assert (row.id, row.status) == (first, "withdrawn")
    assert row.reason
    with pytest.raises(InterruptClosedError):
        graph.invoke(Command(resume={first: "yes"}), WHERE)
    assert asked(graph.invoke(None, WHERE)).keys() == {"a?"}
    assert graph.invoke(Command(resume="yes"), WHERE)["log"] == ["start", "edit", "a? yes"]


# --- 10 ------------------------------------------------------------------------------------------


def test_problem_10_a_question_whose_node_was_renamed_is_refused_and_stays_open(
    saver: Any,
) -> None:
    ran: Counter[str] = Counter()
    before = line(saver, decides=asking("a?", ran))
    id = asked(before.invoke({"log": []}, WHERE))["a?"]
    after = line(saver, decides_now=asking("a?", ran))
    goto = Command(goto="decides_now")
    for given in (Command(resume="yes"), Command(resume={id: "yes"}), None, goto):
        with pytest.raises(ProgramChangedError) as refusal:
            after.invoke(given, WHERE)
        assert refusal.value.nodes == ("decides",)
        assert [one.id for one in refusal.value.open_interrupts] == [id]
    assert ran == {"a? started": 1}
    assert rows(saver)["a?"].status == "open"
    assert [one.id for one in after.get_state(WHERE).interrupts] == [id]
    assert before.invoke(Command(resume="yes"), WHERE)["log"] == ["a? yes"]


def test_problem_10_an_answer_accepted_before_a_deploy_is_not_lost_with_its_node(
    saver: Any,
) -> None:
    before, after = line(saver, decides=asking("a?")), line(saver, decides_now=asking("a?"))
    before.invoke({"log": []}, WHERE)
    loaded = rows(saver)["a?"]
    answers = [Answer(loaded.id, "yes")]
    saver.execute(
        Accept("thread-1", answers, "2026-01-01T00:00:00+00:00", "", loaded.checkpoint_id)
    )
    with pytest.raises(ProgramChangedError):
        after.invoke(None, WHERE)
    assert before.invoke(None, WHERE)["log"] == ["a? yes"]


def test_problem_10_a_question_nested_in_a_node_that_is_gone_is_refused_too(saver: Any) -> None:
    def outer(name: str) -> Any:
        return line(saver, **{name: line(None, asks=asking("a?"))})

    outer("agent").invoke({"log": []}, WHERE)
    with pytest.raises(ProgramChangedError):
        outer("helper").invoke(Command(resume="yes"), WHERE)
    assert outer("agent").invoke(Command(resume="yes"), WHERE)["log"] == ["a? yes"]


def test_problem_10_new_input_or_an_edit_goes_on_without_the_node_that_is_gone(
    saver: Any,
) -> None:
    line(saver, decides=asking("a?")).invoke({"log": []}, WHERE)
    after = line(saver, other=asking("b?"))
    assert asked(after.invoke({"log": []}, WHERE)).keys() == {"b?"}
    assert rows(saver)["a?"].status == "withdrawn"


def test_problem_10_a_key_removed_from_the_state_does_not_stop_the_program_for_ever(
    saver: Any,
) -> None:
    class Before(TypedDict, total=False):
        log: Annotated[list[str], operator.add]
        removed: str

    def program(schema: Any) -> Any:
        graph = StateGraph(schema)
        graph.add_node("works", lambda state: {"log": ["works"]}).add_edge(START, "works")
        return graph.compile(checkpointer=saver, interrupt_before=["works"])

    program(Before).invoke({"log": [], "removed": "x"}, WHERE)
    after = program(State)
    assert after.get_state(WHERE).next == ("works",)
    assert after.invoke(None, WHERE)["log"] == ["works"]
    assert after.get_state(WHERE).next == ()


# --- 11 ------------------------------------------------------------------------------------------


def test_problem_11_a_fork_asks_again_and_the_answer_given_before_stays_as_it_was(
    saver: Any,
) -> None:
    ran: Counter[str] = Counter()
    graph = line(saver, asks=asking("a?", ran), ends=lambda state: {"log": ["end"]})
    first = asked(graph.invoke({"log": []}, WHERE))["a?"]
    paused = graph.get_state(WHERE).config
    assert graph.invoke(Command(resume="yes"), WHERE)["log"] == ["a? yes", "end"]
    with pytest.raises(AlreadyAnsweredError):
        graph.invoke(Command(resume="no"), paused)
    second = asked(graph.invoke(None, paused))["a?"]
    assert second != first
    assert graph.get_state(WHERE).metadata["source"] == "fork"
    assert graph.invoke(Command(resume={second: "no"}), WHERE)["log"] == ["a? no", "end"]
    every = {row.id: row for row in saver.execute(FindInterrupts("thread-1", status=None))}
    assert [every[first].answer, every[second].answer] == ["yes", "no"]


def test_problem_11_a_fork_of_an_edited_state_decides_by_the_edit(saver: Any) -> None:
    def decides(state: State) -> State:
        amount = state["log"][-1]
        return {"log": [f"{interrupt(f'pay {amount}?')} {amount}"]}

    graph = line(saver, sets=lambda state: {"log": ["1"]}, decides=decides)
    small = asked(graph.invoke({"log": []}, WHERE))["pay 1?"]
    changed = graph.update_state(graph.get_state(WHERE).config, {"log": ["2"]}, as_node="sets")
    large = asked(graph.invoke(None, changed))["pay 2?"]
    with pytest.raises(InterruptClosedError):
        graph.invoke(Command(resume={small: "yes"}), WHERE)
    assert graph.invoke(Command(resume={large: "yes"}), WHERE)["log"] == ["1", "2", "yes 2"]


def test_problem_11_an_effect_belongs_to_its_branch(saver: Any) -> None:
    paid: list[str] = []

    @task(effect=True)
    def pay() -> int:
        paid.append("paid")
        return len(paid)

    graph = line(saver, pays=lambda state: {"log": [pay().result()]}, asks=asking("a?"))
    graph.invoke({"log": []}, WHERE)
    graph.invoke(Command(resume="yes"), WHERE)
    history = list(graph.get_state_history(WHERE))
    ahead_of_question = next(moment for moment in history if moment.next == ("asks",))
    graph.invoke(None, ahead_of_question.config)
    assert graph.invoke(Command(resume="no"), WHERE)["log"] == [1, "a? no"]
    ahead_of_payment = next(moment for moment in history if moment.next == ("pays",))
    graph.invoke(None, ahead_of_payment.config)
    assert graph.invoke(Command(resume="no"), WHERE)["log"] == [2, "a? no"]


# --- 12 ------------------------------------------------------------------------------------------


@dataclass
class Order:
    amount: Decimal
    due: date | None = None


class Orders(TypedDict, total=False):
    order: Order
    anything: Any


def _orders(saver: Any, **nodes: Any) -> Any:
    graph = StateGraph(Orders).add_sequence(list(nodes.items()))
    return graph.add_edge(START, next(iter(nodes))).compile(checkpointer=saver)


def test_problem_12_typed_values_and_none_come_back_after_a_pause_as_they_were(saver: Any) -> None:
    seen: list[Any] = []

    def asks(state: Orders) -> Orders:
        seen.append((state["order"], state["anything"]))
        interrupt("a?")
        return {}

    order = Order(Decimal("82000.10"), date(2026, 11, 21))
    _orders(saver, asks=asks).invoke({"order": order, "anything": None}, WHERE)
    _orders(saver, asks=asks).invoke(Command(resume="yes"), WHERE)
    assert seen == [(order, None)] * 2
    assert _orders(saver, asks=asks).get_state(WHERE).values == {"order": order, "anything": None}


def test_problem_12_what_cannot_be_stored_fails_where_it_was_written_and_names_the_path(
    saver: Any,
) -> None:
    fine = {"rows": [1, 2]}
    graph = _orders(
        saver,
        first=lambda state: {"anything": fine},
        second=lambda state: {"anything": {"rows": [1, threading.Lock()]}},
        asks=lambda state: {"anything": interrupt("never asked")},
    )
    with pytest.raises(SerializationError) as failure:
        graph.invoke({"anything": None}, WHERE)
    assert 'anything["rows"][1]' in str(failure.value)
    state = graph.get_state(WHERE)
    assert (state.values["anything"], state.next) == (fine, ("second",))


def test_problem_12_a_payload_that_cannot_be_shown_again_is_refused_before_it_is_asked(
    saver: Any,
) -> None:
    graph = line(saver, asks=lambda state: {"log": [interrupt({"lock": threading.Lock()})]})
    with pytest.raises(SerializationError, match="lock"):
        graph.invoke({"log": []}, WHERE)
    assert rows_of_any_kind(saver) == []


def rows_of_any_kind(saver: Any) -> list[InterruptRow]:
    return list(saver.execute(FindInterrupts("thread-1", status=None)))


# --- 13 ------------------------------------------------------------------------------------------


async def _in_a_coroutine() -> Any:
    return await asyncio.create_task(_asks_async())


async def _asks_async() -> Any:
    await asyncio.sleep(0)
    return interrupt("a?")


async def _in_a_thread() -> Any:
    return await asyncio.to_thread(interrupt, "a?")


async def _in_a_group() -> Any:
    return (await asyncio.gather(_asks_async(), asyncio.sleep(0)))[0]


@pytest.mark.parametrize("asks", [_asks_async, _in_a_coroutine, _in_a_thread, _in_a_group])
async def test_problem_13_a_question_in_async_code_never_lacks_its_context(
    saver: Any, asks: Callable[[], Any]
) -> None:
    async def node(state: State) -> State:
        return {"log": [await asks()]}

    graph = line(saver, node=node)
    assert asked(await graph.ainvoke({"log": []}, WHERE)).keys() == {"a?"}
    assert (await graph.ainvoke(Command(resume="yes"), WHERE))["log"] == ["yes"]


def test_problem_13_the_package_says_which_python_it_needs() -> None:
    assert metadata("caesura")["Requires-Python"] == ">=3.11"


# --- 17 ------------------------------------------------------------------------------------------


def test_problem_17_what_was_approved_is_what_runs_or_the_person_is_asked_again(
    saver: Any,
) -> None:
    amount, paid = 1, []

    def pays(state: State) -> State:
        shown = {"pay": amount}
        if interrupt(shown) == "approve":
            paid.append(shown["pay"])
        return {"log": ["done"]}

    graph = line(saver, pays=pays)
    small = graph.invoke({"log": []}, WHERE)["__interrupt__"][0]
    amount = 82_000
    large = graph.invoke(Command(resume={small.id: "approve"}), WHERE)["__interrupt__"][0]
    assert paid == []
    assert large.value == {"pay": 82_000}
    assert large.id != small.id
    every = saver.execute(FindInterrupts("thread-1", status=None))
    old = next(row for row in every if row.id == small.id)
    assert (old.status, old.superseded_by) == ("superseded", large.id)
    assert "/pay" in (old.reason or "")
    graph.invoke(Command(resume={large.id: "approve"}), WHERE)
    assert paid == [82_000]


def test_problem_17_fields_declared_volatile_may_differ(saver: Any) -> None:
    times = iter(["10:00", "10:01"])

    def asks(state: State) -> State:
        shown = {"pay": 1, "at": next(times)}
        return {"log": [interrupt(shown, volatile=["/at"])]}

    graph = line(saver, asks=asks)
    graph.invoke({"log": []}, WHERE)
    assert graph.invoke(Command(resume="yes"), WHERE)["log"] == ["yes"]


# --- 18 ------------------------------------------------------------------------------------------


@dataclass
class Decision:
    what: Literal["approve", "reject"]
    amount: int = 0


JSON_SCHEMA = {
    "type": "object",
    "properties": {
        "what": {"enum": ["approve", "reject"]},
        "amount": {"type": "integer"},
    },
    "required": ["what"],
}


@pytest.mark.parametrize("schema", [Decision, JSON_SCHEMA], ids=["class", "json"])
def test_problem_18_a_wrong_answer_is_refused_with_its_fields_and_nothing_runs(
    saver: Any, schema: Any
) -> None:
    ran: Counter[str] = Counter()

    def decides(state: State) -> State:
        ran["started"] += 1
        answer = interrupt("pay?", response_schema=schema)
        what = answer["what"] if isinstance(answer, dict) else answer.what
        return {"log": [what, type(answer).__name__]}

    graph = line(saver, decides=decides)
    paused = graph.invoke({"log": []}, WHERE)["__interrupt__"][0]
    assert paused.response_schema["properties"].keys() == {"what", "amount"}
    for wrong, pointer in (
        ({"what": "maybe"}, "/what"),
        ({"what": "approve", "amount": "x"}, "/amount"),
    ):
        with pytest.raises(InvalidAnswerError) as refusal:
            graph.invoke(Command(resume=wrong), WHERE)
        assert [error["pointer"] for error in refusal.value.errors] == [pointer]
        assert [one.id for one in refusal.value.open_interrupts] == [paused.id]
    assert ran == {"started": 1}
    done = graph.invoke(Command(resume={"what": "approve", "amount": 3}), WHERE)
    assert done["log"] == ["approve", "dict" if schema is JSON_SCHEMA else "Decision"]


def test_problem_18_one_wrong_answer_among_several_refuses_all(saver: Any) -> None:
    def asks(state: State) -> State:
        answers = interrupts([Question("n?", int), Question("b?", bool)])
        return {"log": answers}

    graph = line(saver, asks=asks)
    waiting = asked(graph.invoke({"log": []}, WHERE))
    with pytest.raises(InvalidAnswerError):
        graph.invoke(Command(resume={waiting["n?"]: 1, waiting["b?"]: "perhaps"}), WHERE)
    assert {row.status for row in rows(saver).values()} == {"open"}
    done = graph.invoke(Command(resume={waiting["n?"]: 1, waiting["b?"]: True}), WHERE)
    assert done["log"] == [1, True]


# --- 24 ------------------------------------------------------------------------------------------

TURNS, SIZE = 400, 2_000


def _chat(saver: Any) -> Any:
    def replies(state: State) -> State:
        number = len(state["log"])
        return {"log": [{"role": "assistant", "text": f"{number:06d}" * (SIZE // 6)}]}

    return line(saver, replies=replies)


def _say(graph: Any, turns: range) -> None:
    for number in turns:
        text = f"{number:04d}" * (SIZE // 4)
        graph.invoke({"log": [{"role": "user", "text": text}]}, WHERE)


def test_problem_24_storage_grows_with_what_is_said_and_not_with_its_square(saver: Any) -> None:
    graph = _chat(saver)
    _say(graph, range(TURNS // 2))
    half = stored_bytes(saver)
    _say(graph, range(TURNS // 2, TURNS))
    whole = stored_bytes(saver)
    said = 2 * TURNS * SIZE
    assert len(graph.get_state(WHERE).values["log"]) == 2 * TURNS
    assert said < whole < 10_000_000
    assert whole - half < 1.5 * half


# --- 25 ------------------------------------------------------------------------------------------

INJECTIONS = [
    "' OR '1'='1",
    "x'; DROP TABLE checkpoints; --",
    'a" --',
    "$.a' || 1",
    "%",
    "_",
    "\x00",
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_problem_25_names_from_outside_are_values_and_never_part_of_a_query(
    saver: Any, text: str
) -> None:
    graph = line(saver, asks=asking("a?"))
    graph.invoke({"log": ["victim"]}, WHERE)
    other: Any = {"configurable": {"thread_id": text}, "metadata": {"tenant": text}}
    if "\0" in text and isinstance(saver, PostgresSaver):
        with pytest.raises(UnstorableTextError, match="Nothing was changed"):
            graph.invoke({"log": ["other"]}, other)
        return
    graph.invoke({"log": ["other"]}, other)
    assert graph.get_state(other).values == {"log": ["other"]}
    for filter in ({text: "x"}, {"tenant": text + "'"}, {"source": text}):
        assert list(saver.list(None, filter=filter)) == []
    found = list(saver.list(None, filter={"tenant": text}))
    assert {one.config["configurable"]["thread_id"] for one in found} == {text}
    assert len(saver.execute(FindInterrupts(text))) == 1
    saver.delete_thread(text)
    assert graph.get_state(other).values == {}
    assert graph.invoke(Command(resume="yes"), WHERE)["log"] == ["victim", "a? yes"]


class Armed:
    """Would do harm if a reader built or called it."""

    fired: ClassVar[list[str]] = []

    def __init__(self, text: str = "") -> None:
        self.fired.append(text)


HOSTILE = [
    ("pickle", pickle.dumps(Counter("abc"))),
    ("json", b'{"lc": 2, "type": "constructor", "id": ["os", "system"], "args": ["true"]}'),
    (
        "json",
        b'{"lc": 2, "type": "constructor", "id": ["%s", "Armed"], "kwargs": {"text": "json"}}'
        % __name__.encode(),
    ),
]


@pytest.mark.parametrize("stored", HOSTILE, ids=["pickle", "system", "class"])
def test_problem_25_stored_bytes_of_an_attacker_build_and_call_nothing(
    stored: tuple[str, bytes],
) -> None:
    Armed.fired.clear()
    with suppress(DeserializationError):
        assert isinstance(JsonPlusSerializer().loads_typed(stored), dict | list | str)
    assert Armed.fired == []


# --- 26 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True])
def test_problem_26_a_store_that_drops_out_fails_the_run_and_the_same_call_goes_on(
    saver: Any, after: bool
) -> None:
    ran: Counter[str] = Counter()

    def works(state: State) -> State:
        ran["works"] += 1
        return {"log": ["works"]}

    def program(store: Any) -> Any:
        return line(store, works=works, asks=asking("a?", ran))

    id = asked(program(saver).invoke({"log": []}, WHERE))["a?"]
    dropping = FailingSaver(saver, 2, after=after, for_good=True)
    with pytest.raises(StorageError):
        program(dropping).invoke(Command(resume={id: "yes"}), WHERE)
    was_accepted = rows(saver)["a?"].status == "answered"
    assert was_accepted is after
    again = None if was_accepted else Command(resume={id: "yes"})
    assert program(saver).invoke(again, WHERE)["log"] == ["works", "a? yes"]
    assert (ran["works"], ran["a? ended"]) == (1, 1)
