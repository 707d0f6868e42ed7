"""Nothing is kept while a person is waited for; and what a person said is not kept either."""

import operator
from typing import Annotated, TypedDict

from langgraph.cache.memory import InMemoryCache
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy, Command, interrupt

DEVIATIONS = {
    "another thread": "an answer given in one thread never answers in another: such results are not kept",
}


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    calls = []

    def ask(state):
        calls.append("ask")
        return {"log": [interrupt("which?")]}

    builder = StateGraph(State).add_node("ask", ask, cache_policy=CachePolicy())
    graph = builder.add_edge(START, "ask").compile(cache=InMemoryCache(), checkpointer=make_saver())

    def thread(name):
        return {"configurable": {"thread_id": name}}

    first = [drive.invoke(graph, {"log": []}, thread(n)) for n in "12"]
    record("paused is not kept", ["__interrupt__" in result for result in first])
    record("answered", drive.invoke(graph, Command(resume="A"), thread("1")))
    record("calls", list(calls))
    record("another thread", "__interrupt__" in drive.invoke(graph, {"log": []}, thread("3")))
