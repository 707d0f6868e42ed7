"""A graph called inside a node: any input, any output."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class Parent(TypedDict):
    log: Annotated[list, operator.add]


class Child(TypedDict, total=False):
    text: str
    done: str


child = StateGraph(Child)
child.add_node("up", lambda s: {"done": s["text"].upper()})
child.add_node("bang", lambda s: {"done": s["done"] + "!"})
child.add_edge(START, "up").add_edge("up", "bang")
child_graph = child.compile()


def caller(state):
    outcomes = [child_graph.invoke({"text": text}) for text in ("a", "b")]
    return {"log": [out["done"] for out in outcomes]}


async def async_caller(state):
    outcomes = [await child_graph.ainvoke({"text": text}) for text in ("a", "b")]
    return {"log": [out["done"] for out in outcomes]}


def run(make_saver, record, drive):
    parent = StateGraph(Parent)
    parent.add_node("call", caller if drive.colour == "sync" else async_caller).add_edge(
        START, "call"
    )
    graph = parent.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("result", drive.invoke(graph, {"log": []}, cfg))
    record("root history", [[s.metadata["step"], s.next] for s in drive.history(graph, cfg)])
    record(
        "subgraph stream",
        drive.stream(
            graph,
            {"log": []},
            {"configurable": {"thread_id": "2"}},
            stream_mode=["updates"],
            subgraphs=True,
        ),
    )
    record(
        "found by inspection",
        [name for name, _ in graph.get_subgraphs()] if drive.colour == "sync" else "not asked",
    )
