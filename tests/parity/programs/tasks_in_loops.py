"""Loops and fan-outs that are the same each time find their results again, over pauses and crashes."""

from langgraph.func import entrypoint, task
from langgraph.types import Command, interrupt


def run(make_saver, record):
    calls, crash = [], []

    @task
    def work(n):
        calls.append(n)
        return n * n

    @entrypoint(checkpointer=make_saver())
    def flow(count):
        total = 0
        for n in range(count):
            total += work(n).result()
            if n % 2:
                total += interrupt({"so far": total})
            if crash and n == crash[0]:
                raise RuntimeError("crash")
        futures = [work(100 + n) for n in range(count)]
        return [total, [future.result() for future in futures]]

    config = {"configurable": {"thread_id": "1"}}
    crash.append(0)
    record.raises("crash", flow.invoke, 4, config)
    crash.clear()
    record("first pause", flow.invoke(None, config)["__interrupt__"][0].value)
    record("calls before it", list(calls))
    record("second pause", flow.invoke(Command(resume=1000), config)["__interrupt__"][0].value)
    record("calls before that", list(calls))
    record("end", flow.invoke(Command(resume=2000), config))
    record("calls in all", sorted(calls))
    calls.clear()
    record("the next run starts clean", flow.invoke(1, config))
    record("its calls", sorted(calls))
