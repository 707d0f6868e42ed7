"""A fork by update_state at an old checkpoint, and new input there (B11)."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = StateGraph(State)
    builder.add_sequence([(n, drive.node(lambda s, n=n: {"log": [n]})) for n in "abc"]).add_edge(
        START, "a"
    )
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    drive.invoke(graph, {"log": []}, cfg)
    old = next(s for s in drive.history(graph, cfg) if s.next == ("b",))
    fork = drive.update(graph, old.config, {"log": ["edit"]})
    record(
        "fork",
        [
            drive.state(graph, fork).values,
            drive.state(graph, fork).next,
            drive.state(graph, fork).metadata,
        ],
    )
    record("its parent is the old one", drive.state(graph, fork).parent_config == old.config)
    record("going on", drive.invoke(graph, None, fork))
    record(
        "history",
        [
            [s.metadata["source"], s.metadata["step"], s.next, s.values]
            for s in drive.history(graph, cfg)
        ],
    )
    other = drive.update(graph, old.config, {"log": ["skip"]}, as_node="b")
    record("as another node", [drive.state(graph, other).next, drive.invoke(graph, None, other)])
    record("new input at an old id", drive.invoke(graph, {"log": ["again"]}, old.config))
    newest = drive.history(graph, cfg)[:5]
    record(
        "its history",
        [[s.metadata["source"], s.metadata["step"], s.next, s.values] for s in newest],
    )
    record("its branch starts at the old one", newest[-1].parent_config == old.config)
