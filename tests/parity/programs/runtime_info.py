"""Runtime.execution_info says where a node runs."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import RetryPolicy


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    attempts = []

    def look(state, runtime: Runtime):
        info = runtime.execution_info
        attempts.append(info.node_attempt)
        if len(attempts) < 3:
            raise ConnectionError("again")
        return {"log": [info.thread_id, info.checkpoint_ns, info.task_id, info.node_attempt]}

    builder = StateGraph(State)
    builder.add_node(
        "look", drive.node(look), retry_policy=RetryPolicy(initial_interval=0.001, jitter=False)
    )
    graph = builder.add_edge(START, "look").compile(checkpointer=make_saver())
    record("info", drive.invoke(graph, {"log": []}, {"configurable": {"thread_id": "1"}}))
    record("attempts", attempts)
