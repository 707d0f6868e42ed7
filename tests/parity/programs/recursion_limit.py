"""A chain of N nodes needs a limit of N+1; what was done is saved and can go on (B19)."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = StateGraph(State)
    builder.add_node("x", drive.node(lambda s: {"log": ["x"]}))
    builder.add_edge(START, "x").add_conditional_edges("x", lambda s: "x", ["x"])
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}, "recursion_limit": 3}
    record("endless loop", drive.stream(graph, {"log": []}, cfg, stream_mode="values"))
    state = drive.state(graph, cfg)
    record("state", [state.values, state.next, state.metadata["step"]])
    record("going on", drive.stream(graph, None, cfg, stream_mode="values"))
    chain = StateGraph(State)
    chain.add_sequence(
        [(f"n{i}", drive.node(lambda s, i=i: {"log": [i]})) for i in range(3)]
    ).add_edge(START, "n0")
    three = chain.compile()
    record("enough", drive.invoke(three, {"log": []}, {"recursion_limit": 4}))
    record.raises("one too few", drive.invoke, three, {"log": []}, {"recursion_limit": 3})
    record.raises("zero", drive.invoke, three, {"log": []}, {"recursion_limit": 0})
    outer = StateGraph(State).add_node("sub", three).add_edge(START, "sub").compile()
    record.raises(
        "a child counts on its own", drive.invoke, outer, {"log": []}, {"recursion_limit": 3}
    )
    record("a child has the same limit", drive.invoke(outer, {"log": []}, {"recursion_limit": 4}))
