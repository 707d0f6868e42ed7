"""Entrypoints get what they name; tasks see the same config."""

from langgraph.config import get_config, get_stream_writer
from langgraph.func import entrypoint, task
from langgraph.runtime import Runtime
from langgraph.store.memory import InMemoryStore


def run(make_saver, record):
    @task
    def look(x):
        get_stream_writer()(f"task {x}")
        return get_config()["configurable"]["user"]

    @task
    def injected(x, config=None, writer=None, runtime: Runtime = None):
        return [config is not None and config["configurable"]["user"], writer is not None]

    @entrypoint(checkpointer=make_saver(), store=InMemoryStore())
    def flow(x, config, writer, store, runtime: Runtime, previous):
        writer("flow")
        store.put(("a",), "k", {"v": x})
        return [
            x,
            config["configurable"]["user"],
            store.get(("a",), "k").value,
            runtime.context,
            previous,
            look(x).result(),
        ]

    cfg = {"configurable": {"thread_id": "1", "user": "ada"}}
    record("result", flow.invoke("in", cfg, context={"c": 1}))
    record("again", flow.invoke("in2", cfg))
    record(
        "custom",
        list(
            flow.stream(
                "in3", {"configurable": {"thread_id": "2", "user": "bo"}}, stream_mode="custom"
            )
        ),
    )
