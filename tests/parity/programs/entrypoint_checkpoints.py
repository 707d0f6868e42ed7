"""What an entrypoint leaves in its thread: an input and a loop checkpoint for each run, whatever the durability."""

from langgraph.func import entrypoint, task
from langgraph.types import interrupt

COLOURS = ["sync"]


def run(make_saver, record, drive):
    @task
    def step(n):
        return n + 1

    for durability in ("sync", "async", "exit"):
        saver = make_saver()

        @entrypoint(checkpointer=saver)
        def flow(n):
            return step(n).result() if n < 5 else interrupt("stop")

        config = {"configurable": {"thread_id": durability}}
        for n in (1, 2):
            drive.invoke(flow, n, config, durability=durability)

        def line():
            return [
                [s.metadata["source"], s.metadata["step"], s.values, s.next]
                for s in drive.history(flow, config)  # noqa: B023
            ]

        record(f"{durability}: two runs", line())
        drive.invoke(flow, 7, config, durability=durability)
        record(f"{durability}: paused", line())
