"""The same with awaited children, three of them, in the async colour."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


class Child(TypedDict):
    text: str


async def run(make_saver, record):
    runs = []

    async def ask(state):
        runs.append(state["text"])
        return {"text": state["text"] + interrupt(state["text"])}

    child = StateGraph(Child).add_node("ask", ask).add_edge(START, "ask").compile()

    async def call(state):
        outcomes = [await child.ainvoke({"text": text}) for text in ("a", "b", "c")]
        return {"log": [out["text"] for out in outcomes]}

    graph = (
        StateGraph(State)
        .add_node("call", call)
        .add_edge(START, "call")
        .compile(checkpointer=await make_saver())
    )
    cfg = {"configurable": {"thread_id": "1"}}
    record("pause 1", await graph.ainvoke({"log": []}, cfg))
    record("pause 2", await graph.ainvoke(Command(resume="1"), cfg))
    record("pause 3", await graph.ainvoke(Command(resume="2"), cfg))
    record("done", await graph.ainvoke(Command(resume="3"), cfg))
    record("runs", runs)
