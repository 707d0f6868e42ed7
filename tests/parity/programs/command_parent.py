"""Command.PARENT is applied in the parent as if its subgraph node had returned it."""

import operator
from typing import Annotated, TypedDict

from langgraph.errors import ParentCommand
from langgraph.graph import START, StateGraph
from langgraph.types import Command


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    child = StateGraph(State)
    child.add_node("c1", drive.node(lambda s: {"log": ["c1"]}))
    child.add_node(
        "c2",
        drive.node(
            lambda s: Command(graph=Command.PARENT, update={"log": ["from child"]}, goto="other")
        ),
    )
    child.add_node("c3", drive.node(lambda s: {"log": ["c3"]}))
    child.add_edge(START, "c1").add_edge("c1", "c2").add_edge("c2", "c3")
    parent = StateGraph(State)
    parent.add_node("sub", child.compile())
    parent.add_node("other", drive.node(lambda s: {"log": ["other"]}))
    parent.add_node("static", drive.node(lambda s: {"log": ["static"]}))
    parent.add_edge(START, "sub").add_edge("sub", "static")
    graph = parent.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("result", drive.invoke(graph, {"log": ["in"]}, cfg))
    record(
        "updates",
        sorted(map(repr, drive.stream(graph, {"log": []}, {"configurable": {"thread_id": "2"}}))),
    )
    record("history", [[s.metadata["step"], s.next, s.values] for s in drive.history(graph, cfg)])
    outer = (
        StateGraph(State).add_node("mid", graph.builder.compile()).add_edge(START, "mid").compile()
    )
    record("only one level", drive.invoke(outer, {"log": []}))
    try:
        drive.invoke(child.compile(), {"log": []})
    except ParentCommand as error:
        record("at the root", [type(error).__name__, error.args[0].update, error.args[0].goto])
