"""An async-only node under a sync call is refused with a text that says what to do."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


async def an(state):
    return {"log": ["an"]}


def run(make_saver, record):
    graph = (
        StateGraph(State)
        .add_node("an", an)
        .add_edge(START, "an")
        .compile(checkpointer=make_saver())
    )
    cfg = {"configurable": {"thread_id": "1"}}
    record.raises("invoke", graph.invoke, {"log": []}, cfg)
    record("state", [graph.get_state(cfg).next, [t.error for t in graph.get_state(cfg).tasks]])
