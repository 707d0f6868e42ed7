"""Pieces of a user interface: sent at once, kept in the state, put together by id."""

from collections.abc import Sequence
from typing import Annotated, TypedDict

from langchain_core.messages import AIMessage
from langgraph.func import entrypoint
from langgraph.graph import START, StateGraph
from langgraph.graph.ui import (
    AnyUIMessage,
    delete_ui_message,
    push_ui_message,
    ui_message_reducer,
)
from langgraph.types import Command, interrupt

DEVIATIONS = {"shown": "writes of a task that waits are not shown as if it had finished"}
MODES = ["custom", "updates", "values"]


class State(TypedDict):
    n: int
    ui: Annotated[Sequence[AnyUIMessage], ui_message_reducer]


def piece(id, merge=False, **props):
    return {"type": "ui", "id": id, "name": "c", "props": props, "metadata": {"merge": merge}}


def removal(id):
    return {"type": "remove-ui", "id": id}


def run(make_saver, record, drive):
    one = piece("1", a=1, c={"x": 1})
    bare = {"type": "ui", "id": "1", "name": "c", "props": {"b": 2}}
    cases = {
        "nothing": ([], []),
        "one each": (one, piece("2")),
        "replace": (one, piece("1", b=2)),
        "merge": ([one], [piece("1", True, b=2, c={"y": 2})]),
        "merge with nothing": ([], piece("1", True, b=2)),
        "merge what was just added": ([], [one, piece("1", True, b=1)]),
        "without metadata": ([bare], {**bare, "props": {}}),
        "remove": ([one], [removal("1")]),
        "remove what was just added": ([one], [piece("2"), removal("2")]),
        "remove and put back": ([one, piece("2")], [removal("1"), piece("1", z=1)]),
        "remove and merge": ([one], [removal("1"), piece("1", True, z=1)]),
        "a removal on the left stays": ([removal("1")], [piece("3")]),
        "twice in the left": ([one, piece("1", q=1)], [piece("1", True, b=2)]),
    }
    for name, (left, right) in cases.items():
        record(name, ui_message_reducer(left, right))
    record.raises("unknown id", ui_message_reducer, [], [removal("1")])
    record.raises("pushed outside", push_ui_message, "card", {})
    record.raises("deleted outside", delete_ui_message, "1")

    def shows(state):
        returned = [
            push_ui_message("card", {"a": 1}, id="1"),
            push_ui_message("card", {"b": 1}, id="1", merge=True, metadata={"k": 1}),
            push_ui_message("fresh", {}, message=AIMessage("x", id="m1")),
            push_ui_message("fresh", {}, message={"id": "m2"}, metadata={"name": "mine"}),
            push_ui_message("fresh", {}, message=AIMessage("without an id")),
            push_ui_message("not kept", {}, id="2", state_key=None),
        ]
        return {"n": len(returned), "ui": returned[:1]}

    def asks(state):
        push_ui_message("asking", {}, id="3")
        return {"n": interrupt("how many?")}

    def cleans(state):
        delete_ui_message("1")

    def fails(state):
        delete_ui_message("nobody")

    nodes = [(f.__name__, drive.node(f)) for f in (shows, asks, cleans)]
    builder = StateGraph(State).add_sequence(nodes).add_edge(START, "shows")
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}, "tags": ["t"], "run_name": "named"}
    record("shown", drive.stream(graph, {"n": 0}, cfg, stream_mode=MODES))
    record("waiting", drive.state(graph, cfg).values)
    record("answered", drive.stream(graph, Command(resume=2), cfg, stream_mode=MODES))
    record("kept", drive.state(graph, cfg).values)
    failing = StateGraph(State).add_node("fails", drive.node(fails)).add_edge(START, "fails")
    record("unknown", drive.stream(failing.compile(), {"n": 0}, stream_mode=MODES))

    @entrypoint()
    def entry(x):
        return push_ui_message("card", {"x": x}, id="1", state_key=None)

    if drive.colour == "sync":
        record("entrypoint", drive.stream(entry, 1, stream_mode=MODES))
