"""A task called by a task is known under it: not asked for if the outer one is stored, used if it is not."""

from langgraph.func import entrypoint, task
from langgraph.types import Command, interrupt


def run(make_saver, record):
    calls = []

    @task
    def inner(n):
        calls.append(f"inner {n}")
        return n * 10

    @task
    def outer(n):
        calls.append(f"outer {n}")
        return inner(n).result() + inner(n + 1).result()

    @task
    def asking(n):
        calls.append(f"asking {n}")
        return [inner(n).result(), interrupt("inside"), inner(n).result()]

    @entrypoint(checkpointer=make_saver())
    def flow(n):
        first = outer(n).result()
        second = asking(n).result()
        return [first, second, interrupt("at the end")]

    config = {"configurable": {"thread_id": "1"}}
    flow.invoke(1, config)
    record("paused inside", [list(calls), flow.get_state(config).next])
    calls.clear()
    flow.invoke(Command(resume="one"), config)
    record("paused at the end", list(calls))
    calls.clear()
    record("finished", [flow.invoke(Command(resume="two"), config), list(calls)])
    stream = flow.stream(2, {"configurable": {"thread_id": "2"}}, stream_mode=["tasks", "updates"])
    record("shown", sorted([mode, str(c.get("name") or list(c))] for mode, c in stream))
