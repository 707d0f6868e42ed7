"""The interrupts service: one set of rules, for sync and async callers alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypedDict

import pytest

from caesura.checkpoint.operations import CopyThread
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.errors import (
    AlreadyAnsweredError,
    InterruptClosedError,
    InvalidAnswerError,
    UnknownInterruptError,
)
from caesura.graph import START, StateGraph
from caesura.interrupts.moments import moments
from caesura.interrupts.service import AmbiguousThreadError, Interrupts
from caesura.records.operations import FindQuestions
from caesura.storage.sqlite import connect
from caesura.types import Command, interrupt

NOW = "2026-03-01T12:00:00.000000+00:00"


class State(TypedDict, total=False):
    """What is asked, and the answer."""

    question: str
    answer: Any


def node(state: State) -> State:
    """Ask for a number."""
    return {"answer": interrupt(state["question"], response_schema={"type": "integer"})}


class Asking:
    """A database, a program that asks, and the service over both colours."""

    def __init__(self, saver: SqliteSaver, colour: str) -> None:
        builder = StateGraph(State)
        builder.add_node("node", node)
        builder.add_edge(START, "node")
        self.saver, self.graph, self.colour = saver, builder.compile(checkpointer=saver), colour
        self.service = Interrupts(saver, lambda: NOW)

    def ask(self, thread: str, question: str = "How many?") -> str:
        """Pause a thread → the interrupt's id."""
        result = self.graph.invoke({"question": question}, {"configurable": {"thread_id": thread}})
        return str(result["__interrupt__"][0].id)

    def answer(self, thread: str, value: int) -> None:
        """Answer what a thread asks."""
        self.graph.invoke(Command(resume=value), {"configurable": {"thread_id": thread}})

    async def __call__(self, method: str, *args: Any) -> Any:
        """Call a method of the service, in this colour."""
        if self.colour == "sync":
            return getattr(self.service, method)(*args)
        return await getattr(self.service, "a" + method)(*args)


@pytest.fixture(params=["sync", "async"])
def asking(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Asking]:
    """A fresh database."""
    with closing(SqliteSaver(connect(str(tmp_path / "db")))) as saver:
        yield Asking(saver, request.param)


async def test_what_is_open_is_listed_and_counted(asking: Asking) -> None:
    ids = [asking.ask(thread) for thread in ("a", "b", "c")]
    asking.answer("b", 1)
    page = await asking("list")
    assert [row.id for row, _ in page.rows] == [ids[0], ids[2]]
    assert await asking("count") == 2
    query = FindQuestions(statuses=("answered",), limit=1)
    assert await asking("count", query) == 1


async def test_an_interrupt_is_found_whatever_became_of_it(asking: Asking) -> None:
    id = asking.ask("a")
    assert (await asking("get", id)).row.status == "open"
    asking.answer("a", 3)
    assert (await asking("get", id)).row.answer == 3
    assert await asking("get", "f" * 32) is None
    assert await asking("get", id, "another thread") is None


async def test_an_interrupt_of_copied_threads_needs_the_thread(asking: Asking) -> None:
    id = asking.ask("a")
    asking.saver.execute(CopyThread("a", "copy"))
    with pytest.raises(AmbiguousThreadError) as caught:
        await asking("get", id)
    assert set(caught.value.thread_ids) == {"a", "copy"}
    assert (await asking("get", id, "copy")).row.thread_id == "copy"
    with pytest.raises(AmbiguousThreadError):
        await asking("withdraw", [id], "why")
    assert await asking("count") == 2


async def test_an_answer_is_judged_and_nothing_is_stored(asking: Asking) -> None:
    id = asking.ask("a")
    assert (await asking("check", id, 5)).id == id
    with pytest.raises(InvalidAnswerError) as caught:
        await asking("check", id, "five")
    assert caught.value.errors == [{"pointer": "", "message": "must be integer, not string"}]
    assert (await asking("get", id)).row.status == "open"


async def test_what_is_not_open_takes_no_answer(asking: Asking) -> None:
    answered, withdrawn = asking.ask("a"), asking.ask("b")
    asking.answer("a", 1)
    await asking("withdraw", [withdrawn], "done otherwise")
    with pytest.raises(AlreadyAnsweredError) as caught:
        await asking("check", answered, 2)
    assert caught.value.answer == 1
    with pytest.raises(InterruptClosedError, match="done otherwise"):
        await asking("check", withdrawn, 2)
    with pytest.raises(UnknownInterruptError):
        await asking("check", "f" * 32, 2)


async def test_questions_are_withdrawn_with_a_reason_and_a_name(asking: Asking) -> None:
    ids = [asking.ask("a"), asking.ask("b")]
    rows = await asking("withdraw", ids, "not needed", "ada")
    assert [(row.status, row.reason, row.closed_at) for row in rows] == [
        ("withdrawn", "not needed, by ada", NOW)
    ] * 2
    assert await asking("withdraw", ids, "again") == []
    assert await asking("count") == 0


async def test_an_unknown_id_keeps_all_from_being_withdrawn(asking: Asking) -> None:
    id = asking.ask("a")
    with pytest.raises(UnknownInterruptError):
        await asking("withdraw", [id, "f" * 32], "why")
    assert (await asking("get", id)).row.status == "open"


async def test_the_history_tells_what_happened_in_order(asking: Asking) -> None:
    first, second = asking.ask("a"), asking.ask("b")
    asking.answer("a", 7)
    await asking("withdraw", [second], "late")
    asked, answered = await asking("history", first)
    assert (asked.event, answered.event, answered.answer) == ("asked", "answered", 7)
    assert asked.at < answered.at
    assert [(m.event, m.reason) for m in await asking("history", second)] == [
        ("asked", None), ("withdrawn", "late"),
    ]  # fmt: skip


async def test_a_replaced_question_names_its_successor(asking: Asking) -> None:
    from dataclasses import replace

    row = (await asking("get", asking.ask("a"))).row
    closed = replace(
        row, status="superseded", superseded_by="b" * 32, reason="/amount", closed_at=NOW
    )
    assert moments(closed)[-1].superseded_by == "b" * 32
