"""previous is what the last finished run returned, or saved by final."""

from langgraph.func import entrypoint


def run(make_saver, record, drive):
    @entrypoint(checkpointer=make_saver())
    @drive.node
    def total(number, *, previous):
        return (previous or 0) + number

    @entrypoint(checkpointer=make_saver())
    @drive.node
    def split(text, *, previous):
        return entrypoint.final(value={"shown": text, "previous": previous}, save=text.upper())

    @entrypoint()
    @drive.node
    def bare(text, *, previous):
        return [text, previous]

    cfg = {"configurable": {"thread_id": "1"}}
    record("sums", [drive.invoke(total, n, cfg) for n in (1, 2, 3)])
    record("finals", [drive.invoke(split, t, cfg) for t in ("a", "b")])
    record("state of finals", drive.state(split, cfg).values)
    record("without a saver", [drive.invoke(bare, "x"), drive.invoke(bare, "y")])
    record(
        "history",
        [
            [s.metadata["source"], s.metadata["step"], s.next, s.values]
            for s in drive.history(total, cfg)
        ],
    )
    record("none goes on", drive.invoke(total, None, cfg))
    record.raises(
        "none on a new thread", drive.invoke, total, None, {"configurable": {"thread_id": "2"}}
    )
    record("default stream", drive.stream(total, 10, cfg))
    record("state before anything", drive.state(total, {"configurable": {"thread_id": "3"}}).values)
