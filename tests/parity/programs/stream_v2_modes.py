"""version="v2" in every mode, for one mode and for several, and of invoke."""

import operator
from dataclasses import dataclass, field
from typing import Annotated, TypedDict

from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt
from pydantic import BaseModel

SAVERS = ("memory",)
MODES = ("values", "updates", "tasks", "custom", "messages")


class State(TypedDict):
    log: Annotated[list, operator.add]


@dataclass
class Data:
    log: Annotated[list, operator.add] = field(default_factory=list)


class Model(BaseModel):
    log: Annotated[list, operator.add] = []


def run(make_saver, record, drive):
    def node(state, writer):
        writer(1)
        return {"log": ["n"]}

    def build(schema, asks=False):
        builder = StateGraph(schema).add_node("n", drive.node(node)).add_edge(START, "n")
        if asks:
            ask = drive.node(lambda s: {"log": [interrupt("?")]})
            builder.add_node("ask", ask).add_edge("n", "ask")
        return builder.compile(checkpointer=make_saver())

    def stream(graph, thread, **how):
        config = {"configurable": {"thread_id": thread}}
        return drive.stream(graph, {"log": ["x"]}, config, version="v2", **how)

    graph = build(State)
    for mode in MODES:
        record(mode, stream(graph, mode, stream_mode=mode))
    for mode in ("checkpoints", "debug"):
        parts = stream(graph, mode, stream_mode=mode)
        record(mode, [(sorted(part), part["type"], part["ns"]) for part in parts])
    record("all", [(p["type"], p["ns"]) for p in stream(graph, "all", stream_mode=list(MODES))])
    record("default", stream(graph, "default"))
    record("unknown", stream(graph, "unknown", stream_mode="zzz"))
    for schema in (Data, Model):
        name = schema.__name__
        parts = stream(build(schema, asks=True), name, stream_mode=["values", "checkpoints"])
        record(name, [p["data"] if p["type"] == "values" else p["data"]["values"] for p in parts])
        record(f"{name}: interrupts", [p.get("interrupts") for p in parts])
        outer = StateGraph(schema).add_node("sub", build(schema)).add_edge(START, "sub").compile()
        parts = drive.stream(outer, {"log": []}, stream_mode="values", version="v2", subgraphs=True)
        record(f"{name}: nested", [(part["ns"], part["data"]) for part in parts])
    talk = StateGraph(MessagesState)
    talk.add_node("say", drive.node(lambda s: {"messages": [AIMessage("hi", id="1")]}))
    talk = talk.add_edge(START, "say").compile()
    parts = drive.stream(talk, {"messages": []}, stream_mode="messages", version="v2")
    record("a message", [(p["type"], p["ns"], p["data"][0].content, p["data"][1]) for p in parts])
    for mode in ("values", "updates", ["values"], ["updates", "values"]):
        config = {"configurable": {"thread_id": f"i {mode}"}}
        result = drive.invoke(graph, {"log": []}, config, stream_mode=mode, version="v2")
        record(f"invoke {mode}", result)
