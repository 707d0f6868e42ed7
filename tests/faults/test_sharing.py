"""Several people answer questions of one step at once: every part runs once, and the step is finished."""

from __future__ import annotations

import operator
import threading
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.operations import PutWrites
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.constants import CLAIM
from caesura.errors import NodeError, StaleThreadError
from caesura.func import entrypoint, task
from caesura.graph import START, StateGraph
from caesura.types import Command, interrupt


class Log(TypedDict):
    log: Annotated[list[str], operator.add]


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


def handled_at_once(saver: Any) -> tuple[Counter[str], Any]:
    """Two nodes that ask, answered at the same moment; one then fails and is handled."""
    effects: Counter[str] = Counter()

    def ask(question: str) -> Any:
        def node(state: Log) -> Log:
            answer = interrupt(question)
            effects[question] += 1
            if question == "a":
                raise LookupError(answer)
            return {"log": [answer]}

        return node

    def handle(state: Log, error: NodeError) -> Log:
        effects["handler"] += 1
        return {"log": [f"not {error.error}"]}

    builder = StateGraph(Log).add_node("a", ask("a"), error_handler=handle).add_node("b", ask("b"))
    builder.add_node("end", lambda state: effects.update(["end"])).add_edge("b", "end")
    graph = builder.add_edge(START, "a").add_edge(START, "b").compile(checkpointer=saver)
    open_now = {i.value: i.id for i in graph.invoke({"log": []}, CFG)["__interrupt__"]}
    together = threading.Barrier(2)

    def answer(question: str) -> None:
        together.wait()
        graph.invoke(Command(resume={open_now[question]: question.upper()}), CFG)

    racers = [threading.Thread(target=answer, args=(q,)) for q in open_now]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    return effects, graph.get_state(CFG)


@pytest.mark.parametrize("round", range(12))
def test_a_failure_beside_another_persons_answer_is_handled_once(saver: Any, round: int) -> None:
    effects, state = handled_at_once(saver)
    assert effects == {"a": 1, "b": 1, "handler": 1, "end": 1}
    assert state.next == ()
    assert state.values == {"log": ["not A", "B"]}


def test_a_handler_that_is_running_is_not_started_by_the_next_answer(saver: Any) -> None:
    effects: Counter[str] = Counter()
    handling, answered = threading.Event(), threading.Event()

    def fails(state: Log) -> Log:
        raise LookupError(interrupt("a"))

    def asks(state: Log) -> Log:
        return {"log": [interrupt("b")]}

    def handle(state: Log, error: NodeError) -> Log:
        effects["handler"] += 1
        handling.set()
        assert answered.wait(10)
        return {"log": [f"not {error.error}"]}

    builder = StateGraph(Log).add_node("a", fails, error_handler=handle).add_node("b", asks)
    graph = builder.add_edge(START, "a").add_edge(START, "b").compile(checkpointer=saver)
    open_now = {i.value: i.id for i in graph.invoke({"log": []}, CFG)["__interrupt__"]}
    first = threading.Thread(target=graph.invoke, args=(Command(resume={open_now["a"]: "A"}), CFG))
    first.start()
    assert handling.wait(10)
    graph.invoke(Command(resume={open_now["b"]: "B"}), CFG)
    answered.set()
    first.join()
    assert effects == {"handler": 1}
    assert graph.get_state(CFG).next == ()
    assert graph.get_state(CFG).values == {"log": ["not A", "B"]}


def test_the_handler_of_a_run_that_died_is_started_by_the_next_answer(saver: Any) -> None:
    def fails(state: Log) -> Log:
        raise LookupError(interrupt("a"))

    def asks(state: Log) -> Log:
        return {"log": [interrupt("b")]}

    def dies(state: Log, error: NodeError) -> Log:
        raise KeyboardInterrupt

    def handle(state: Log, error: NodeError) -> Log:
        return {"log": [f"not {error.error}"]}

    def graph(handler: Any) -> Any:
        builder = StateGraph(Log).add_node("a", fails, error_handler=handler).add_node("b", asks)
        return builder.add_edge(START, "a").add_edge(START, "b").compile(checkpointer=saver)

    open_now = {i.value: i.id for i in graph(dies).invoke({"log": []}, CFG)["__interrupt__"]}
    with pytest.raises(KeyboardInterrupt):
        graph(dies).invoke(Command(resume={open_now["a"]: "A"}), CFG)
    result = graph(handle).invoke(Command(resume={open_now["b"]: "B"}), CFG)
    assert result == {"log": ["not A", "B"]}


class Forgetting(InMemorySaver):
    """Somebody deletes the thread right after a run has claimed a task of it."""

    def execute(self, op: Any) -> Any:
        result = super().execute(op)
        if isinstance(op, PutWrites) and any(channel == CLAIM for channel, _ in op.writes):
            self.delete_thread(op.thread_id)
        return result


def test_a_run_whose_thread_is_deleted_while_it_claims_a_task_is_told_and_does_not_just_end() -> (
    None
):
    inner, outer = StateGraph(Log), StateGraph(Log)
    inner.add_node("inside", lambda state: {"log": [interrupt("inside?")]})
    outer.add_node("beside", lambda state: {"log": [interrupt("beside?")]})
    outer.add_node("nested", inner.add_edge(START, "inside").compile())
    outer.add_edge(START, "beside").add_edge(START, "nested")
    program = outer.compile(checkpointer=Forgetting())
    asked = program.invoke({"log": []}, CFG)["__interrupt__"]
    [inside] = [question.id for question in asked if question.value == "inside?"]
    with pytest.raises(StaleThreadError, match="cut back while this run went on"):
        program.invoke(Command(resume={inside: "yes"}), CFG)
