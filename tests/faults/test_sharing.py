"""Several people answer questions of one step at once: every part runs once, and the step is finished."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.func import entrypoint, task
from caesura.types import Command, interrupt

CFG: Any = {"configurable": {"thread_id": "1"}}
QUESTIONS = ("a", "b", "c")


def answered_at_once(saver: Any) -> tuple[Counter[str], Any]:
    """Three asking tasks of one entrypoint, answered by three threads at the same moment."""
    effects: Counter[str] = Counter()

    @task
    def ask(question: str) -> Any:
        answer = interrupt(question)
        effects[question] += 1
        return answer

    @task
    def pay(answers: list[Any]) -> list[Any]:
        effects["pay"] += 1
        return answers

    @entrypoint(checkpointer=saver)
    def flow(_: int) -> Any:
        asked = [ask(question) for question in QUESTIONS]
        return pay([future.result() for future in asked]).result()

    open_now = {i.value: i.id for i in flow.invoke(1, CFG)["__interrupt__"]}
    together = threading.Barrier(len(QUESTIONS))

    def answer(question: str) -> None:
        together.wait()
        flow.invoke(Command(resume={open_now[question]: question.upper()}), CFG)

    racers = [threading.Thread(target=answer, args=(q,)) for q in QUESTIONS]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    return effects, flow.get_state(CFG)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("round", range(12))
def test_an_entrypoint_whose_questions_are_answered_at_once_goes_on_once(
    kind: str, round: int, tmp_path: Path
) -> None:
    """No task runs twice, what follows runs once, and nobody has to start it by hand."""
    if kind == "memory":
        effects, state = answered_at_once(InMemorySaver())
    else:
        with SqliteSaver.from_conn_string(str(tmp_path / "t.sqlite")) as saver:
            effects, state = answered_at_once(saver)
    assert effects == {"a": 1, "b": 1, "c": 1, "pay": 1}
    assert state.next == ()
    assert state.values == ["A", "B", "C"]
