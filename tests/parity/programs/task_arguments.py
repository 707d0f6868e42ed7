"""Arguments are not stored, so they may be anything; results are, so they may not."""

from langgraph.func import entrypoint, task
from langgraph.types import Command, interrupt


class Handle:
    def read(self):
        return "content"


def run(make_saver, record):
    calls = []

    @task
    def use(handle, *, with_what):
        calls.append(1)
        return with_what(handle.read())

    @entrypoint(checkpointer=make_saver())
    def flow(n):
        got = use(Handle(), with_what=str.upper).result()
        return [got, interrupt("?")]

    config = {"configurable": {"thread_id": "1"}}
    record("paused", "__interrupt__" in flow.invoke(1, config))
    record("resumed", flow.invoke(Command(resume="yes"), config))
    record("calls", len(calls))

    @task
    def defaults(a, b=2, *args, c=3, **more):
        return [a, b, list(args), c, more]

    @entrypoint()
    def forms(n):
        return [
            defaults(1).result(),
            defaults(1, 5, 6, 7, c=8, d=9).result(),
            defaults(a=1).result(),
        ]

    record("forms of calls", forms.invoke(1))
    record.raises("a missing argument", entrypoint()(lambda n: defaults().result()).invoke, 1)
