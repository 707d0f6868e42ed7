"""The strict flag turns unknown, empty and ambiguous resumes into errors."""

import operator
from typing import Annotated, TypedDict

from langgraph.errors import UnknownInterruptError
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = StateGraph(State)
    for name in "ab":
        builder.add_node(
            name, drive.node(lambda s, name=name: {"log": [interrupt(name)]})
        ).add_edge(START, name)
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1", "__pregel_strict_resume": True}}
    drive.invoke(graph, {"log": []}, cfg)
    for name, resume in {"unknown": {"0" * 32: 1}, "empty": {}, "ambiguous": "x"}.items():
        try:
            drive.invoke(graph, Command(resume=resume), cfg)
        except UnknownInterruptError as error:
            record(name, [error.reason, sorted(error.interrupt_ids), len(error.pending_ids)])
        except Exception as error:
            record(name, type(error).__name__)
    record("still open", drive.state(graph, cfg).next)
