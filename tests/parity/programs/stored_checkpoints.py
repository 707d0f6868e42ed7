"""What the saver itself lists: metadata, parents and pending writes (B1)."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    a: Annotated[list, operator.add]


def run(make_saver, record, drive):
    runs = []

    def n(state):
        runs.append(1)
        return {"a": [interrupt("value")]}

    builder = StateGraph(State).add_node("n", drive.node(n)).add_edge(START, "n")
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}

    def writes_of_tasks(writes):
        """Without those of the null task: how a Command is kept is a matter of the engine."""
        return [write for write in writes if write[0].strip("0-")]

    def stored():
        return [
            [t.metadata, t.config, t.parent_config, writes_of_tasks(t.pending_writes)]
            for t in drive.saved(graph.checkpointer, cfg)
        ]

    record("paused", drive.invoke(graph, {"a": ["i"]}, cfg))
    record("stored while paused", stored())
    head = drive.saved(graph.checkpointer, cfg)[0].checkpoint
    record("values in the head", head["channel_values"]["a"])
    record("resumed", drive.invoke(graph, Command(resume="y"), cfg))
    record("stored afterwards", stored())
    record("history", drive.history(graph, cfg))
    record("runs", len(runs))
