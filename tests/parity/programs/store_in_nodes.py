"""Nodes share a store across threads."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.store.memory import InMemoryStore


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    def remember(state, store, config):
        user = ("memories", config["configurable"]["user"])
        known = [item.value["n"] for item in store.search(user)]
        store.put(user, f"k{len(known)}", {"n": len(known)})
        found = store.get(user, "k0")
        return {"log": [sorted(known), found.key, found.value, found.namespace]}

    store = InMemoryStore()
    builder = StateGraph(State).add_node("remember", remember).add_edge(START, "remember")
    graph = builder.compile(checkpointer=make_saver(), store=store)
    for number, user in enumerate(("ada", "ada", "bo")):
        cfg = {"configurable": {"thread_id": str(number), "user": user}}
        record(f"run {number}", drive.invoke(graph, {"log": []}, cfg))
    record("namespaces", sorted(store.list_namespaces(prefix=("memories",))))
