"""What streams show of a failure, and the note on the exception."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class Trouble(Exception):
    pass


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    def bad(state):
        raise Trouble("first", 2)

    child = StateGraph(State).add_node("bad", drive.node(bad)).add_edge(START, "bad").compile()
    builder = StateGraph(State)
    builder.add_node("ok", drive.node(lambda s: {"log": ["ok"]})).add_node("sub", child)
    builder.add_edge(START, "ok").add_edge("ok", "sub")
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    try:
        drive.invoke(graph, {"log": []}, cfg)
    except Trouble as error:
        record("the same exception", error.args)
        record("notes", error.__notes__)
    record(
        "updates and values",
        drive.stream(
            graph,
            {"log": []},
            {"configurable": {"thread_id": "2"}},
            stream_mode=["updates", "values"],
        ),
    )
    record(
        "tasks",
        drive.stream(
            graph, {"log": []}, {"configurable": {"thread_id": "3"}}, stream_mode=["tasks"]
        ),
    )
    tasks = drive.state(graph, cfg).tasks
    record("error in the state", [(t.name, t.error) for t in tasks])
    record(
        "new input gets out",
        [drive.state(graph, drive.update(graph, cfg, {"log": ["u"]}, as_node="sub")).next],
    )
