"""A path sees its source's writes, not its siblings', and fails together with its source."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph

DEVIATIONS = {
    "state after the failure": "nothing that a failed task wrote is kept or shown, and it stays due",
}


class State(TypedDict, total=False):
    log: Annotated[list, operator.add]
    mine: str


def run(make_saver, record, drive):
    seen = {}

    def path(state):
        seen["path"] = {key: state[key] for key in sorted(state)}
        return "c"

    builder = StateGraph(State)
    builder.add_node(
        "a", drive.node(lambda s: {"log": ["a"], "mine": "m", "extra": "not in the state"})
    )
    builder.add_node("b", drive.node(lambda s: {"log": ["b"]}))
    builder.add_node("c", drive.node(lambda s: {"log": ["c"]}))
    builder.add_edge(START, "a").add_edge(START, "b")
    builder.add_conditional_edges("a", path, ["c"])
    record("result", drive.invoke(builder.compile(), {"log": ["in"]}))
    record("seen by the path", seen)

    def fail(state):
        raise RuntimeError("path failed")

    failing = StateGraph(State)
    failing.add_node("a", drive.node(lambda s: {"log": ["a"]})).add_edge(START, "a")
    failing.add_conditional_edges("a", fail)
    graph = failing.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record.raises("path fails", drive.invoke, graph, {"log": ["in"]}, cfg)
    state = drive.state(graph, cfg)
    record(
        "state after the failure",
        [state.values, state.next, [(t.name, t.error) for t in state.tasks]],
    )
    twice = (
        StateGraph(State)
        .add_node("a", lambda s: None)
        .add_edge(START, "a")
        .add_conditional_edges("a", path)
    )
    record.raises("same name twice", twice.add_conditional_edges, "a", path)
    many = StateGraph(State)
    for name in "abc":
        many.add_node(name, drive.node(lambda s, name=name: {"log": [name]}))
    many.add_edge(START, "a").add_edge("a", "b")
    many.add_conditional_edges("a", lambda s: "c")
    record("a branch and an edge", drive.invoke(many.compile(), {"log": []}))
