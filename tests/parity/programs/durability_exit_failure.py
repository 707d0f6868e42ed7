"""In exit mode a failure stores the last checkpoint with the finished siblings' writes."""

import operator
import threading
import time
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record):
    runs = {"ok": 0, "bad": 0}
    ok_ran = threading.Event()

    def ok(state):
        runs["ok"] += 1
        ok_ran.set()
        return {"log": ["ok"]}

    def bad(state):
        runs["bad"] += 1
        if runs["bad"] == 1:
            ok_ran.wait(5)
            time.sleep(0.1)
            raise ValueError("bad")
        return {"log": ["bad"]}

    builder = (
        StateGraph(State)
        .add_node("a", lambda s: {"log": ["a"]})
        .add_node("bad", bad)
        .add_node("ok", ok)
    )
    builder.add_edge(START, "a").add_edge("a", "ok").add_edge("a", "bad")
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record.raises("failure", graph.invoke, {"log": []}, cfg, durability="exit")
    state = graph.get_state(cfg)
    record("state", [state.values, state.next, [(t.name, t.error) for t in state.tasks]])
    record("stored", [[s.metadata["step"], s.next] for s in graph.get_state_history(cfg)])
    record("resumed", graph.invoke(None, cfg, durability="exit"))
    record("runs", runs)
