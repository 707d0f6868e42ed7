"""A pydantic model as state: it is validated on entry to each node, not on the way out."""

import operator
from typing import Annotated

from langgraph.graph import START, StateGraph
from pydantic import BaseModel

DEVIATIONS = {
    "state after bad input": "reading a state never runs a validator",
}


class State(BaseModel):
    number: int = 0
    log: Annotated[list, operator.add] = []


def run(make_saver, record, drive):
    seen = []

    def one(state: State):
        seen.append(state)
        return {"number": "7", "log": [type(state).__name__]}

    def two(state: State):
        seen.append(state)
        return State(number=state.number + 1)

    builder = StateGraph(State)
    builder.add_node("one", drive.node(one)).add_node("two", drive.node(two))
    builder.add_edge(START, "one").add_edge("one", "two")
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("result", drive.invoke(graph, {"number": "3"}, cfg))
    record("seen", seen)
    record(
        "from instance", drive.invoke(graph, State(number=5), {"configurable": {"thread_id": "2"}})
    )
    bad = {"configurable": {"thread_id": "3"}}
    try:
        drive.invoke(graph, {"number": "x"}, bad)
    except Exception as error:
        record(
            "bad input", [type(error).__name__, error.errors()[0]["loc"], error.errors()[0]["type"]]
        )
    try:
        after = drive.state(graph, bad).values
    except Exception as error:
        after = type(error).__name__
    record("state after bad input", after)
    record("saved steps after bad input", len(drive.saved(graph.checkpointer, bad)))
    record(
        "v2", drive.invoke(graph, {"number": 1}, {"configurable": {"thread_id": "4"}}, version="v2")
    )
