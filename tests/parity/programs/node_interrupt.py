"""The deprecated NodeInterrupt: pauses, cannot be answered, goes on after an update."""

import operator
from typing import Annotated, TypedDict

from langgraph.errors import NodeInterrupt
from langgraph.graph import START, StateGraph

DEVIATIONS = {
    "id": "the question of a NodeInterrupt has an id of its own, as every question",
}


class State(TypedDict):
    log: Annotated[list, operator.add]
    ok: bool


def run(make_saver, record, drive):
    def gate(state):
        if not state.get("ok"):
            raise NodeInterrupt("not yet")
        return {"log": ["through"]}

    builder = (
        StateGraph(State)
        .add_node("pre", drive.node(lambda s: {"log": ["pre"]}))
        .add_node("gate", drive.node(gate))
    )
    graph = (
        builder.add_edge(START, "pre").add_edge("pre", "gate").compile(checkpointer=make_saver())
    )
    cfg = {"configurable": {"thread_id": "1"}}
    paused = drive.invoke(graph, {"log": []}, cfg)
    record("paused", [paused["log"], [i.value for i in paused["__interrupt__"]]])
    record("id", paused["__interrupt__"][0].id)
    record("state", drive.state(graph, cfg).next)
    drive.update(graph, cfg, {"ok": True})
    record("after an update", drive.invoke(graph, None, cfg))
