"""The future of a task, in sync code, is one of `concurrent.futures`."""

import concurrent.futures
import threading

from langgraph.func import entrypoint, task

SAVERS = ["memory"]


def run(make_saver, record):
    gate = threading.Event()

    @task
    def held(n):
        gate.wait(5)
        return n

    @task
    def quick(n):
        return n

    @entrypoint(checkpointer=make_saver())
    def flow(n):
        seen = []
        future = held(n)
        seen.append(isinstance(future, concurrent.futures.Future))
        seen.append(future.done())
        try:
            future.result(timeout=0.01)
        except concurrent.futures.TimeoutError as error:
            seen.append(type(error).__name__)
        told, heard = [], threading.Event()
        future.add_done_callback(lambda f: told.append(f.result()))
        future.add_done_callback(lambda f: heard.set())
        gate.set()
        seen.append(future.result(timeout=5))
        heard.wait(5)
        seen.append([future.done(), future.exception()])
        futures = [quick(i) for i in range(4)]
        done, pending = concurrent.futures.wait(futures, timeout=5)
        seen.append([len(done), len(pending), sorted(f.result() for f in done)])
        seen.append(sorted(f.result() for f in concurrent.futures.as_completed(futures, timeout=5)))
        return [seen, told]

    config = {"configurable": {"thread_id": "1"}}
    record("seen", flow.invoke(7, config))
    record("again", flow.invoke(8, config)[0][3:])
