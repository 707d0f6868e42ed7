"""All modes of an entrypoint run, paused and resumed (5.5)."""

from langgraph.func import entrypoint, task
from langgraph.types import Command, interrupt


def run(make_saver, record):
    @task
    def up(text):
        return text.upper()

    @task
    def quiet(text):
        return None

    @entrypoint(checkpointer=make_saver())
    def flow(text):
        first = up(text).result()
        quiet(text).result()
        return [first, interrupt("?")]

    cfg = {"configurable": {"thread_id": "1"}}
    modes = ["tasks", "updates", "values"]
    record("run", list(flow.stream("in", cfg, stream_mode=modes)))
    record("resume", list(flow.stream(Command(resume="yes"), cfg, stream_mode=modes)))
    record("second run", list(flow.stream("again", cfg, stream_mode=["updates", "values"])))
    record(
        "second resume",
        list(flow.stream(Command(resume="ok"), cfg, stream_mode=["updates", "values"])),
    )
    record("default", list(flow.stream("third", cfg)))
    record(
        "checkpoints",
        [
            (c["metadata"], c["next"])
            for c in flow.stream(Command(resume="ok"), cfg, stream_mode="checkpoints")
        ],
    )
