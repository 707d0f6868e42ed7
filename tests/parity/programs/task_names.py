"""The name of a task: given, of the function, of what a partial wraps, of the class, or a lambda's."""

import functools

from langgraph.func import entrypoint, task


class Worker:
    def __call__(self, n):
        return n

    def method(self, n):
        return n + 1


def run(make_saver, record):
    def plain(n):
        return n

    def one(n):
        return n

    def two(n):
        return n

    def three(n):
        return n

    tasks = [
        task(plain),
        task(name="given")(one),
        task(functools.partial(two)),
        task(functools.partial(three), name="named partial"),
        task(Worker()),
        task(Worker().method),
        task(lambda n: n),
    ]

    @entrypoint(checkpointer=make_saver())
    def flow(n):
        return [each(n).result() for each in tasks]

    config = {"configurable": {"thread_id": "1"}}
    record("updates", sorted(map(str, flow.stream(1, config, stream_mode="updates"))))
    record(
        "starts", [c["name"] for c in flow.stream(1, config, stream_mode="tasks") if "input" in c]
    )
