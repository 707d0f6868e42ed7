"""What comes back from a saver after a pause."""

import datetime
import decimal
import uuid
from typing import TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict, total=False):
    value: object
    answer: object


VALUES = {
    "text": "täxt ✓",
    "numbers": [1, -(2**40), 1.5, True, None],
    "nested": {"a": [{"b": [1]}], "1": "text key"},
    "set": {1, 2},
    "bytes": b"\x00\xff",
    "datetime": datetime.datetime(2024, 1, 2, 3, 4, tzinfo=datetime.UTC),
    "date": datetime.date(2024, 1, 2),
    "timedelta": datetime.timedelta(seconds=90),
    "uuid": uuid.UUID(int=5),
    "decimal": decimal.Decimal("1.10"),
}


def run(make_saver, record, drive):
    seen = {}

    def ask(state):
        interrupt("?")
        seen["value"] = state["value"]
        return {"answer": 1}

    builder = StateGraph(State).add_node("ask", drive.node(ask)).add_edge(START, "ask")
    saver = make_saver()
    for name, value in VALUES.items():
        graph = builder.compile(checkpointer=saver)
        cfg = {"configurable": {"thread_id": name}}
        drive.invoke(graph, {"value": value}, cfg)
        drive.invoke(graph, Command(resume=0), cfg)
        record(f"{name}: type", type(seen["value"]).__name__)
        record(f"{name}: equal", seen["value"] == value)
