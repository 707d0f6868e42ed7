"""What a path function may return and how a path map reads it."""

import operator
from typing import Annotated, Literal, TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]
    go: object


def literal_path(state) -> Literal["b", "__end__"]:
    return "b" if state["go"] else "__end__"


async def later(state):
    return "c"


def build(drive, path, path_map=None):
    builder = StateGraph(State)
    for name in "abc":
        builder.add_node(name, drive.node(lambda s, name=name: {"log": [name]}))
    builder.add_edge(START, "a")
    builder.add_conditional_edges("a", path, path_map)
    return builder.compile()


def run(make_saver, record, drive):
    cases = {
        "a name": (lambda s: "b", None),
        "end": (lambda s: END, None),
        "a list": (lambda s: ["c", "b"], None),
        "a tuple": (lambda s: ("c", END), None),
        "nothing": (lambda s: [], None),
        "map": (lambda s: True, {True: "b", False: "c"}),
        "map of numbers": (lambda s: [1, 2], {1: "b", 2: "c"}),
        "map to end": (lambda s: "stop", {"stop": END, "go": "b"}),
        "list map": (lambda s: "c", ["b", "c"]),
        "literal": (literal_path, None),
        "unknown name": (lambda s: "nowhere", None),
    }
    for name, (path, path_map) in cases.items():
        record(name, drive.invoke(build(drive, path, path_map), {"log": [], "go": 1}))
    record("literal to end", drive.invoke(build(drive, literal_path), {"log": [], "go": 0}))
    record.raises(
        "not in the map", drive.invoke, build(drive, lambda s: "zz", {"a": "b"}), {"log": []}
    )
    record.raises("none", drive.invoke, build(drive, lambda s: None), {"log": []})
    record.raises("the start", drive.invoke, build(drive, lambda s: START), {"log": []})
    record.raises("it fails", drive.invoke, build(drive, lambda s: 1 / 0), {"log": []})
    if drive.colour == "async":
        record("async path", drive.invoke(build(drive, later), {"log": []}))
    else:
        record.raises(
            "async path, called synchronously", drive.invoke, build(drive, later), {"log": []}
        )
