"""Several waiting siblings: a scalar is ambiguous, a map answers some, finished ones do not run again (B3)."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

DEVIATIONS = {
    "runs after a partial answer": "a task is started again only if it can get further than last time",
}


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    runs = {"p1": 0, "p2": 0, "p3": 0}

    def asking(name):
        def body(state):
            runs[name] += 1
            return {"log": [interrupt(name)]}

        return drive.node(body)

    def p3(state):
        runs["p3"] += 1
        return {"log": ["p3"]}

    builder = (
        StateGraph(State)
        .add_node("p1", asking("p1"))
        .add_node("p2", asking("p2"))
        .add_node("p3", drive.node(p3))
    )
    for name in runs:
        builder.add_edge(START, name)
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    paused = drive.invoke(graph, {"log": ["in"]}, cfg)
    record("values", {k: v for k, v in paused.items() if k != "__interrupt__"})
    record("questions", sorted(i.value for i in paused["__interrupt__"]))
    record("state", drive.state(graph, cfg))
    ids = {i.value: i.id for i in drive.state(graph, cfg).interrupts}
    before = dict(runs)
    try:
        drive.invoke(graph, Command(resume="who?"), cfg)
    except Exception as error:
        record("a scalar is refused", isinstance(error, RuntimeError))
    record("nothing ran", runs == before)
    record("partial answer", drive.invoke(graph, Command(resume={ids["p1"]: "one"}), cfg))
    record("runs after a partial answer", dict(runs))
    record("still open", [drive.state(graph, cfg).next, drive.state(graph, cfg).interrupts])
    record("the rest by a scalar", drive.invoke(graph, Command(resume="two"), cfg))
    record("p3 ran once", runs["p3"])
