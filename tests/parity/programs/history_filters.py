"""History: newest first; filter, limit, before."""

import operator
from itertools import pairwise
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = StateGraph(State)
    builder.add_sequence([(n, drive.node(lambda s, n=n: {"log": [n]})) for n in "ab"]).add_edge(
        START, "a"
    )
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    drive.invoke(graph, {"log": ["1"]}, {**cfg, "metadata": {"run": 1}})
    drive.invoke(graph, {"log": ["2"]}, {**cfg, "metadata": {"run": 2}})
    everything = drive.history(graph, cfg)
    record("everything", everything)

    def steps(**options):
        return [s.metadata["step"] for s in drive.history(graph, cfg, **options)]

    record("limit", steps(limit=2))
    record("filter by source", steps(filter={"source": "input"}))
    record("filter by own key", steps(filter={"run": 2}))
    record("filter by two", steps(filter={"run": 1, "source": "loop"}))
    record("filter by step", steps(filter={"step": 0}))
    record("filter by nothing there", steps(filter={"nope": 1}))
    record("before", steps(before=everything[3].config))
    record("before, limited", steps(before=everything[3].config, limit=1))
    record("filter, limited", steps(filter={"source": "loop"}, limit=2))
    one = everything[2].config
    record("with an id", [s.metadata["step"] for s in drive.history(graph, one)])
    record("parents", [s.parent_config == p.config for s, p in pairwise(everything)])
    record("the same each time", everything == drive.history(graph, cfg))
