"""Output, interrupted and interrupts of a v3 run, which read it to its end."""

import operator
from dataclasses import dataclass
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.runtime import RunControl
from langgraph.types import Command, interrupt

SAVERS = ("memory",)


class State(TypedDict):
    log: Annotated[list, operator.add]


@dataclass
class Counter:
    x: int = 0


def run(make_saver, record, drive):
    def build(*steps):
        builder = StateGraph(State)
        builder.add_sequence([(f"n{i}", drive.node(step)) for i, step in enumerate(steps)])
        return builder.add_edge(START, "n0").compile(checkpointer=make_saver())

    def add(state):
        return {"log": ["add"]}

    def ask(state):
        return {"log": [interrupt({"q": 1})]}

    def boom(state):
        raise ValueError("boom")

    one = {"configurable": {"thread_id": "1"}}
    graph = build(add, ask)
    record("paused", drive.results(graph, {"log": []}, one))
    record("resumed", drive.results(graph, Command(resume="yes"), one))
    failing = build(add, boom)
    record("failed", drive.results(failing, {"log": []}, one))
    record("failed: events", drive.events(failing, {"log": []}, one))
    record("failed: values", drive.projection(failing, "values", {"log": []}, one))
    record("no input", drive.results(build(add), None, {"configurable": {"thread_id": "2"}}))
    stopped = {"configurable": {"thread_id": "3"}}
    record(
        "breakpoint", drive.results(build(add, add), {"log": []}, stopped, interrupt_after=["n0"])
    )
    limited = {**stopped, "recursion_limit": 1}
    record("too many steps", drive.results(build(add, add), {"log": []}, limited)[0].__class__)
    control = RunControl()

    def drain(state):
        control.request_drain()
        return {"log": ["d"]}

    child = build(drain, add)
    outer = StateGraph(State).add_node("sub", child).add_node("after", drive.node(add))
    outer = outer.add_edge(START, "sub").add_edge("sub", "after").compile()
    record("drained", drive.events(outer, {"log": []}, control=control))
    parallel = StateGraph(State).add_node("p", drive.node(ask)).add_node("q", drive.node(ask))
    parallel = parallel.add_edge(START, "p").add_edge(START, "q").compile(checkpointer=make_saver())
    _, interrupted, interrupts = drive.results(parallel, {"log": []}, one)
    record("two questions", [interrupted, [item.value for item in interrupts]])
    counter = StateGraph(Counter).add_node("n", drive.node(lambda s: {"x": s.x + 1}))
    counter = counter.add_edge(START, "n").compile()
    record("dataclass", drive.results(counter, {"x": 1}))
    record("dataclass: values", drive.projection(counter, "values", {"x": 1}))
