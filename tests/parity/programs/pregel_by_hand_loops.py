"""Nodes made by hand run until no channel changes; mappers and skipped writes decide that."""

from langgraph.channels import BinaryOperatorAggregate, EphemeralValue, LastValue, Topic
from langgraph.errors import GraphRecursionError
from langgraph.managed.is_last_step import IsLastStepManager
from langgraph.pregel import NodeBuilder, Pregel

try:
    from langgraph.pregel import ChannelWriteEntry
except ImportError:
    from langgraph.pregel._write import ChannelWriteEntry


def run(make_saver, record, drive):
    def single(node, channels=None, **kwargs):
        channels = channels or {"a": EphemeralValue(str), "b": LastValue(str)}
        how = {"input_channels": "a", "output_channels": "b", **kwargs}
        return Pregel(nodes={"n": node}, channels=channels, **how)

    kept = {"a": LastValue(str), "b": LastValue(str)}
    grow = (
        NodeBuilder()
        .subscribe_only("a")
        .do(drive.node(lambda x: x + "x" if len(x) < 5 else None))
        .write_to(ChannelWriteEntry("a", skip_none=True), "b")
    )
    growing = single(grow, kept)
    record("values of a loop", drive.stream(growing, "q"))
    record("updates of a loop", drive.stream(growing, "q", stream_mode="updates"))
    record("result of a loop", drive.invoke(growing, "q"))
    record(
        "its last write is None", drive.invoke(single(grow, kept, output_channels=["a", "b"]), "q")
    )
    forever = single(NodeBuilder().subscribe_only("a").do(lambda x: x).write_to("a", "b"), kept)
    outcome = drive.stream(forever, "q", {"recursion_limit": 4})
    record("endless", [outcome[:-1], isinstance(outcome[-1], GraphRecursionError)])

    def writing(*entries, **values):
        node = (
            NodeBuilder()
            .subscribe_only("a")
            .do(drive.node(lambda x: x))
            .write_to(*entries, **values)
        )
        return drive.stream(single(node), "q", stream_mode=["updates", "values"])

    record("entry", writing(ChannelWriteEntry("b")))
    record("mapped", writing(ChannelWriteEntry("b", mapper=lambda x: x + "m")))
    record("constant", writing(ChannelWriteEntry("b", value="v")))
    record("mapped constant", writing(ChannelWriteEntry("b", value="v", mapper=lambda x: x + "m")))
    record("skipped", writing(ChannelWriteEntry("b", mapper=lambda x: None, skip_none=True)))
    record("None is written", writing(b=lambda x: None))
    record("a constant None too", writing(b=None))
    record("nothing", writing())
    record("unknown channel", writing("elsewhere"))
    record(
        "no function", drive.invoke(single(NodeBuilder().subscribe_only("a").write_to("b")), "q")
    )
    twice = NodeBuilder().subscribe_only("a").do(drive.node(lambda x: x + "1"))
    twice = twice.do(lambda x: x + "2").write_to("b")
    record("two functions in a row", drive.invoke(single(twice), "q"))

    collected = Pregel(
        nodes={
            "split": NodeBuilder().subscribe_only("text").do(str.split).write_to("words", "all"),
            "count": NodeBuilder().subscribe_only("words").do(len).write_to("total"),
            "join": NodeBuilder()
            .subscribe_to("total", read=False)
            .read_from("all", "words", "last")
            .do(lambda d: sorted(d.items()))
            .write_to("seen"),
        },
        channels={
            "text": EphemeralValue(str),
            "words": Topic(str),
            "all": Topic(str, accumulate=True),
            "total": BinaryOperatorAggregate(int, lambda a, b: a + b),
            "seen": LastValue(list),
            "last": IsLastStepManager,
        },
        input_channels=["text", "total"],
        output_channels=["words", "all", "total", "seen"],
        stream_channels=["total", "seen"],
        checkpointer=make_saver(),
    )
    cfg = {"configurable": {"thread_id": "1"}}
    record("topics", drive.invoke(collected, {"text": "one two", "total": 40}, cfg))
    record("topics again", drive.stream(collected, {"text": "three"}, cfg))
    record("only a number", drive.invoke(collected, {"total": 1}, cfg))
    record("topics updates", drive.stream(collected, {"text": "x"}, cfg, stream_mode="updates"))
    record(
        "history",
        [
            [s.metadata["source"], s.metadata["step"], s.next, s.values, [t.name for t in s.tasks]]
            for s in drive.history(collected, cfg)
        ],
    )
    tasks = drive.stream(collected, {"text": "y z"}, cfg, stream_mode="tasks")
    record("tasks", [{k: v for k, v in task.items() if k != "id"} for task in tasks])
