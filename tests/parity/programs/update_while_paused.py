"""update_state on a paused thread starts a new checkpoint: the question is asked anew."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = StateGraph(State)
    builder.add_node("pre", drive.node(lambda s: {"log": ["pre"]}))
    builder.add_node(
        "ask", drive.node(lambda s: {"log": [f"{interrupt('?')} after {len(s['log'])}"]})
    )
    builder.add_node("ok", drive.node(lambda s: {"log": ["ok"]}))
    builder.add_edge(START, "pre").add_edge("pre", "ask").add_edge("pre", "ok")
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    drive.invoke(graph, {"log": []}, cfg)
    record("before", [drive.state(graph, cfg).values, drive.state(graph, cfg).next])
    drive.update(graph, cfg, {"log": ["edit"]}, as_node="pre")
    after = drive.state(graph, cfg)
    record("after", [after.values, after.next, after.interrupts])
    record("resume still answers", drive.invoke(graph, Command(resume="yes"), cfg))
    two = {"configurable": {"thread_id": "2"}}
    drive.invoke(graph, {"log": []}, two)
    drive.update(graph, two, {"log": ["by hand"]}, as_node="ask")
    record("answered by an update", [drive.state(graph, two).values, drive.state(graph, two).next])
    record("going on", drive.invoke(graph, None, two))
