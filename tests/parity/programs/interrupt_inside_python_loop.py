"""`while not valid: interrupt(...)`: every round is a question of its own."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    def ask(state):
        question, tries = "age?", []
        while True:
            answer = interrupt(question)
            tries.append(answer)
            if isinstance(answer, int):
                return {"log": tries}
            question = f"{answer!r} is no number"

    graph = (
        StateGraph(State)
        .add_node("ask", drive.node(ask))
        .add_edge(START, "ask")
        .compile(checkpointer=make_saver())
    )
    cfg = {"configurable": {"thread_id": "1"}}
    record("first", drive.invoke(graph, {"log": []}, cfg))
    record("second", drive.invoke(graph, Command(resume="old"), cfg))
    record("third", drive.invoke(graph, Command(resume="very old"), cfg))
    record("done", drive.invoke(graph, Command(resume=93), cfg))
