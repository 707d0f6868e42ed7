"""A Pregel built from nodes and channels."""

from langgraph.channels import BinaryOperatorAggregate, EphemeralValue, LastValue, Topic
from langgraph.pregel import NodeBuilder, Pregel


def run(make_saver, record, drive):
    one = NodeBuilder().subscribe_only("a").do(drive.node(lambda x: x + x)).write_to("b")
    two = (
        NodeBuilder()
        .subscribe_only("b")
        .do(drive.node(lambda x: x + "!"))
        .write_to("c", d=lambda x: x.upper(), e="const")
    )
    channels = {name: LastValue(str) for name in "bcde"} | {"a": EphemeralValue(str)}
    app = Pregel(
        nodes={"one": one, "two": two},
        channels=channels,
        input_channels=["a"],
        output_channels=["b", "c", "d", "e"],
    )
    record("lists give dicts", drive.invoke(app, {"a": "x"}))
    single = Pregel(nodes={"one": one}, channels=channels, input_channels="a", output_channels="b")
    record("a name gives the value", drive.invoke(single, "y"))
    record("values", drive.stream(app, {"a": "x"}))
    record("updates", drive.stream(app, {"a": "x"}, stream_mode="updates"))
    joined = (
        NodeBuilder()
        .subscribe_to("a")
        .read_from("b")
        .do(drive.node(lambda d: sorted(d.items())))
        .write_to("c")
    )
    both = Pregel(
        nodes={"j": joined},
        channels={**channels, "c": LastValue(list)},
        input_channels=["a", "b"],
        output_channels="c",
    )
    record("read_from", drive.invoke(both, {"a": "1", "b": "2"}))
    record("not triggered", drive.invoke(both, {"b": "2"}))
    topic = Pregel(
        nodes={"n": NodeBuilder().subscribe_only("a").do(lambda x: [x, x]).write_to("t", "s")},
        channels={
            "a": EphemeralValue(int),
            "t": Topic(int),
            "s": BinaryOperatorAggregate(list, lambda a, b: a + b),
        },
        input_channels="a",
        output_channels=["t", "s"],
    )
    record("topic and reducer", drive.invoke(topic, 1))
    record.raises(
        "unknown channel",
        lambda: Pregel(
            nodes={"n": NodeBuilder().subscribe_only("zz").do(lambda x: x).write_to("b")},
            channels=channels,
            input_channels="a",
            output_channels="b",
        ),
    )
    saved = Pregel(
        nodes={"one": one, "two": two},
        channels=channels,
        input_channels=["a"],
        output_channels=["c"],
        checkpointer=make_saver(),
    )
    cfg = {"configurable": {"thread_id": "1"}}
    drive.invoke(saved, {"a": "z"}, cfg)
    record(
        "history",
        [
            [s.metadata["source"], s.metadata["step"], s.next, s.values]
            for s in drive.history(saved, cfg)
        ],
    )
