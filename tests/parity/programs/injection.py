"""Nodes get what they name: config, writer, store, runtime."""

import operator
from typing import Annotated, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.config import get_config, get_store, get_stream_writer
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime, get_runtime
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.types import StreamWriter


class State(TypedDict):
    log: Annotated[list, operator.add]


def untyped(state, config, writer, store):
    writer("untyped")
    return {"log": [config["configurable"]["user"], store is None]}


def typed(state: State, config: RunnableConfig, *, store: BaseStore | None, writer: StreamWriter):
    writer("typed")
    return {"log": [config["metadata"]["langgraph_node"], store is None]}


def optional(state: State, config: RunnableConfig | None = None):
    return {"log": [config is None]}


def with_runtime(state, runtime: Runtime):
    runtime.stream_writer("runtime")
    return {"log": [runtime.context, runtime.store is None, runtime.previous]}


def ambient(state):
    get_stream_writer()("ambient")
    try:
        store = get_store() is None
    except Exception as error:
        store = type(error).__name__
    return {"log": [get_config()["configurable"]["user"], store, get_runtime().context]}


class Needy:
    def __call__(self, state, config):
        return {"log": [config["metadata"]["langgraph_step"]]}


def run(make_saver, record, drive):
    builder = StateGraph(State)
    builder.add_sequence([drive.node(f) for f in (untyped, typed, optional, with_runtime, ambient)])
    builder.add_node("needy", Needy()).add_edge(START, "untyped").add_edge("ambient", "needy")
    cfg = {"configurable": {"thread_id": "1", "user": "ada"}}
    for name, store in (("without a store", None), ("with a store", InMemoryStore())):
        graph = builder.compile(checkpointer=make_saver(), store=store)
        record(name, drive.invoke(graph, {"log": []}, cfg))
        record(
            f"custom, {name}",
            drive.stream(
                graph,
                {"log": []},
                {"configurable": {"thread_id": "2", "user": "bo"}},
                stream_mode="custom",
            ),
        )
    record.raises("config outside of a run", get_config)
    record.raises("writer outside of a run", get_stream_writer)
