"""Leaving a stream early keeps what was finished; None goes on from there."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record):
    runs = []

    def node(name):
        def body(state):
            runs.append(name)
            return {"log": [name]}

        return body

    builder = (
        StateGraph(State).add_sequence([(name, node(name)) for name in "abc"]).add_edge(START, "a")
    )
    for durability in ("sync", "async", "exit"):
        runs.clear()
        graph = builder.compile(checkpointer=make_saver())
        cfg = {"configurable": {"thread_id": "1"}}
        stream = graph.stream({"log": []}, cfg, stream_mode="updates", durability=durability)
        record(f"first chunks {durability}", [next(stream), next(stream)])
        stream.close()
        state = graph.get_state(cfg)
        record(f"state {durability}", [state.values, state.next])
        record(f"resumed {durability}", graph.invoke(None, cfg))
        record(f"runs {durability}", list(runs))
