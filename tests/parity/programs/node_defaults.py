"""set_node_defaults fills in what a node did not set itself."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy

FAST = {"initial_interval": 0.001, "jitter": False}


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    calls = {"a": 0, "b": 0}

    def flaky(name):
        def node(state):
            calls[name] += 1
            if calls[name] < 3:
                raise ConnectionError(name)
            return {"log": [name]}

        return node

    builder = StateGraph(State).set_node_defaults(retry_policy=RetryPolicy(**FAST))
    builder.add_node("a", drive.node(flaky("a")))
    builder.add_node("b", drive.node(flaky("b")), retry_policy=RetryPolicy(**FAST, max_attempts=2))
    graph = builder.add_edge(START, "a").add_edge("a", "b").compile()
    record.raises("own policy wins", drive.invoke, graph, {"log": []})
    record("calls", calls)
