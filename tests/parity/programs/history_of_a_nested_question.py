"""A question that a nested graph asked stays in the outer history when it has been answered."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    inner = StateGraph(State)
    inner.add_node("ask", drive.node(lambda state: {"log": [interrupt("nested?")]}))
    inner.add_edge(START, "ask")
    outer = StateGraph(State)
    outer.add_node("child", inner.compile())
    outer.add_node("after", drive.node(lambda state: {"log": ["after"]}))
    outer.add_edge(START, "child")
    outer.add_edge("child", "after")
    graph = outer.compile(checkpointer=make_saver())
    config = {"configurable": {"thread_id": "1"}}
    drive.invoke(graph, {"log": []}, config)
    drive.invoke(graph, Command(resume="yes"), config)

    def shown(state):
        tasks = [(task.name, [item.value for item in task.interrupts]) for task in state.tasks]
        return [state.next, tasks, [item.value for item in state.interrupts]]

    history = drive.history(graph, config)
    record("history", [shown(state) for state in history])
    record("by id", [shown(drive.state(graph, state.config)) for state in history])
    record("now", shown(drive.state(graph, config)))
