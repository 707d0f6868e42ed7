"""Tasks start when called; their results come when asked for."""

import threading

from langgraph.func import entrypoint, task


def run(make_saver, record):
    gate = threading.Barrier(3)

    @task
    def wait_for_all(n):
        gate.wait(5)
        return n * 10

    @task
    def add(a, b=0, *, c=0):
        return a + b + c

    @task
    def boom(text):
        raise ValueError(text)

    @entrypoint(checkpointer=make_saver())
    def flow(n):
        futures = [wait_for_all(i) for i in range(n)]
        return [f.result() for f in futures]

    @entrypoint(checkpointer=make_saver())
    def arguments(n):
        future = add(n, 2, c=3)
        return [future.result(), future.done(), future.result(timeout=1), add(a=1).result()]

    @entrypoint(checkpointer=make_saver())
    def catches(n):
        try:
            boom("b").result()
        except ValueError as error:
            caught = str(error)
        return [caught, type(boom("c").exception()).__name__]

    @entrypoint(checkpointer=make_saver())
    def lets_go(n):
        return boom("d").result()

    cfg = {"configurable": {"thread_id": "1"}}
    record("all at once", flow.invoke(3, cfg))
    record("arguments", arguments.invoke(1, cfg))
    record("caught", catches.invoke(1, cfg))
    record.raises("let go", lets_go.invoke, 1, cfg)
    state = lets_go.get_state(cfg)
    record("state of the failure", [state.next, [t.name for t in state.tasks]])
