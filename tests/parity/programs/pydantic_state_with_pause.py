"""A pydantic state across a pause."""

import operator
from typing import Annotated

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from pydantic import BaseModel


class State(BaseModel):
    number: int = 0
    log: Annotated[list, operator.add] = []


def run(make_saver, record, drive):
    def ask(state: State):
        return {"log": [f"{type(state).__name__} {state.number} {interrupt({'n': state.number})}"]}

    builder = (
        StateGraph(State)
        .add_node("inc", drive.node(lambda s: {"number": s.number + 1}))
        .add_node("ask", drive.node(ask))
    )
    graph = builder.add_edge(START, "inc").add_edge("inc", "ask").compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("paused", drive.invoke(graph, {"number": "4"}, cfg))
    record("state", drive.state(graph, cfg).values)
    record("updated", drive.state(graph, drive.update(graph, cfg, {"number": 9})).values)
    record("resumed", drive.invoke(graph, Command(resume="yes"), cfg))
    two = {"configurable": {"thread_id": "2"}}
    record("v2 stream", drive.stream(graph, {"number": 1}, two, stream_mode="values", version="v2"))
