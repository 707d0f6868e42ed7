"""A graph that is streamed inside a node: what its own reader sees, and what the outer one."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

SAVERS = ("memory",)
COLOURS = ("sync",)
DEVIATIONS = {
    "v3: output": "a v3 run in a node has its results; LangGraph's are those of the outer graph",
    "v3: values": "a v3 run in a node has its results; LangGraph's are those of the outer graph",
}


class State(TypedDict):
    log: Annotated[list, operator.add]


def chain(**nodes):
    builder = StateGraph(State).add_sequence(list(nodes.items()))
    return builder.add_edge(START, next(iter(nodes)))


def run(make_saver, record, drive):
    leaf = chain(leaf=lambda s: {"log": ["leaf"]}).compile()
    inner = chain(x=lambda s: {"log": ["x"]}, sub=leaf).compile()
    for number, how in enumerate(
        ({}, {"stream_mode": "values"}, {"stream_mode": ["values", "tasks"], "subgraphs": True})
    ):
        seen = []

        def call(state, how=how, seen=seen):
            seen += inner.stream({"log": []}, **how)
            return {"log": ["called"]}

        graph = chain(call=call).compile()
        record(f"{number}: outer", drive.invoke(graph, {"log": []}))
        record(f"{number}: inner", list(seen))
        seen.clear()
        outer = drive.stream(graph, {"log": []}, stream_mode="updates", subgraphs=True)
        record(f"{number}: outer stream", outer)
        record(f"{number}: inner, streamed", list(seen))

    results = []

    def read(state):
        inner.invoke({"log": []})
        run = inner.stream_events({"log": []}, version="v3")
        results.append(list(run.values))
        results.append(run.output)
        return {"log": ["read"]}

    record("v3", drive.events(chain(read=read).compile(), {"log": []}))
    record("v3: values", results[0])
    record("v3: output", results[1])

    def asks(state):
        list(asking.stream({"log": []}))
        return {"log": ["asked"]}

    asking = chain(ask=lambda s: {"log": [interrupt("?")]}).compile()
    graph = chain(asks=asks).compile(checkpointer=make_saver())
    config = {"configurable": {"thread_id": "1"}}
    record("paused", drive.invoke(graph, {"log": []}, config))
    record("resumed", drive.invoke(graph, Command(resume="yes"), config))
