"""An entrypoint is a Pregel with one node; what cannot be one is refused."""

from langgraph.func import entrypoint, task
from langgraph.pregel import Pregel


async def an(value):
    return value


def run(make_saver, record):
    @entrypoint()
    def flow(value: dict) -> int:
        return len(value)

    def none():
        return 1

    def generates(value):
        yield value

    record("it is", [isinstance(flow, Pregel), flow.name, list(flow.nodes), flow.stream_mode])
    record("channels", sorted(c for c in flow.channels if not c.startswith("__pregel")))
    record("runs", flow.invoke({"a": 1}))
    record.raises("no parameter", entrypoint(), none)
    record.raises("a generator", entrypoint(), generates)
    record.raises("an async one, called synchronously", entrypoint()(an).invoke, 1)

    @task
    def plain(x):
        "Doc."
        return x

    @task(name="renamed")
    def other(x):
        return x

    record("names of tasks", [plain.__name__, plain.__doc__, other.__name__])
    record.raises("a task outside of a run", plain, 1)
    returns_none = entrypoint(checkpointer=make_saver())(lambda v: None)
    record("none is a result", [returns_none.invoke(1, {"configurable": {"thread_id": "1"}})])
