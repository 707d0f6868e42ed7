"""Failures are not remembered; finished tasks are."""

from langgraph.func import entrypoint, task


def run(make_saver, record):
    calls = []

    @task
    def good(n):
        calls.append("good")
        return n + 1

    @task
    def bad(n):
        calls.append("bad")
        if calls.count("bad") == 1:
            raise ValueError("first time")
        return n * 10

    @entrypoint(checkpointer=make_saver())
    def flow(n):
        calls.append("body")
        return [good(n).result(), bad(n).result()]

    cfg = {"configurable": {"thread_id": "1"}}
    record.raises("failure", flow.invoke, 1, cfg)
    state = flow.get_state(cfg)
    record("state", [state.values, state.next, [(t.name, t.error) for t in state.tasks]])
    record("resumed", flow.invoke(None, cfg))
    record("calls", list(calls))
    record("next run", flow.invoke(2, cfg))
    record("calls of the next run", calls[5:])

    @task
    def unserialisable(n):
        return lambda: n

    @entrypoint(checkpointer=make_saver())
    def returns_lambda(n):
        return unserialisable(n).result()()

    try:
        returns_lambda.invoke(1, cfg)
    except Exception as error:
        record("a result that cannot be stored", isinstance(error, TypeError))

    @entrypoint()
    def bare(n):
        return unserialisable(n).result()()

    record("without a saver anything goes", bare.invoke(3))
