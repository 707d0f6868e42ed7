"""Payloads and answers of every JSON shape go through a saver unchanged."""

from typing import TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict, total=False):
    answer: object


PAYLOADS = ["text", "", 0, 1.5, True, None, [], [1, [2]], {}, {"a": {"b": [None, "ü"]}}]


def run(make_saver, record, drive):
    saver = make_saver()
    for number, payload in enumerate(PAYLOADS):
        builder = StateGraph(State).add_node(
            "ask", drive.node(lambda s, p=payload: {"answer": interrupt(p)})
        )
        graph = builder.add_edge(START, "ask").compile(checkpointer=saver)
        cfg = {"configurable": {"thread_id": str(number)}}
        asked = drive.invoke(graph, {}, cfg)["__interrupt__"]
        shown = drive.state(graph, cfg).interrupts
        record(f"{payload!r}: asked", [asked[0].value, shown[0].value, asked[0].id == shown[0].id])
        answer = {"echo": payload}
        record(f"{payload!r}: answered", drive.invoke(graph, Command(resume=answer), cfg))
