"""A stored task result is found by name and position, not by arguments (B15)."""

from langgraph.func import entrypoint, task
from langgraph.types import Command, interrupt


def run(make_saver, record):
    calls, bodies = [], []

    @task
    def ok(name):
        calls.append(f"ok {name}")
        return name

    @task
    def other(name):
        calls.append(f"other {name}")
        return name

    @entrypoint(checkpointer=make_saver())
    def changed_arguments(text):
        bodies.append(1)
        value = ok(f"call {len(bodies)}").result()
        return [value, interrupt("?")]

    @entrypoint(checkpointer=make_saver())
    def other_task(text):
        bodies.append(1)
        value = (ok if len(bodies) == 1 else other)("x").result()
        return [value, interrupt("?")]

    cfg = {"configurable": {"thread_id": "1"}}
    changed_arguments.invoke("in", cfg)
    record("other arguments, stored value", changed_arguments.invoke(Command(resume="y"), cfg))
    record("calls", list(calls))
    calls.clear()
    bodies.clear()
    other_task.invoke("in", cfg)
    record("another task runs", other_task.invoke(Command(resume="y"), cfg))
    record("calls of another task", calls)
