"""A cached task is not run again for the same arguments."""

from langgraph.cache.memory import InMemoryCache
from langgraph.func import entrypoint, task
from langgraph.types import CachePolicy


def run(make_saver, record):
    calls = []

    @task(cache_policy=CachePolicy())
    def slow(n, *, k=0):
        calls.append((n, k))
        return n * 10 + k

    cache = InMemoryCache()

    @entrypoint(cache=cache)
    def flow(n):
        return [slow(n).result(), slow(n, k=1).result()]

    record("first", flow.invoke(1))
    record("second", flow.invoke(1))
    record("calls", list(calls))
    slow.clear_cache(cache)
    flow.invoke(1)
    record("cleared", len(calls))
