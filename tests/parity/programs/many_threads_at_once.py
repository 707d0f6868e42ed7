"""A compiled graph serves many threads at once."""

import operator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record):
    builder = (
        StateGraph(State)
        .add_node("ask", lambda s: {"log": [interrupt(s["log"][-1])]})
        .add_edge(START, "ask")
    )
    graph = builder.compile(checkpointer=make_saver())

    def one(number):
        cfg = {"configurable": {"thread_id": f"t{number}"}}
        asked = graph.invoke({"log": [number]}, cfg)["__interrupt__"][0].value
        return [asked, graph.invoke(Command(resume=f"a{number}"), cfg)["log"]]

    with ThreadPoolExecutor(4) as pool:
        record("each its own", list(pool.map(one, range(8))))
    record(
        "batch",
        [
            r["log"]
            for r in graph.batch(
                [{"log": ["x"]}, {"log": ["y"]}], [{"configurable": {"thread_id": t}} for t in "xy"]
            )
        ],
    )
