"""``step_timeout`` ends a step with a builtin TimeoutError; what has finished stays finished."""

import asyncio
import operator
import threading
from typing import Annotated, TypedDict

from langgraph.errors import NodeError
from langgraph.graph import START, StateGraph

SAVERS = ("memory",)
DEVIATIONS = {
    "what is raised@async": "the text is the same in sync and async runs",
    "what has not finished@sync": "what a node finished after the time was up is stored and shown, and the step is still to be closed",
}


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    over, runs = threading.Event(), []

    def quick(state):
        runs.append("quick")
        return {"log": ["quick"]}

    if drive.colour == "sync":

        def slow(state):
            runs.append("slow")
            over.wait(0.6)
            return {"log": ["slow"]}
    else:

        async def slow(state):
            runs.append("slow")
            if not over.is_set():
                await asyncio.Event().wait()
            return {"log": ["slow"]}

    def handle(state, error: NodeError):
        return {"log": ["handled"]}

    builder = StateGraph(State).add_node("slow", slow, error_handler=drive.node(handle))
    builder.add_node("quick", drive.node(quick)).add_edge(START, "slow").add_edge(START, "quick")
    graph = builder.compile(checkpointer=make_saver())
    record("by default", graph.step_timeout)
    graph.step_timeout = 0.25
    cfg = {"configurable": {"thread_id": "1"}}
    try:
        drive.invoke(graph, {"log": []}, cfg)
    except TimeoutError as error:
        record("what is raised", [type(error) is TimeoutError, str(error)])
    state = drive.state(graph, cfg)
    if drive.colour == "async":
        record("values", state.values)
    record("what has not finished", state.next)
    over.set()
    record("goes on", drive.invoke(graph, None, cfg))
    record("runs", sorted(runs))
    graph.step_timeout = 30
    record("in time", drive.invoke(graph, {"log": []}, {"configurable": {"thread_id": "2"}}))
