"""A Send hands its argument over as it is; some targets are refused."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from pydantic import BaseModel


class State(TypedDict):
    log: Annotated[list, operator.add]


class Item(BaseModel):
    n: int


def graph_for(drive, targets, saver=None):
    def worker(item: Item):
        return {"log": [f"{type(item).__name__} {item!r}"]}

    builder = StateGraph(State)
    builder.add_node("src", drive.node(lambda s: {"log": ["src"]})).add_node(
        "worker", drive.node(worker)
    )
    builder.add_edge(START, "src")
    builder.add_conditional_edges("src", lambda s: targets)
    return builder.compile(checkpointer=saver)


def run(make_saver, record, drive):
    record(
        "a dict stays a dict",
        drive.invoke(graph_for(drive, [Send("worker", {"n": "1"})]), {"log": []}),
    )
    record("an instance", drive.invoke(graph_for(drive, Send("worker", Item(n=1))), {"log": []}))
    record(
        "none and a number",
        drive.invoke(graph_for(drive, [Send("worker", None), Send("worker", 3)]), {"log": []}),
    )
    record.raises("to the end", drive.invoke, graph_for(drive, [Send(END, 1)]), {"log": []})
    record.raises("to nobody", drive.invoke, graph_for(drive, [Send("nobody", 1)]), {"log": []})
    record(
        "equality",
        [Send("a", 1) == Send("a", 1), Send("a", 1) == Send("a", 2), repr(Send("a", [1]))],
    )
    saved = graph_for(drive, [Send("worker", {"n": 1})], make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("updates", drive.stream(saved, {"log": []}, cfg))
    record("next", [s.next for s in drive.history(saved, cfg)])
