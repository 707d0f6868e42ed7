"""Answers survive the attempts of a retry; a pause is not retried."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, RetryPolicy, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    runs = []

    def ask(state):
        runs.append("run")
        answer = interrupt("?")
        if runs.count("answered") < 2:
            runs.append("answered")
            raise ConnectionError(answer)
        return {"log": [answer]}

    policy = RetryPolicy(initial_interval=0.001, jitter=False, max_attempts=5)
    graph = (
        StateGraph(State)
        .add_node("ask", drive.node(ask), retry_policy=policy)
        .add_edge(START, "ask")
        .compile(checkpointer=make_saver())
    )
    cfg = {"configurable": {"thread_id": "1"}}
    record("paused", drive.invoke(graph, {"log": []}, cfg))
    record("not retried", list(runs))
    record("resumed", drive.invoke(graph, Command(resume="yes"), cfg))
    record("runs", runs)
