"""What a compiled program offers beside running: batches, copies, configs, nested graphs."""

from typing import TypedDict

from langgraph.graph import START, StateGraph
from langgraph.pregel import Pregel
from langgraph.types import interrupt


class State(TypedDict):
    a: int


def run(make_saver, record, drive):
    def step(state):
        if state["a"] == 0:
            raise ValueError("zero")
        if state["a"] == 7:
            interrupt("seven?")
        return {"a": state["a"] + 1}

    def compiled(name=None, **nodes):
        builder = StateGraph(State)
        for key, action in nodes.items():
            builder.add_node(key, action)
        builder.add_edge(START, next(iter(nodes)))
        return builder.compile(checkpointer=make_saver(), name=name)

    graph = compiled(n=step)
    threads = iter(range(1000))

    def configs(count):
        return [{"configurable": {"thread_id": str(next(threads))}} for _ in range(count)]

    async def batch(*args, **kwargs):
        return await graph.abatch(*args, **kwargs)

    async def completed(*args, **kwargs):
        return sorted([item async for item in graph.abatch_as_completed(*args, **kwargs)])

    if drive.colour == "async":

        def run_batch(*args, **kwargs):
            return drive._await(batch(*args, **kwargs))

        def run_completed(*args, **kwargs):
            return drive._await(completed(*args, **kwargs))
    else:
        run_batch = graph.batch

        def run_completed(*args, **kwargs):
            return sorted(graph.batch_as_completed(*args, **kwargs))

    inputs = [{"a": 1}, {"a": 7}, {"a": 3}]
    found = run_batch(inputs, configs(3))
    shown = [{k: v if k == "a" else [i.value for i in v] for k, v in r.items()} for r in found]
    record("batch", shown)
    record("no inputs", run_batch([]))
    record("modes", run_batch([{"a": 1}, {"a": 2}], configs(2), stream_mode="updates"))
    record.raises("too few configs", run_batch, inputs, configs(2))
    record.raises("failure", run_batch, [{"a": 1}, {"a": 0}], configs(2))
    record("failures", run_batch([{"a": 1}, {"a": 0}], configs(2), return_exceptions=True))
    one_by_one = [{**config, "max_concurrency": 1} for config in configs(2)]
    record("one by one", run_batch([{"a": 1}, {"a": 2}], one_by_one))
    record("as completed", run_completed([{"a": 1}, {"a": 2}], configs(2)))

    tagged = graph.with_config({"tags": ["x"], "metadata": {"m": 1}})
    tagged = tagged.with_config(tags=["y"], metadata={"k": 2}, configurable={"thread_id": "t"})
    record("merged config", tagged.config)
    record("with its own thread", drive.invoke(tagged, {"a": 1}))
    record("its state", drive.state(tagged, {"configurable": {"thread_id": "t"}}).metadata)
    record("a copy", [type(tagged).__name__, tagged is graph, isinstance(tagged, Pregel)])
    record("the name stays", graph.with_config(run_name="q").get_name())
    record("copied with another name", graph.copy({"name": "other"}).get_name())
    stopping = graph.copy({"interrupt_before_nodes": ["n"]})
    record("copied with a breakpoint", drive.invoke(stopping, {"a": 1}, configs(1)[0]))
    record("validated", graph.validate() is graph)

    inner = compiled("inner", i=step)
    middle = compiled("middle", m=inner, f=lambda s: inner.invoke(s))

    class Calls:
        def __init__(self):
            self.graph = inner

        def __call__(self, state):
            return self.graph.invoke(state)

    def two(state):
        inner.invoke(state)
        return middle.invoke(state)

    top = compiled("top", x=middle, y=inner, z=step, k=Calls(), two=two)
    for how in (
        {},
        {"recurse": True},
        {"namespace": "x"},
        {"namespace": "x", "recurse": True},
        {"namespace": "x|m"},
        {"namespace": "x|m", "recurse": True},
        {"namespace": "nope"},
        {"namespace": "x|nope", "recurse": True},
        {"namespace": "z"},
        {"namespace": "two|m", "recurse": True},
    ):
        record(f"subgraphs {how}", [(name, g.name) for name, g in top.get_subgraphs(**how)])
    record(
        "attributes",
        {
            name: getattr(top, name)
            for name in (
                "name", "stream_mode", "stream_eager", "step_timeout", "debug", "cache", "store",
                "cache_policy", "retry_policy", "context_schema", "input_channels",
                "output_channels", "stream_channels", "stream_channels_list",
                "stream_channels_asis", "trigger_to_nodes",
            )
        },
    )  # fmt: skip
    record("tables", [list(top.nodes), sorted(top.channels), type(top.builder).__name__])
    top.checkpointer = None
    record("a saver taken away", drive.invoke(top, {"a": 1}))
