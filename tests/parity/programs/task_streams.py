"""Custom events inside tasks, tasks that return None, and the order of what is shown."""

from langgraph.config import get_stream_writer
from langgraph.func import entrypoint, task


def run(make_saver, record):
    @task
    def silent(n):
        get_stream_writer()({"in": "silent", "n": n})

    @task
    def loud(n, writer=None):
        get_stream_writer()("loud")
        return {"n": n}

    @entrypoint(checkpointer=make_saver())
    def flow(n, *, writer):
        writer("begin")
        silent(n).result()
        got = loud(n).result()
        writer("end")
        return got

    config = {"configurable": {"thread_id": "1"}}
    chunks = list(flow.stream(1, config, stream_mode=["custom", "updates", "values"]))
    record("custom events", [chunk for mode, chunk in chunks if mode == "custom"])
    record("updates", sorted(str(chunk) for mode, chunk in chunks if mode == "updates"))
    record("last", chunks[-1])
    record("custom alone", list(flow.stream(3, config, stream_mode="custom")))
    record("v2", list(flow.stream(4, config, stream_mode=["custom"], version="v2")))
