"""Code that catches the pause."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

DEVIATIONS = {
    "except Exception": "the pause signal is no Exception: it cannot be swallowed by accident",
    "except BaseException": "a task that swallows its pause fails",
    "state after except BaseException": "a task that swallows its pause fails",
}


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    seen = []

    def catching(kind):
        def ask(state):
            try:
                return {"log": [interrupt("?")]}
            except kind:
                return {"log": ["swallowed"]}
            finally:
                seen.append(kind.__name__)

        return ask

    for kind in (Exception, BaseException):
        builder = (
            StateGraph(State).add_node("ask", drive.node(catching(kind))).add_edge(START, "ask")
        )
        graph = builder.compile(checkpointer=make_saver())
        cfg = {"configurable": {"thread_id": "1"}}
        record.raises(f"except {kind.__name__}", drive.invoke, graph, {"log": []}, cfg)
        if kind is BaseException:
            record("state after except BaseException", drive.state(graph, cfg).next)
    record("finally ran", sorted(set(seen)))
    fine = (
        StateGraph(State)
        .add_node("ask", drive.node(catching(ValueError)))
        .add_edge(START, "ask")
        .compile(checkpointer=make_saver())
    )
    drive.invoke(fine, {"log": []}, {"configurable": {"thread_id": "1"}})
    record(
        "except ValueError",
        drive.invoke(fine, Command(resume="ok"), {"configurable": {"thread_id": "1"}}),
    )
