"""An error handler runs in place of the failed node; it must say where to go (B22)."""

import operator
from typing import Annotated, TypedDict

from langgraph.errors import NodeError
from langgraph.graph import START, StateGraph
from langgraph.types import Command


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    def bad(state):
        raise ValueError("bad")

    def handle(state, error: NodeError):
        return Command(update={"log": [f"{error.node}: {error.error!r}"]}, goto="fin")

    def handle_plainly(state, error: NodeError):
        return {"log": ["handled"]}

    def handle_badly(state, error: NodeError):
        raise KeyError("handler")

    def build(handler):
        builder = StateGraph(State)
        builder.add_node("bad", drive.node(bad), error_handler=drive.node(handler))
        builder.add_node("nxt", drive.node(lambda s: {"log": ["nxt"]})).add_node(
            "fin", drive.node(lambda s: {"log": ["fin"]})
        )
        return (
            builder.add_edge(START, "bad").add_edge("bad", "nxt").compile(checkpointer=make_saver())
        )

    cfg = {"configurable": {"thread_id": "1"}}
    record("with goto", drive.invoke(build(handle), {"log": []}, cfg))
    record("without goto", drive.invoke(build(handle_plainly), {"log": []}, cfg))
    record.raises("a handler that fails", drive.invoke, build(handle_badly), {"log": []}, cfg)
    record("updates", drive.stream(build(handle), {"log": []}, cfg, stream_mode="updates"))
    defaults = StateGraph(State).set_node_defaults(error_handler=drive.node(handle))
    defaults.add_node("bad", drive.node(bad)).add_node(
        "fin", drive.node(lambda s: {"log": ["fin"]})
    ).add_edge(START, "bad")
    record("default handler", drive.invoke(defaults.compile(), {"log": []}))
