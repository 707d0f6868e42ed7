"""How long a retry waits, which policy counts, and what is wrong with a policy."""

import asyncio
import operator
import time
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy

SAVERS = ("memory",)


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    slept = []
    sync_sleep, async_sleep = time.sleep, asyncio.sleep

    def attempt(name, error, own=None, of_graph=None, default=None, fails=10):
        calls = []

        def node(state):
            calls.append(1)
            if len(calls) <= fails:
                raise error(len(calls)) if isinstance(error, type) else error[len(calls) % 2]
            return {"log": ["ok"]}

        builder = StateGraph(State).set_node_defaults(retry_policy=default)
        builder.add_node("n", drive.node(node), retry_policy=own).add_edge(START, "n")
        graph = builder.compile()
        if of_graph is not None:
            graph.retry_policy = of_graph
        slept.clear()
        record.raises(name, drive.invoke, graph, {"log": []})
        record(f"{name}: waits", [float(seconds) for seconds in slept])

    async def noted(seconds, *_):
        if seconds:
            slept.append(seconds)
        await async_sleep(0)

    grows = RetryPolicy(0.5, 3, 2, 5, False)
    short = RetryPolicy(initial_interval=0.25, max_attempts=2, jitter=False, retry_on=KeyError)
    long = RetryPolicy(initial_interval=0.125, max_attempts=4, jitter=False)
    time.sleep, asyncio.sleep = slept.append, noted
    try:
        attempt("grows up to the most", ConnectionError, grows)
        attempt("in time", ConnectionError, grows, fails=2)
        attempt("the first that matches", KeyError, [short, long])
        attempt("the second matches", ConnectionError, [short, long])
        attempt("now one, now the other", (KeyError("k"), AssertionError("a")), [short, long])
        attempt("the graph's", ConnectionError, None, [grows])
        attempt("the node's before the graph's", ConnectionError, long, [grows])
        attempt("an empty list leaves it to the graph", ConnectionError, [], [grows])
        attempt("an empty list is no default", ConnectionError, [], default=grows)
        attempt("a default", ConnectionError, default=grows)
        attempt("no attempts", ConnectionError, RetryPolicy(max_attempts=0))
        attempt("a number as rule", KeyError, RetryPolicy(retry_on=5))
        attempt("a text as rule", KeyError, RetryPolicy(retry_on="x"))

        def broken(error):
            raise RuntimeError("predicate")

        attempt("a predicate that fails", KeyError, RetryPolicy(retry_on=broken))
    finally:
        time.sleep, asyncio.sleep = sync_sleep, async_sleep
