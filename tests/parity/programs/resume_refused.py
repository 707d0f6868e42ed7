"""Resumes that answer nothing that is open."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

DEVIATIONS = {
    "nothing to say": "Command() and Command(resume=None) are refused with EmptyInputError; LangGraph crashes",
    "none to say": "Command() and Command(resume=None) are refused with EmptyInputError; LangGraph crashes",
    "runs of unanswered tasks": "a task is started again only if it can get further than last time",
}


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    runs = []

    def ask(state):
        runs.append(1)
        return {"log": [interrupt("?")]}

    builder = StateGraph(State).add_node("ask", drive.node(ask)).add_edge(START, "ask")
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    drive.invoke(graph, {"log": []}, cfg)
    record("unknown id", drive.invoke(graph, Command(resume={"0" * 32: "x"}), cfg))
    record("empty map", drive.invoke(graph, Command(resume={}), cfg))
    record("runs of unanswered tasks", len(runs))
    record("still open", drive.state(graph, cfg).interrupts)
    record.raises("nothing to say", drive.invoke, graph, Command(), cfg)
    record.raises("none to say", drive.invoke, graph, Command(resume=None), cfg)
    record("answered", drive.invoke(graph, Command(resume="a"), cfg))
    record("finished thread", drive.invoke(graph, Command(resume="late"), cfg))
    record(
        "and its history",
        [[s.metadata["step"], s.next, s.values] for s in drive.history(graph, cfg)],
    )
    fresh = {"configurable": {"thread_id": "2"}}
    record.raises("new thread", drive.invoke, graph, Command(resume="x"), fresh)
    bare = builder.compile()
    record("without a saver it pauses", drive.invoke(bare, {"log": []}))
    record.raises("without a saver no resume", drive.invoke, bare, Command(resume="x"))
