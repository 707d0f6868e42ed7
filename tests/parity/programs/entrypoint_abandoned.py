"""New input leaves an unfinished run behind: what its tasks did is not used."""

from langgraph.func import entrypoint, task
from langgraph.types import Command, interrupt


def run(make_saver, record):
    calls, broken = [], [1]

    @task
    def work(n):
        calls.append(n)
        return n

    @entrypoint(checkpointer=make_saver())
    def flow(n, *, previous=None):
        got = work("same").result()
        if n == "fails" and broken:
            raise ValueError("half way")
        if n == "asks":
            got = interrupt("?")
        return [n, got, previous]

    config = {"configurable": {"thread_id": "1"}}
    record("finished", flow.invoke("plain", config))
    record.raises("failed", flow.invoke, "fails", config)
    record("after a failure", flow.invoke("plain", config))
    flow.invoke("asks", config)
    record("after a pause", flow.invoke("plain", config))
    record("calls", len(calls))
    record("state", [flow.get_state(config).next, flow.get_state(config).values])
    flow.invoke("asks", config)
    record("answered", flow.invoke(Command(resume="yes"), config))
    record("finished again with none", flow.invoke(None, config))
