"""Each Send is looked up by its own argument."""

import operator
from typing import Annotated, TypedDict

from langgraph.cache.memory import InMemoryCache
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy, Send

DEVIATIONS = {
    "equal sends, second run": "of equal tasks in one step each takes the kept result; LangGraph runs all but one again",
    "equal sends, calls": "of equal tasks in one step each takes the kept result; LangGraph runs all but one again",
}


class State(TypedDict):
    log: Annotated[list, operator.add]
    items: list


def run(make_saver, record, drive):
    calls = []

    def work(item):
        calls.append(item)
        return {"log": [f"done {item}"]}

    def fan_out(state):
        return [Send("work", item) for item in state["items"]]

    builder = StateGraph(State).add_node("work", drive.node(work), cache_policy=CachePolicy())
    graph = builder.add_conditional_edges(START, fan_out, ["work"]).compile(
        cache=InMemoryCache(), checkpointer=make_saver()
    )
    modes = ["updates", "values"]

    def thread(name):
        return {"configurable": {"thread_id": name}}

    drive.invoke(graph, {"log": [], "items": ["a", "b"]}, thread("1"))
    more = {"log": [], "items": ["b", "c", "a"]}
    chunks = drive.stream(graph, more, thread("2"), stream_mode=modes)
    record("values", [chunk for mode, chunk in chunks if mode == "values"])
    record("updates", sorted(str(chunk) for mode, chunk in chunks if mode == "updates"))
    record("calls", sorted(calls))
    record("history", [[t.result for t in s.tasks] for s in drive.history(graph, thread("2"))])
    calls.clear()
    for name in ("3", "4"):
        chunks = drive.stream(graph, {"log": [], "items": ["e", "e"]}, thread(name))
    record("equal sends, second run", chunks)
    record("equal sends, calls", len(calls))
