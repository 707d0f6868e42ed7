"""set_node_defaults: what it fills in, when, for whom, and what it leaves alone."""

import operator
from typing import Annotated, TypedDict

from langgraph.errors import NodeError
from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy

SAVERS = ("memory",)
FAST = {"initial_interval": 0.001, "jitter": False}


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    calls = []

    def flaky(name, error=ConnectionError):
        def node(state):
            calls.append(name)
            raise error(name)

        return drive.node(node)

    def handler(name, fails=0):
        def handle(state, error: NodeError):
            calls.append(name)
            if calls.count(name) <= fails:
                raise ConnectionError(name)
            return {"log": [f"{name}: {error.node}"]}

        return drive.node(handle)

    def ends(name, builder, *starts):
        for start in starts:
            builder.add_edge(START, start)
        graph = builder.compile()
        calls.clear()
        record.raises(name, drive.invoke, graph, {"log": []})
        record(f"{name}: calls", sorted(calls))
        record(f"{name}: nodes", list(graph.nodes))

    def builder(**defaults):
        return StateGraph(State).set_node_defaults(**defaults)

    both = builder(error_handler=handler("default"), retry_policy=RetryPolicy(**FAST))
    both.add_node("a", flaky("a")).add_node("b", flaky("b"), error_handler=handler("own"))
    ends("own and default handlers", both, "a", "b")
    again = builder(error_handler=handler("default", 2), retry_policy=RetryPolicy(**FAST))
    ends("a handler is tried again", again.add_node("a", flaky("a")), "a")
    own = builder(retry_policy=RetryPolicy(**FAST))
    own.add_node("a", flaky("a", ValueError), error_handler=handler("own", 2))
    ends("an own handler is tried again", own, "a")
    once = builder(error_handler=handler("default", 1)).add_node("a", flaky("a"))
    ends("a handler has no handler", once, "a")
    own = builder(error_handler=handler("default")).add_node(
        "a", flaky("a"), error_handler=handler("own", 1)
    )
    ends("nor has an own one", own, "a")
    after = StateGraph(State).add_node("a", flaky("a"))
    ends("set after the nodes", after.set_node_defaults(error_handler=handler("default")), "a")
    twice = builder(error_handler=handler("first"), retry_policy=RetryPolicy(**FAST))
    twice.set_node_defaults(retry_policy=RetryPolicy(**FAST, max_attempts=2))
    ends("set again in part", twice.add_node("a", flaky("a")), "a")
    inner = StateGraph(State).add_node("i", flaky("i", ValueError)).add_edge(START, "i").compile()
    outer = builder(error_handler=handler("default"), retry_policy=RetryPolicy(**FAST))
    ends("not for nested graphs", outer.add_node("sub", inner), "sub")
    unused = builder(error_handler=handler("default"))
    unused.add_node("a", flaky("a"), error_handler=handler("own"))
    ends("unused", unused, "a")
    taken = builder(error_handler=handler("default"))
    taken.add_node("__default_error_handler__", flaky("a"))
    record.raises("name taken", taken.add_edge(START, "__default_error_handler__").compile)
    late = StateGraph(State).add_node("a", flaky("a")).add_edge(START, "a")
    graph = late.compile()
    late.set_node_defaults(error_handler=handler("default"))
    record.raises("set after compiling", drive.invoke, graph, {"log": []})
