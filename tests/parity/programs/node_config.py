"""What stands in a node's config: user keys, metadata, tags."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


KEYS = ("thread_id", "user", "count", "checkpoint_ns")


def look(state, config):
    metadata = {k: v for k, v in config["metadata"].items() if not k.startswith(("ls_", "lc_"))}
    chosen = {key: config["configurable"].get(key) for key in KEYS}
    return {
        "log": [
            {"configurable": chosen, "metadata": metadata, "tags": sorted(config.get("tags") or [])}
        ]
    }


def run(make_saver, record, drive):
    builder = StateGraph(State)
    builder.add_node("look", drive.node(look), metadata={"from": "node"})
    builder.add_edge(START, "look")
    graph = builder.compile(checkpointer=make_saver())
    cfg = {
        "configurable": {"thread_id": "1", "user": "ada", "count": 3, "deep": {"a": 1}},
        "metadata": {"origin": "test"},
        "tags": ["one"],
    }
    record("node config", drive.invoke(graph, {"log": []}, cfg))
    parent = StateGraph(State).add_node("sub", graph).add_edge(START, "sub").compile()
    record("in a child", drive.invoke(parent, {"log": []}, cfg))
    bound = graph.with_config(
        {"configurable": {"user": "bo"}, "metadata": {"bound": 1}, "tags": ["two"]}
    )
    record(
        "with_config",
        drive.invoke(bound, {"log": []}, {"configurable": {"thread_id": "2"}, "tags": ["three"]}),
    )
    record("checkpoint metadata", [s.metadata for s in drive.history(graph, cfg)])
    record(
        "bound checkpoint metadata",
        drive.state(graph, {"configurable": {"thread_id": "2"}}).metadata,
    )
