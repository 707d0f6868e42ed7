"""A child fails: where it is seen, and what runs again."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    runs = []

    def node(name, fails=0):
        def body(state):
            runs.append(name)
            if runs.count(name) <= fails:
                raise ValueError(name)
            return {"log": [name]}

        return drive.node(body)

    child = StateGraph(State).add_node("c1", node("c1")).add_node("c2", node("c2", fails=1))
    child.add_edge(START, "c1").add_edge("c1", "c2")
    parent = StateGraph(State).add_node("pre", node("pre")).add_node("sub", child.compile())
    graph = parent.add_edge(START, "pre").add_edge("pre", "sub").compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record.raises("failure", drive.invoke, graph, {"log": []}, cfg)
    state = drive.state(graph, cfg, subgraphs=True)
    record(
        "state",
        [state.next, state.tasks[0].error, state.tasks[0].state.next, state.tasks[0].state.values],
    )
    record("resumed", drive.invoke(graph, None, cfg))
    record("runs", runs)
