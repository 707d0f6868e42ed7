"""Sync nodes under ainvoke run in threads with the context of the run."""

import contextvars
import operator
import threading
from typing import Annotated, TypedDict

from langgraph.config import get_config
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

variable = contextvars.ContextVar("variable", default="unset")


class State(TypedDict):
    log: Annotated[list, operator.add]


async def run(make_saver, record):
    main = threading.current_thread()

    def look(state):
        here = threading.current_thread() is main
        return {"log": [variable.get(), get_config()["configurable"]["user"], here]}

    def ask(state):
        return {"log": [interrupt("?")]}

    async def mixed(state):
        return {"log": [variable.get()]}

    builder = StateGraph(State).add_node("look", look).add_node("ask", ask).add_node("mixed", mixed)
    graph = (
        builder.add_edge(START, "look")
        .add_edge("look", "ask")
        .add_edge("ask", "mixed")
        .compile(checkpointer=await make_saver())
    )
    cfg = {"configurable": {"thread_id": "1", "user": "ada"}}
    variable.set("set")
    record("paused", await graph.ainvoke({"log": []}, cfg))
    record("resumed", await graph.ainvoke(Command(resume="yes"), cfg))
    record(
        "batch",
        await graph.abatch(
            [{"log": ["1"]}, {"log": ["2"]}],
            [{"configurable": {"thread_id": t, "user": t}} for t in ("b1", "b2")],
        ),
    )
