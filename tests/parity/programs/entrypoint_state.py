"""State and history of an entrypoint, and an abandoned run."""

from langgraph.func import entrypoint
from langgraph.types import Command, interrupt


def run(make_saver, record, drive):
    @entrypoint(checkpointer=make_saver())
    @drive.node
    def flow(text):
        return {"text": text, "answer": interrupt(text)}

    cfg = {"configurable": {"thread_id": "1"}}
    drive.invoke(flow, "one", cfg)
    record("paused", drive.state(flow, cfg))
    record("new input abandons it", drive.invoke(flow, "two", cfg))
    record("resumed", drive.invoke(flow, Command(resume="yes"), cfg))
    record("finished", drive.state(flow, cfg))
    record("third", drive.invoke(flow, "three", cfg))
    record("values while paused", drive.state(flow, cfg).values)
    record(
        "history",
        [
            [s.metadata["source"], s.metadata["step"], s.next, s.values]
            for s in drive.history(flow, cfg)
        ],
    )
    record("v2", drive.invoke(flow, Command(resume="v2"), cfg, version="v2"))
    record("v2 paused", drive.invoke(flow, "four", cfg, version="v2"))
