"""update_state runs the writers and edges of a node."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command


class State(TypedDict):
    log: Annotated[list, operator.add]
    plain: str


def run(make_saver, record, drive):
    builder = StateGraph(State)
    for name in "abc":
        builder.add_node(name, drive.node(lambda s, name=name: {"log": [name]}))
    builder.add_edge(START, "a").add_edge("a", "b")
    builder.add_conditional_edges("b", lambda s: "c" if s.get("plain") == "go" else END, ["c", END])
    graph = builder.compile(checkpointer=make_saver(), interrupt_before=["b"])
    cfg = {"configurable": {"thread_id": "1"}}

    def look(name):
        s = drive.state(graph, cfg)
        record(name, [s.values, s.next, s.metadata])

    drive.invoke(graph, {"log": []}, cfg)
    returned = drive.update(graph, cfg, {"log": ["u"]})
    look("by the last node")
    record("returned config", [returned, returned == drive.state(graph, cfg).config])
    drive.update(graph, cfg, {"plain": "go", "log": ["v"]}, as_node="b")
    look("as b, branch taken")
    record("going on", drive.invoke(graph, None, cfg))
    drive.update(graph, cfg, None, as_node="a")
    look("no values")
    drive.update(graph, cfg, {"plain": "stop"}, as_node="b")
    look("branch to the end")
    drive.update(graph, cfg, Command(update={"log": ["cmd"]}, goto="c"), as_node="a")
    look("a command")
    record.raises("unknown node", drive.update, graph, cfg, {"log": []}, as_node="nope")
    record.raises("a bad value", drive.update, graph, cfg, 3, as_node="a")
    drive.update(graph, cfg, {"zz": 1}, as_node="a")
    look("unknown keys")
    record(
        "history",
        [[s.metadata["source"], s.metadata["step"], s.next] for s in drive.history(graph, cfg)],
    )
