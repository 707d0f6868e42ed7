"""Keys of a TypedDict: reducers start empty, plain keys are absent, unknown keys are dropped."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict, total=False):
    log: Annotated[list, operator.add]
    count: Annotated[int, operator.add]
    plain: str
    other: str


def run(make_saver, record, drive):
    seen = []

    def first(state):
        seen.append(dict(state))
        return {"log": ["first"], "count": 2, "unknown": 1}

    def second(state):
        seen.append(dict(state))
        return {"plain": "p", "count": 3}

    builder = StateGraph(State)
    builder.add_node("first", drive.node(first))
    builder.add_node("second", drive.node(second))
    builder.add_edge(START, "first").add_edge("first", "second").add_edge("second", END)
    graph = builder.compile(checkpointer=make_saver())
    record(
        "result",
        drive.invoke(graph, {"log": ["in"], "nope": 1}, {"configurable": {"thread_id": "1"}}),
    )
    record("seen by nodes", seen)
    record("values", drive.state(graph, {"configurable": {"thread_id": "1"}}).values)
    record("empty input", drive.invoke(graph, {}, {"configurable": {"thread_id": "2"}}))
    record(
        "no output written",
        drive.invoke(
            StateGraph(State).add_node("n", lambda s: None).add_edge(START, "n").compile(), {}
        ),
    )
