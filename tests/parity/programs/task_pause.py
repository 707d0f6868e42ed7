"""A question inside a task: the task runs again, its finished siblings do not."""

from langgraph.func import entrypoint, task
from langgraph.types import Command, interrupt


def run(make_saver, record):
    calls = []

    @task
    def ask(name):
        calls.append(f"ask {name}")
        return f"{name}: {interrupt(name)}"

    @task
    def work(name):
        calls.append(f"work {name}")
        return name

    @task
    def outer(name):
        calls.append(f"outer {name}")
        return [work(name).result(), ask(name).result()]

    @entrypoint(checkpointer=make_saver())
    def flow(text):
        return [work("w").result(), ask("one").result(), ask("two").result()]

    @entrypoint(checkpointer=make_saver())
    def nested(text):
        return outer(text).result()

    cfg = {"configurable": {"thread_id": "1"}}
    record("first", flow.invoke("in", cfg))
    record("state", [flow.get_state(cfg).next, flow.get_state(cfg).interrupts])
    record("second", flow.invoke(Command(resume="1"), cfg))
    record("done", flow.invoke(Command(resume="2"), cfg))
    record("calls", list(calls))
    calls.clear()
    record("nested", nested.invoke("n", cfg))
    record("nested done", nested.invoke(Command(resume="x"), cfg))
    record("nested calls", calls)
