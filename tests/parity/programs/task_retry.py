"""Retry policies of tasks and entrypoints."""

from langgraph.func import entrypoint, task
from langgraph.types import RetryPolicy

FAST = RetryPolicy(initial_interval=0.001, jitter=False)

DEVIATIONS = {
    "calls": "a retried entrypoint takes the stored results of its tasks: finished work is not repeated",
}


def run(make_saver, record):
    calls = []

    @task(retry_policy=FAST)
    def flaky(n):
        calls.append("flaky")
        if calls.count("flaky") < 3:
            raise ConnectionError(n)
        return n

    @task
    def once(n):
        calls.append("once")
        return n

    @entrypoint(checkpointer=make_saver(), retry_policy=FAST)
    def flow(n):
        calls.append("body")
        value = [once(n).result(), flaky(n).result()]
        if calls.count("body") < 2:
            raise ConnectionError("body")
        return value

    record("result", flow.invoke(1, {"configurable": {"thread_id": "1"}}))
    record("calls", calls)
