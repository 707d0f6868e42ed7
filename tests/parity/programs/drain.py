"""A drain finishes the step, saves, and stops; None goes on."""

import operator
from typing import Annotated, TypedDict

from langgraph.errors import GraphDrained
from langgraph.graph import START, StateGraph
from langgraph.runtime import RunControl


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    control = RunControl()

    def one(state):
        control.request_drain("redeploy")
        return {"log": ["one"]}

    builder = (
        StateGraph(State)
        .add_node("one", drive.node(one))
        .add_node("two", drive.node(lambda s: {"log": ["two"]}))
    )
    graph = builder.add_edge(START, "one").add_edge("one", "two").compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    try:
        drive.invoke(graph, {"log": []}, cfg, control=control)
    except GraphDrained as error:
        record("drained", [str(error), error.reason])
    state = drive.state(graph, cfg)
    record("state", [state.values, state.next])
    record("resumed", drive.invoke(graph, None, cfg))
    late = RunControl()
    last = (
        StateGraph(State)
        .add_node("n", lambda s: late.request_drain() or {"log": ["n"]})
        .add_edge(START, "n")
        .compile()
    )
    record("nothing left to do", drive.invoke(last, {"log": []}, control=late))
    record(
        "control",
        [
            late.drain_requested,
            late.drain_reason,
            RunControl().drain_requested,
            RunControl().drain_reason,
        ],
    )
