"""The code changed while a run waited: a call put ahead of others shifts what they find."""

from langgraph.func import entrypoint, task
from langgraph.types import Command, interrupt


def run(make_saver, record):
    calls, inserted = [], []

    @task
    def ok(text):
        calls.append(text)
        return text

    @task
    def other(text):
        calls.append(text)
        return text

    @entrypoint(checkpointer=make_saver())
    def flow(n):
        first = [other("ins").result()] if inserted else []
        return [*first, ok("a").result(), ok("b").result(), interrupt("?")]

    config = {"configurable": {"thread_id": "1"}}
    flow.invoke(1, config)
    record("before", list(calls))
    inserted.append(1)
    record("resumed", flow.invoke(Command(resume="yes"), config))
    record("after", list(calls))
