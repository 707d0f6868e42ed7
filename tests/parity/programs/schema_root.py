"""A schema without keys: the state is the bare value."""

import operator
from typing import Annotated

from langgraph.graph import START, StateGraph


def run(make_saver, record, drive):
    def double(state):
        return [len(state), *state]

    builder = StateGraph(Annotated[list, operator.add])
    builder.add_node("double", drive.node(double)).add_edge(START, "double")
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("result", drive.invoke(graph, ["a"], cfg))
    record("state", drive.state(graph, cfg).values)
    record("again", drive.invoke(graph, ["b"], cfg))
    record(
        "values",
        drive.stream(graph, ["c"], {"configurable": {"thread_id": "2"}}, stream_mode="values"),
    )
    record(
        "updates",
        drive.stream(graph, ["c"], {"configurable": {"thread_id": "3"}}, stream_mode="updates"),
    )
    number = StateGraph(int).add_node("inc", lambda n: n + 1).add_edge(START, "inc").compile()
    record("an int", drive.invoke(number, 41))
