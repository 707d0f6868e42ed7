"""Command from a node: update and goto; goto adds to the static edges."""

import operator
from typing import Annotated, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send


class State(TypedDict):
    log: Annotated[list, operator.add]
    x: str


def build(drive, first, static=()):
    builder = StateGraph(State)
    builder.add_node("first", drive.node(first))
    for name in ("b", "c"):
        builder.add_node(
            name,
            drive.node(
                lambda s, name=name: {"log": [name if isinstance(s, dict) else f"{name}:{s}"]}
            ),
        )
    builder.add_edge(START, "first")
    for name in static:
        builder.add_edge("first", name)
    return builder


def run(make_saver, record, drive):
    def one(state) -> Command[Literal["b"]]:
        return Command(update={"log": ["first"], "x": "1"}, goto="b")

    cases = {
        "goto": one,
        "goto list": lambda s: Command(update={"log": ["first"]}, goto=["c", "b"]),
        "goto send": lambda s: Command(goto=[Send("b", "sent"), "c"]),
        "goto end": lambda s: Command(update={"log": ["first"]}, goto=END),
        "goto unknown": lambda s: Command(update={"log": ["first"]}, goto="nowhere"),
        "goto nothing": lambda s: Command(update={"log": ["first"]}),
        "update pairs": lambda s: Command(update=[("log", ["p1"]), ("log", ["p2"])], goto="b"),
        "resume is ignored": lambda s: Command(update={"log": ["first"]}, resume="r", goto="b"),
        "several": lambda s: [
            Command(update={"log": ["one"]}, goto="b"),
            Command(update={"log": ["two"]}, goto="c"),
            {"x": "y"},
        ],
    }
    for name, first in cases.items():
        graph = build(drive, first).compile(checkpointer=make_saver() if name == "goto" else None)
        cfg = {"configurable": {"thread_id": name}}
        record(name, drive.invoke(graph, {"log": []}, cfg))
        record(
            f"{name}: updates",
            drive.stream(
                graph,
                {"log": []},
                {"configurable": {"thread_id": name + "2"}},
                stream_mode="updates",
            )[:1],
        )
    both = build(drive, one, static=["c"]).compile()
    record("goto and a static edge", drive.invoke(both, {"log": []}))
    record("repr", [repr(Command(goto="a")), repr(Command(update={"a": 1}, resume=0))])
    try:
        drive.invoke(build(drive, lambda s: Command(goto=3)).compile(), {"log": []})
    except Exception as error:
        record("goto a number", type(error).__name__)
