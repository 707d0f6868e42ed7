"""Overwrite replaces a reduced value and drops the other writes of its step."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Overwrite


class State(TypedDict):
    log: Annotated[list, operator.add]
    plain: object


def chain(drive, *nodes):
    builder = StateGraph(State)
    for name, node in nodes:
        builder.add_node(name, drive.node(node))
    return builder


def run(make_saver, record, drive):
    builder = chain(
        drive,
        ("a", lambda s: {"log": ["a"]}),
        ("b", lambda s: {"log": Overwrite(["b"])}),
        ("c", lambda s: {"log": ["c"]}),
        ("d", lambda s: {"log": ["d"]}),
    )
    for name in "abc":
        builder.add_edge(START, name)
    builder.add_edge("b", "d")
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("others of the step are dropped", drive.invoke(graph, {"log": ["in"]}, cfg))
    record(
        "updates",
        sorted(map(repr, drive.stream(graph, {"log": []}, {"configurable": {"thread_id": "2"}}))),
    )
    one = (
        chain(drive, ("n", lambda s: {"log": ["n"]}))
        .add_edge(START, "n")
        .compile(checkpointer=make_saver())
    )
    drive.invoke(one, {"log": ["old"]}, cfg)
    record("in the input", drive.invoke(one, {"log": Overwrite(["new"])}, cfg))
    for number, shape in enumerate(
        ({"__overwrite__": [1]}, {"value": [2], "type": "__overwrite__"})
    ):
        record(f"as a dict {number}", drive.invoke(one, {"log": shape}, cfg))
    plain = chain(drive, ("n", lambda s: {"plain": Overwrite(3)})).add_edge(START, "n").compile()
    record("on a plain key", drive.invoke(plain, {"log": []}))
    two = chain(
        drive, ("x", lambda s: {"log": Overwrite([1])}), ("y", lambda s: {"log": Overwrite([2])})
    )
    two = two.add_edge(START, "x").add_edge(START, "y").compile()
    record.raises("two of them", drive.invoke, two, {"log": []})
    config = drive.update(one, cfg, {"log": Overwrite(["set"])})
    record("by update_state", drive.state(one, config).values)
