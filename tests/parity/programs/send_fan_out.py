"""Sends run in the step after; their writes come after the plain nodes', in Send order (B6)."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    def src(state):
        return {"log": ["src"]}

    def w(arg):
        return {"log": [arg]}

    def route(state):
        return [Send("w", "w2"), Send("w", "w1"), "aa"]

    builder = StateGraph(State)
    builder.add_node("src", drive.node(src)).add_node("w", drive.node(w))
    builder.add_node("aa", drive.node(lambda s: {"log": ["aa"]})).add_node(
        "zz", drive.node(lambda s: {"log": ["zz"]})
    )
    builder.add_node("end", drive.node(lambda s: {"log": ["end"]}))
    builder.add_edge(START, "src").add_edge("src", "zz").add_edge("w", "end").add_edge("end", END)
    builder.add_conditional_edges("src", drive.node(route))
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("result", drive.invoke(graph, {"log": []}, cfg))
    history = drive.history(graph, cfg)
    record("history", [[s.metadata["step"], s.next, s.values] for s in history])
    record("tasks", [[t.name, t.path, t.result] for t in history[2].tasks])
    none = StateGraph(State).add_node("w", w).add_conditional_edges(START, lambda s: []).compile()
    record("no targets", drive.invoke(none, {"log": ["x"]}))
    starts = (
        StateGraph(State)
        .add_node("w", w)
        .add_conditional_edges(START, lambda s: [Send("w", i) for i in "cab"], ["w"])
    )
    record("from the start", drive.invoke(starts.compile(), {"log": []}))
