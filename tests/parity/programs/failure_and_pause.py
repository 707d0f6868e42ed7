"""A sibling that pauses and one that fails: the failure is raised, both are kept."""

import operator
import time
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


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
    runs = {"ask": 0, "bad": 0}

    def ask(state):
        runs["ask"] += 1
        return {"log": [interrupt("?")]}

    def bad(state):
        runs["bad"] += 1
        if runs["bad"] <= 2:
            until_saved(saver, "__interrupt__" if runs["bad"] == 1 else "log")
            raise ValueError(f"failure {runs['bad']}")
        return {"log": ["bad"]}

    saver = make_saver()
    builder = StateGraph(State).add_node("ask", ask).add_node("bad", bad)
    graph = builder.add_edge(START, "ask").add_edge(START, "bad").compile(checkpointer=saver)
    cfg = {"configurable": {"thread_id": "1"}}
    record.raises("failure", graph.invoke, {"log": []}, cfg)
    state = graph.get_state(cfg)
    record(
        "state",
        [state.next, state.interrupts, [(t.name, t.error, t.interrupts) for t in state.tasks]],
    )
    record.raises("answered, failing again", graph.invoke, Command(resume="yes"), cfg)
    state = graph.get_state(cfg)
    record("state after the answer", [state.next, state.interrupts, state.values])
    record("third time", graph.invoke(None, cfg))
    record("runs", runs)
