"""Sync: siblings of a failed task finish and are kept; a resume runs only what failed (B4)."""

import operator
import time
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


def until_saved(saver, channel):
    """Wait until a sibling's write is stored: only then does a failure not race with it."""
    for _ in range(60):
        head = next(iter(saver.list({"configurable": {"thread_id": "1"}})))
        if any(name == channel for _, name, _ in head.pending_writes):
            return
        time.sleep(0.005)


def run(make_saver, record):
    runs = {"bad": 0, "ok": 0, "worse": 0}

    def node(name, fails):
        def body(state):
            runs[name] += 1
            if runs[name] <= fails:
                until_saved(saver, "log")
                raise ValueError(f"{name} failed")
            return {"log": [name]}

        return body

    builder = StateGraph(State)
    builder.add_node("bad", node("bad", 1)).add_node("ok", node("ok", 0))
    builder.add_node("after", lambda s: {"log": ["after"]})
    builder.add_edge(START, "bad").add_edge(START, "ok").add_edge(["ok", "bad"], "after")
    saver = make_saver()
    graph = builder.compile(checkpointer=saver)
    cfg = {"configurable": {"thread_id": "1"}}
    record.raises("failure", graph.invoke, {"log": ["in"]}, cfg)
    live = graph.get_state(cfg)
    record("live view", [live.values, live.next, [(t.name, t.error, t.result) for t in live.tasks]])
    stored = graph.get_state(live.config)
    record(
        "record view",
        [stored.values, stored.next, [(t.name, t.error, t.result) for t in stored.tasks]],
    )
    pending = next(iter(saver.list(cfg))).pending_writes
    record("pending writes", sorted((channel, repr(value)) for _, channel, value in pending))
    record("resumed", graph.invoke(None, cfg))
    record("runs", runs)
    record(
        "history", [[s.metadata["step"], s.next, s.values] for s in graph.get_state_history(cfg)]
    )
