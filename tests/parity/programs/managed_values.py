"""RemainingSteps and IsLastStep are computed, not stored."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.managed import IsLastStep, RemainingSteps


class State(TypedDict):
    log: Annotated[list, operator.add]
    left: RemainingSteps
    last: IsLastStep


class Plain(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    def node(state):
        return {"log": [[state["left"], state["last"]]], "left": 99}

    builder = StateGraph(State, input_schema=Plain, output_schema=Plain)
    builder.add_node("node", drive.node(node)).add_edge(START, "node")
    builder.add_conditional_edges("node", lambda s: "node" if s["left"] > 1 else END, ["node", END])
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}, "recursion_limit": 5}
    record("result", drive.invoke(graph, {"log": []}, cfg))
    record("state", drive.state(graph, cfg).values)
    record.raises("in the input schema", StateGraph, Plain, input_schema=State)
    record(
        "as state schema only",
        drive.invoke(
            StateGraph(State).add_node("n", node).add_edge(START, "n").compile(),
            {"log": []},
            {"recursion_limit": 10},
        ),
    )
