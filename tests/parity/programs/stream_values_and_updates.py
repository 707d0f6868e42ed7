"""The two most used modes, alone and together."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command


class State(TypedDict, total=False):
    log: Annotated[list, operator.add]
    plain: str


def run(make_saver, record, drive):
    builder = StateGraph(State)
    builder.add_node("one", drive.node(lambda s: {"log": ["one"], "plain": "p", "unknown": 1}))
    builder.add_node("silent", drive.node(lambda s: None))
    builder.add_node("empty", drive.node(lambda s: {}))
    builder.add_node("command", drive.node(lambda s: Command(update={"plain": "q"})))
    builder.add_edge(START, "one").add_edge("one", "silent").add_edge("silent", "empty").add_edge(
        "empty", "command"
    )
    graph = builder.compile(checkpointer=make_saver())
    for number, mode in enumerate(
        (
            "values",
            "updates",
            ["values"],
            ["updates", "values"],
            ["values", "updates", "custom"],
            "nonsense",
        )
    ):
        cfg = {"configurable": {"thread_id": str(number)}}
        record(f"{mode}", drive.stream(graph, {"log": ["in"]}, cfg, stream_mode=mode))
    record("default", drive.stream(graph, {"log": ["in"]}, {"configurable": {"thread_id": "d"}}))
    record(
        "second run",
        drive.stream(
            graph, {"plain": "x"}, {"configurable": {"thread_id": "d"}}, stream_mode="values"
        ),
    )
    record(
        "empty input",
        drive.stream(graph, {}, {"configurable": {"thread_id": "e"}}, stream_mode="values"),
    )
