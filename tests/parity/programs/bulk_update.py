"""bulk_update_state: one checkpoint for each list of updates."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import StateUpdate


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = StateGraph(State)
    for name in "abc":
        builder.add_node(name, drive.node(lambda s, name=name: {"log": [name]}))
    builder.add_edge(START, "a").add_edge(START, "b").add_edge(["a", "b"], "c")
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    drive.bulk_update(
        graph,
        cfg,
        [
            [StateUpdate({"log": ["in"]}, "__input__")],
            [StateUpdate({"log": ["in"]}, "__start__")],
            [StateUpdate({"log": ["A"]}, "a"), StateUpdate({"log": ["B"]}, "b")],
        ],
    )
    record(
        "history",
        [
            [s.metadata["source"], s.metadata["step"], s.next, s.values]
            for s in drive.history(graph, cfg)
        ],
    )
    record("going on", drive.invoke(graph, None, cfg))
    record.raises("no supersteps", drive.bulk_update, graph, cfg, [])
    record.raises("no updates", drive.bulk_update, graph, cfg, [[]])
    record.raises(
        "without names",
        drive.bulk_update,
        graph,
        cfg,
        [[StateUpdate({"log": [1]}), StateUpdate({"log": [2]})]],
    )
    record.raises(
        "unknown name",
        drive.bulk_update,
        graph,
        cfg,
        [[StateUpdate({"log": [1]}, "a"), StateUpdate({"log": [2]}, "q")]],
    )
    record("nothing more was written", len(drive.history(graph, cfg)))
