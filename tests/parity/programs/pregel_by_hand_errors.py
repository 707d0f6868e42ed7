"""What is refused when a program is made by hand, and what its input may be."""

from langgraph.channels import EphemeralValue, LastValue
from langgraph.pregel import NodeBuilder, Pregel
from langgraph.types import RetryPolicy

DEVIATIONS = {
    "input is no dict": "the text says which keys are known and what was given",
    "two writes": "channels of a program made by hand know their names, so the text says which",
    "read after only": "ValueError with a text that says what to do, instead of an AssertionError",
}


def run(make_saver, record, drive):
    one = NodeBuilder().subscribe_only("a").do(lambda x: x).write_to("b")
    channels = {"a": EphemeralValue(str), "b": LastValue(str), "c": LastValue(str)}

    def make(**how):
        parts = {
            "nodes": {"n": one},
            "channels": channels,
            "input_channels": "a",
            "output_channels": "b",
        }
        return Pregel(**{**parts, **how})

    for name, how in {
        "trigger": {"nodes": {"n": NodeBuilder().subscribe_only("zz")}},
        "read": {"nodes": {"n": NodeBuilder().subscribe_to("a").read_from("zz")}},
        "trigger only": {"nodes": {"n": NodeBuilder().subscribe_to("zz", read=False)}},
        "input": {"input_channels": "zz"},
        "input that nobody reads": {"input_channels": "c"},
        "inputs that nobody reads": {"input_channels": ["c", "b"]},
        "output": {"output_channels": "zz"},
        "outputs": {"output_channels": ["b", "zz"]},
        "stream": {"stream_channels": ["zz"]},
        "breakpoint": {"interrupt_before_nodes": ["zz"]},
        "reserved node": {"nodes": {"__input__": one}},
        "reserved channel": {"channels": {**channels, "__pregel_tasks": LastValue(str)}},
        "no channels": {"channels": None},
        "no nodes": {"nodes": {}},
        "no trigger": {"nodes": {"n": NodeBuilder().do(len)}},
    }.items():
        record.raises(f"unknown {name}", lambda how=how: make(**how))
    unchecked = make(output_channels="zz", auto_validate=False)
    record.raises("checked later", unchecked.validate)
    record("valid", make().validate() is not None)
    record.raises("only twice", lambda: NodeBuilder().subscribe_only("a").subscribe_only("b"))
    record.raises("to after only", lambda: NodeBuilder().subscribe_only("a").subscribe_to("b"))
    record.raises("only after to", lambda: NodeBuilder().subscribe_to("a").subscribe_only("b"))
    record.raises("read after only", lambda: NodeBuilder().subscribe_only("a").read_from("b"))

    record.raises("no input", drive.invoke, make(), None)
    several = make(input_channels=["a", "c"], output_channels=["b", "c"])
    record.raises("none of the inputs", drive.invoke, several, {"zz": 1})
    record.raises("no input to several", drive.invoke, several, None)
    record.raises("input is no dict", drive.invoke, several, "x")
    record("input that triggers nothing", drive.invoke(several, {"c": "x"}))
    record("it passes through", drive.invoke(several, {"a": "y", "c": "x", "zz": 1}))
    record("some keys", drive.invoke(several, {"a": "y"}, output_keys=["a", "b"]))
    double = {"n": NodeBuilder().subscribe_only("a").do(lambda x: x).write_to("b", "b")}
    record.raises("two writes", drive.invoke, make(nodes=double), "x")
    tasks = {"n": NodeBuilder().subscribe_only("a").do(lambda x: x).write_to("__pregel_tasks")}
    record.raises("write to the tasks", drive.invoke, make(nodes=tasks), "x")

    app = make(name="mine", step_timeout=3, stream_mode="updates")
    record("streams as told", drive.stream(app, "x"))
    record(
        "attributes",
        [
            app.name,
            sorted(app.channels),
            app.input_channels,
            app.output_channels,
            app.stream_channels_list,
            app.stream_channels_asis,
            app.stream_mode,
            app.trigger_to_nodes,
            app.step_timeout,
            list(app.retry_policy),
            app.cache_policy,
            app.context_schema,
            list(app.nodes),
            app.interrupt_before_nodes,
        ],
    )
    built = (
        NodeBuilder()
        .subscribe_to("a")
        .read_from("b")
        .meta("tag", k=1)
        .add_retry_policies(RetryPolicy(max_attempts=2))
        .build()
    )
    record("a node", [built.channels, built.triggers, built.tags, built.metadata])
    record("its policies", [len(built.retry_policy), built.cache_policy])
    tries = []

    def unsteady(x):
        tries.append(x)
        if len(tries) < 3:
            raise ConnectionError(x)
        return x

    flaky = NodeBuilder().subscribe_only("a").do(drive.node(unsteady)).write_to("b")
    quick = RetryPolicy(initial_interval=0, jitter=False, max_attempts=3)
    record("tried again", drive.invoke(make(nodes={"n": flaky}, retry_policy=quick), "x"))
    tries.clear()
    own = NodeBuilder().subscribe_only("a").do(drive.node(unsteady)).write_to("b")
    own.add_retry_policies(quick)
    record("by its own policy", drive.invoke(make(nodes={"n": own}), "x"))
