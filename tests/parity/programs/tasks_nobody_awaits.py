"""A task whose result nobody takes is waited for; its failure does not fail the run."""

import threading

from langgraph.func import entrypoint, task


def run(make_saver, record):
    done = []
    go = threading.Event()

    @task
    def slow(n):
        go.wait(5)
        done.append(n)
        return n

    @task
    def fails(n):
        raise ValueError("nobody hears this")

    @entrypoint(checkpointer=make_saver())
    def flow(n):
        slow(n)
        fails(n)
        go.set()
        return "returned"

    config = {"configurable": {"thread_id": "1"}}
    record("result", flow.invoke(1, config))
    record("was waited for", list(done))
    record("state", [flow.get_state(config).next, flow.get_state(config).values])
    chunks = list(flow.stream(2, config, stream_mode="updates"))
    record("updates", sorted(str(chunk) for chunk in chunks))
