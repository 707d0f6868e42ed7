"""max_concurrency caps how many tasks of a step run at once."""

import operator
import threading
from contextlib import suppress
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Send


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record):
    lock = threading.Lock()
    now, most = [0], [0]
    gate = threading.Barrier(2)

    def worker(n):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        with suppress(threading.BrokenBarrierError):
            gate.wait(0.05)
        with lock:
            now[0] -= 1
        return {"log": [n]}

    builder = StateGraph(State).add_node("worker", worker)
    builder.add_conditional_edges(START, lambda s: [Send("worker", n) for n in range(4)])
    graph = builder.compile()
    record("capped", graph.invoke({"log": []}, {"max_concurrency": 1}))
    record("most at once", most[0])
