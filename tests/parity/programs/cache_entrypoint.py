"""An entrypoint with a cache policy: the whole function, and what it saves for the next run."""

from langgraph.cache.memory import InMemoryCache
from langgraph.func import entrypoint
from langgraph.types import CachePolicy


def run(make_saver, record):
    calls = []
    policy = CachePolicy(key_func=lambda n: str(n))

    @entrypoint(cache=InMemoryCache(), cache_policy=policy, checkpointer=make_saver())
    def flow(n, *, previous=None):
        calls.append([n, previous])
        return entrypoint.final(value=n, save=n * 10)

    config = {"configurable": {"thread_id": "1"}}
    other = {"configurable": {"thread_id": "2"}}
    modes = ["tasks", "updates", "values"]
    record("first", list(flow.stream(1, config, stream_mode=modes)))
    record("second", list(flow.stream(1, config, stream_mode=modes)))
    record("other thread", list(flow.stream(1, other, stream_mode=modes)))
    record("saved by the hit", flow.invoke(2, other))
    record("calls", list(calls))
    record("state", [flow.get_state(other).values, flow.get_state(other).next])
    flow.clear_cache()
    flow.invoke(1, config)
    record("cleared", list(calls))
