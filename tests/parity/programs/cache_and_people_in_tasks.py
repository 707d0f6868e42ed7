"""A task that asked a person is not kept, before the answer and after it; its siblings are."""

from langgraph.cache.memory import InMemoryCache
from langgraph.func import entrypoint, task
from langgraph.types import CachePolicy, Command, interrupt

DEVIATIONS = {
    "another thread": "an answer given in one thread never answers in another: such results are not kept",
}


def run(make_saver, record):
    calls = []

    @task(cache_policy=CachePolicy())
    def prepare(n):
        calls.append("prepare")
        return n

    @task(cache_policy=CachePolicy())
    def approve(n):
        calls.append("approve")
        return interrupt("which?")

    @entrypoint(cache=InMemoryCache(), checkpointer=make_saver())
    def flow(n):
        return [prepare(n).result(), approve(n).result()]

    def thread(name):
        return {"configurable": {"thread_id": name}}

    record("paused is not kept", ["__interrupt__" in flow.invoke(1, thread(n)) for n in "12"])
    record("calls", list(calls))
    record("answered", flow.invoke(Command(resume="A"), thread("1")))
    record("another thread", "__interrupt__" in flow.invoke(1, thread("3")))
