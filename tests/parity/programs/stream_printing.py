"""``print_mode`` and ``debug`` print; what the stream yields stays as it is."""

import contextlib
import io
import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

SAVERS = ("memory",)


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    def node(state, writer):
        writer("custom")
        return {"log": ["n"]}

    builder = StateGraph(State).add_node("n", drive.node(node)).add_edge(START, "n")
    graph = builder.compile()
    child = StateGraph(State).add_node("sub", graph).add_edge(START, "sub").compile()
    asking = StateGraph(State).add_node("ask", drive.node(lambda s: {"log": [interrupt("?")]}))
    asking = asking.add_edge(START, "ask").compile(checkpointer=make_saver())

    def printed(function, *args, **how):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            result = function(*args, **how)
        return [result, out.getvalue()]

    for name, how in {
        "nothing": {},
        "values": {"print_mode": "values"},
        "several": {"print_mode": ["updates", "custom"]},
        "beside another mode": {"print_mode": "values", "stream_mode": "updates"},
        "the same mode": {"print_mode": "values", "stream_mode": "values"},
        "debug": {"debug": True},
        "debug off": {"debug": False},
        "v2": {"print_mode": "values", "version": "v2", "stream_mode": "updates"},
    }.items():
        record(f"stream: {name}", printed(drive.stream, graph, {"log": []}, **how))
    record(
        "children", printed(drive.stream, child, {"log": []}, print_mode="values", subgraphs=True)
    )
    record("children unasked", printed(drive.stream, child, {"log": []}, print_mode="values"))
    record("invoke", printed(drive.invoke, graph, {"log": []}, print_mode="updates"))
    record("compiled with debug", printed(drive.invoke, builder.compile(debug=True), {"log": []}))
    record(
        "compiled with debug: stream",
        printed(drive.stream, builder.compile(debug=True), {"log": []}),
    )
    config = {"configurable": {"thread_id": "1"}}
    shown, text = printed(drive.stream, asking, {"log": []}, config, print_mode="updates")
    record("a pause", [shown, "__interrupt__" in text])
