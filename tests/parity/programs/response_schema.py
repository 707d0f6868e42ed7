"""A response schema converts and checks the answer; a wrong one leaves the question open."""

import operator
from dataclasses import dataclass
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from pydantic import BaseModel
from typing_extensions import TypedDict as PlainTypedDict

DEVIATIONS = {
    "wrong answer": "a wrong answer is refused before anything runs, with the list of what is wrong",
    "runs after a wrong answer": "a wrong answer is refused before anything runs",
    "error in the state": "a wrong answer is refused before anything runs",
    "dataclass: schema": "unknown fields are refused, and the schema says so",
    "typed dict: schema": "unknown fields are refused, and the schema says so",
    "text for a bool": "an answer has the type asked for; text is not turned into it",
    "text for a number": "an answer has the type asked for; text is not turned into it",
}


class State(TypedDict):
    log: Annotated[list, operator.add]


class Decision(BaseModel):
    approve: bool
    note: str = ""


@dataclass
class Choice:
    number: int


class Typed(PlainTypedDict):
    name: str


def run(make_saver, record, drive):
    def build(schema, runs):
        def ask(state):
            runs.append(1)
            answer = interrupt("?", response_schema=schema)
            return {"log": [f"{type(answer).__name__} {answer!r}"]}

        return (
            StateGraph(State)
            .add_node("ask", drive.node(ask))
            .add_edge(START, "ask")
            .compile(checkpointer=make_saver())
        )

    cfg = {"configurable": {"thread_id": "1"}}
    cases = {
        "model": (Decision, {"approve": True}),
        "dataclass": (Choice, {"number": 3}),
        "typed dict": (Typed, {"name": "x"}),
        "json schema": ({"type": "object"}, {"approve": 1}),
    }
    for name, (schema, answer) in cases.items():
        graph = build(schema, [])
        asked = drive.invoke(graph, {"log": []}, cfg)["__interrupt__"][0]
        record(f"{name}: asked", asked.value)
        record(f"{name}: schema", asked.response_schema)
        record(f"{name}: answered", drive.invoke(graph, Command(resume=answer), cfg))
    for name, schema, answer in (
        ("text for a bool", Decision, {"approve": "yes"}),
        ("text for a number", Choice, {"number": "3"}),
    ):
        graph = build(schema, [])
        drive.invoke(graph, {"log": []}, cfg)
        record.raises(name, drive.invoke, graph, Command(resume=answer), cfg)
    runs = []
    graph = build(Decision, runs)
    drive.invoke(graph, {"log": []}, cfg)
    record.raises("wrong answer", drive.invoke, graph, Command(resume={"note": 3}), cfg)
    record("runs after a wrong answer", len(runs))
    state = drive.state(graph, cfg)
    record("still open", [state.next, [i.value for i in state.interrupts]])
    record("error in the state", [t.error is None for t in state.tasks])
    record("right answer", drive.invoke(graph, Command(resume={"approve": False}), cfg))
