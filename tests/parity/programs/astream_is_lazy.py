"""An async stream closed early keeps what was finished."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


async def run(make_saver, record):
    runs = []

    def node(name):
        async def body(state):
            runs.append(name)
            return {"log": [name]}

        return body

    builder = (
        StateGraph(State).add_sequence([(name, node(name)) for name in "abc"]).add_edge(START, "a")
    )
    graph = builder.compile(checkpointer=await make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    stream = graph.astream({"log": []}, cfg, stream_mode="updates", durability="sync")
    record("first", await anext(stream))
    await stream.aclose()
    state = await graph.aget_state(cfg)
    record("state", [state.values, state.next])
    record("resumed", await graph.ainvoke(None, cfg))
    record("runs", runs)
