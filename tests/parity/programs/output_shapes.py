"""output_keys, stream_mode and version of invoke."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict, total=False):
    log: Annotated[list, operator.add]
    a: str
    b: str


def run(make_saver, record, drive):
    builder = StateGraph(State)
    builder.add_node("one", drive.node(lambda s: {"a": "1", "log": ["one"]}))
    builder.add_node("two", drive.node(lambda s: {"b": "2"}))
    graph = builder.add_edge(START, "one").add_edge("one", "two").compile()
    record("one key", drive.invoke(graph, {"log": []}, output_keys="a"))
    record("keys", drive.invoke(graph, {"log": []}, output_keys=["a", "b"]))
    record.raises("unknown key", drive.invoke, graph, {"log": []}, output_keys="nope")
    record.raises("unknown keys", drive.invoke, graph, {"log": []}, output_keys=["a", "nope"])
    record("updates", drive.invoke(graph, {"log": []}, stream_mode="updates"))
    record("modes", drive.invoke(graph, {"log": []}, stream_mode=["updates", "values"]))
    record("v2", drive.invoke(graph, {"log": []}, version="v2"))
    record("v2 updates", drive.invoke(graph, {"log": []}, version="v2", stream_mode="updates"))
    for keys in ("b", ["b"], ["a", "log"]):
        for mode in ("values", "updates"):
            record(
                f"stream {keys} {mode}",
                drive.stream(graph, {"log": []}, output_keys=keys, stream_mode=mode),
            )
    quiet = (
        StateGraph(State).add_node("n", drive.node(lambda s: None)).add_edge(START, "n").compile()
    )
    record("key never written", drive.invoke(quiet, {"log": []}, output_keys="a"))
