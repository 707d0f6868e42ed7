"""Command as input on a paused thread: update first, goto beside, resume answers (B13)."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt

DEVIATIONS = {
    "update and goto: runs": "a task is started again only if it can get further than last time",
    "all: history, next": "what a goto target did beside a pause is part of the recorded step and of the state",
    "goto only: history, next": "what a goto target did beside a pause is part of the recorded step and of the state",
    "update and goto: history, next": "what a goto target did beside a pause is part of the recorded step and of the state",
    "goto a send: history, next": "what a goto target did beside a pause is part of the recorded step and of the state",
    "goto only: values": "what a goto target did beside a pause is part of the recorded step and of the state",
    "update and goto: values": "what a goto target did beside a pause is part of the recorded step and of the state",
    "update only: runs": "a task is started again only if it can get further than last time",
    "goto only: runs": "a task is started again only if it can get further than last time",
}


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    runs = []

    def ask(state):
        runs.append(list(state["log"]))
        return {"log": [interrupt("?")]}

    builder = (
        StateGraph(State)
        .add_node("ask", drive.node(ask))
        .add_node("q", drive.node(lambda s: {"log": ["q"]}))
    )
    builder.add_node(
        "other", drive.node(lambda s: {"log": ["other" if isinstance(s, dict) else s]})
    )
    builder.add_edge(START, "ask")

    def paused():
        graph = builder.compile(checkpointer=make_saver())
        drive.invoke(graph, {"log": ["i"]}, cfg)
        runs.clear()
        return graph

    cfg = {"configurable": {"thread_id": "1"}}
    commands = {
        "all": Command(resume="R", update={"log": ["U"]}, goto="other"),
        "update only": Command(update={"log": ["U"]}),
        "goto only": Command(goto="other"),
        "update and goto": Command(update={"log": ["U"]}, goto=["other", "q"]),
        "resume and update": Command(resume="R", update={"log": ["U"]}),
        "goto a send": Command(resume="R", goto=Send("other", "sent")),
        "goto itself": Command(resume="R", goto="ask"),
        "goto unknown": Command(resume="R", goto="nowhere"),
        "goto end": Command(resume="R", goto=END),
        "goto a number": Command(resume="R", goto=3),
        "to a parent": Command(graph=Command.PARENT, update={"log": ["U"]}),
    }
    for name, command in commands.items():
        graph = paused()
        record.raises(name, drive.invoke, graph, command, cfg)
        state = drive.state(graph, cfg)
        record(f"{name}: state", [state.next, state.interrupts])
        record(f"{name}: values", state.values)
        record(f"{name}: runs", list(runs))
        history = drive.history(graph, cfg)
        record(f"{name}: history", [[s.metadata, s.values] for s in history])
        record(f"{name}: history, next", [s.next for s in history])
    record(
        "stream",
        drive.stream(paused(), commands["all"], cfg, stream_mode=["values", "updates"])[:1],
    )
