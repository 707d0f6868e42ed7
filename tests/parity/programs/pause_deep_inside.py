"""Three levels down: the question's id, namespaces, and what runs again."""

import operator
from typing import Annotated, TypedDict

from langgraph.func import task
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send, interrupt

DEVIATIONS = {
    "listed": "a question is listed once, though each level of nesting reports it",
    "listed in the state": "a question is listed once, though each level of nesting reports it",
}


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record):
    calls = []

    @task
    def ask(name):
        calls.append(f"task {name}")
        return interrupt(name)

    def leaf(arg):
        calls.append(f"leaf {arg}")
        return {"log": [f"{arg} {ask(arg).result()}"]}

    inner = StateGraph(State).add_node("leaf", leaf)
    inner.add_conditional_edges(START, lambda s: [Send("leaf", "x"), Send("leaf", "y")])
    middle = StateGraph(State).add_node("inner", inner.compile()).add_edge(START, "inner")
    outer = StateGraph(State).add_node("middle", middle.compile()).add_edge(START, "middle")
    graph = outer.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    paused = graph.invoke({"log": []}, cfg)
    record("questions", sorted({i.value for i in paused["__interrupt__"]}))
    record("listed", sorted(i.value for i in paused["__interrupt__"]))
    open_now = graph.get_state(cfg).interrupts
    record("in the state", [sorted({i.value for i in open_now}), graph.get_state(cfg).next])
    record("listed in the state", sorted(i.value for i in open_now))
    done = graph.invoke(Command(resume={i.id: f"to {i.value}" for i in open_now}), cfg)
    record("done", done)
    record("calls", sorted(calls))
