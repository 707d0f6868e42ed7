"""A dataclass as state: nodes get instances, results are dicts."""

import operator
from dataclasses import dataclass, field
from typing import Annotated

from langgraph.graph import START, StateGraph


@dataclass
class State:
    name: str = "nobody"
    log: Annotated[list, operator.add] = field(default_factory=list)


def run(make_saver, record, drive):
    seen = []

    def greet(state: State):
        seen.append(state)
        return {"log": ["hello " + state.name]}

    def rename(state: State):
        seen.append(state)
        return State(name="renamed", log=["again"])

    builder = StateGraph(State)
    builder.add_node("greet", drive.node(greet)).add_node("rename", drive.node(rename))
    builder.add_edge(START, "greet").add_edge("greet", "rename")
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("from dict", drive.invoke(graph, {"name": "Ada"}, cfg))
    record("seen", seen)
    record(
        "from instance",
        drive.invoke(graph, State(name="Bo", log=["x"]), {"configurable": {"thread_id": "2"}}),
    )
    record("empty", drive.invoke(graph, {}, {"configurable": {"thread_id": "3"}}))
    record("values", drive.state(graph, cfg).values)
    record(
        "stream of empty input",
        drive.stream(graph, {}, {"configurable": {"thread_id": "4"}}, stream_mode="values"),
    )
    record(
        "v2",
        drive.invoke(graph, {"name": "Cy"}, {"configurable": {"thread_id": "5"}}, version="v2"),
    )
