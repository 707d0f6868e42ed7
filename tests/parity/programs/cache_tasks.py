"""What a cached task call shows and stores; failures; calls inside nodes and nested entrypoints."""

import operator
from typing import Annotated, TypedDict

from langgraph.cache.memory import InMemoryCache
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy, Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record):
    calls = []

    @task(cache_policy=CachePolicy(key_func=lambda n, **more: str(n)))
    def double(n, **more):
        calls.append(n)
        if n < 0:
            raise ValueError("negative")
        return n * 2

    @entrypoint(cache=InMemoryCache(), checkpointer=make_saver())
    def flow(n):
        first = double(n).result()
        answer = interrupt("go on?")
        return [first, double(n + 1).result(), answer]

    def thread(name):
        return {"configurable": {"thread_id": name}}

    def shown(given, config):
        """Starts in order; the rest sorted, since a task may be told of after its caller went on."""
        chunks = list(flow.stream(given, config, stream_mode=["tasks", "updates"]))
        tasks = [chunk for mode, chunk in chunks if mode == "tasks"]
        return [
            [[t["name"], t["input"]] for t in tasks if "input" in t],
            sorted(t["name"] for t in tasks if "input" not in t),
            sorted(str(c) for mode, c in chunks if mode == "updates" and "__interrupt__" not in c),
        ]

    for name in ("1", "2"):
        record(f"thread {name}, paused", shown(1, thread(name)))
        record(f"thread {name}, resumed", shown(Command(resume="yes"), thread(name)))
    record("calls", list(calls))

    @entrypoint(cache=InMemoryCache())
    def keyed(n):
        return [double(n, a=1).result(), double(n, a=2).result()]

    calls.clear()
    first, again = (
        keyed.invoke(5),
        keyed.invoke(5),
    )  # the second call may come before the first is kept
    record("key over what counts", [first, again, sorted(set(calls))])

    @entrypoint(cache=InMemoryCache())
    def failing(n):
        try:
            return double(n).result()
        except ValueError as error:
            return str(error)

    calls.clear()
    record("failures are not kept", [failing.invoke(-1), failing.invoke(-1), list(calls)])

    def node(state):
        return {"log": [double(7).result()]}

    builder = StateGraph(State).add_node("node", node).add_edge(START, "node")
    graph = builder.compile(cache=InMemoryCache())
    calls.clear()
    record("in a node", [graph.invoke({"log": []}), graph.invoke({"log": []}), list(calls)])

    @entrypoint()
    def inner(n):
        return double(n).result()

    @entrypoint(cache=InMemoryCache())
    def outer(n):
        return inner.invoke(n)

    calls.clear()
    record(
        "a nested entrypoint has its own cache or none",
        [outer.invoke(8), outer.invoke(8), list(calls)],
    )
