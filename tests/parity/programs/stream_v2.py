"""version="v2": every item is a part with a type, a namespace and data."""

import operator
from dataclasses import dataclass, field
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


@dataclass
class Data:
    log: Annotated[list, operator.add] = field(default_factory=list)


def run(make_saver, record, drive):
    def ask(state, writer):
        writer("asking")
        return {"log": [interrupt("?")]}

    def build(schema):
        child = StateGraph(schema).add_node("ask", drive.node(ask)).add_edge(START, "ask").compile()
        return (
            StateGraph(schema)
            .add_node("sub", child)
            .add_edge(START, "sub")
            .compile(checkpointer=make_saver())
        )

    graph = build(State)
    modes = ["values", "updates", "custom", "tasks"]
    for name, options in (("flat", {}), ("children", {"subgraphs": True})):
        cfg = {"configurable": {"thread_id": name}}
        record(
            f"{name}: run",
            drive.stream(graph, {"log": []}, cfg, stream_mode=modes, version="v2", **options),
        )
        record(
            f"{name}: resume",
            drive.stream(
                graph, Command(resume="yes"), cfg, stream_mode=modes, version="v2", **options
            ),
        )
    one = {"configurable": {"thread_id": "one"}}
    record("one mode", drive.stream(graph, {"log": []}, one, stream_mode="values", version="v2"))
    data = build(Data)
    record("coerced", drive.stream(data, {"log": ["x"]}, one, stream_mode="values", version="v2"))
