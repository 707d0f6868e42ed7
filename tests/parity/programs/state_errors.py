"""Asking for states that are not there."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = (
        StateGraph(State).add_node("n", drive.node(lambda s: {"log": ["n"]})).add_edge(START, "n")
    )
    bare, graph = builder.compile(), builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record.raises("no saver: state", drive.state, bare, cfg)
    record.raises("no saver: history", drive.history, bare, cfg)
    record.raises("no saver: update", drive.update, bare, cfg, {"log": ["u"]})
    record("unknown thread", drive.state(graph, cfg))
    record("history of an unknown thread", drive.history(graph, cfg))
    record.raises("no thread id", drive.invoke, graph, {"log": []})
    record.raises("empty configurable", drive.invoke, graph, {"log": []}, {"configurable": {}})
    record.raises(
        "other keys only", drive.invoke, graph, {"log": []}, {"configurable": {"user": "x"}}
    )
    drive.invoke(graph, {"log": []}, cfg)
    unknown = {
        "configurable": {"thread_id": "1", "checkpoint_id": "1ef00000-0000-6000-8000-000000000000"}
    }
    record("unknown id", drive.state(graph, unknown))
    record.raises("running from an unknown id", drive.invoke, graph, None, unknown)
    nope = {"configurable": {"thread_id": "1", "checkpoint_ns": "nope"}}
    record.raises("reading an unknown namespace", drive.state, graph, nope)
    record.raises("writing to an unknown namespace", drive.update, graph, nope, {"log": ["u"]})
    record("saver without a thread id needed", drive.invoke(bare, {"log": []}))
