"""Channels named in annotations: ephemeral, untracked, topic, any value."""

import operator
from typing import Annotated, TypedDict

from langgraph.channels import AnyValue, EphemeralValue, Topic, UntrackedValue
from langgraph.graph import START, StateGraph


class State(TypedDict, total=False):
    log: Annotated[list, operator.add]
    brief: Annotated[str, EphemeralValue]
    secret: Annotated[str, UntrackedValue]
    topic: Annotated[list, Topic(str)]
    pile: Annotated[list, Topic(str, accumulate=True)]
    agreed: Annotated[str, AnyValue]


def run(make_saver, record, drive):
    seen = []

    def look(state):
        seen.append(dict(state))

    def one(state):
        look(state)
        return {"brief": "b", "secret": "s", "topic": ["t1", "t2"], "pile": "p1", "agreed": "x"}

    def also(state):
        return {"topic": "t3", "pile": ["p2"], "agreed": "x"}

    def two(state):
        look(state)
        return {"log": ["two"], "pile": "p3"}

    def three(state):
        look(state)
        return {"log": ["three"]}

    builder = StateGraph(State)
    for node in (one, also, two, three):
        builder.add_node(node.__name__, drive.node(node))
    builder.add_edge(START, "one").add_edge(START, "also")
    builder.add_edge("one", "two").add_edge("two", "three")
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("result", drive.invoke(graph, {"log": ["in"]}, cfg, durability="sync"))
    record("seen", seen)
    record(
        "values",
        drive.stream(
            graph, {"log": []}, {"configurable": {"thread_id": "2"}}, stream_mode="values"
        ),
    )
    record("state", drive.state(graph, cfg).values)
    record("history", [[s.metadata["step"], s.values] for s in drive.history(graph, cfg)])
