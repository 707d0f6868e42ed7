"""Programs made by hand pause, are looked at, changed and go on."""

import operator
from typing import TypedDict

from langgraph.channels import BinaryOperatorAggregate, EphemeralValue, LastValue
from langgraph.graph import START, StateGraph
from langgraph.pregel import NodeBuilder, Pregel
from langgraph.types import Command, interrupt


def run(make_saver, record, drive):
    def ask(x):
        return x + interrupt(f"what about {x}?")

    def app(output, **how):
        return Pregel(
            nodes={
                "ask": NodeBuilder().subscribe_only("a").do(drive.node(ask)).write_to("b", "log"),
                "shout": NodeBuilder().subscribe_only("b").do(str.upper).write_to("c", "log"),
            },
            channels={
                "a": EphemeralValue(str),
                "b": LastValue(str),
                "c": LastValue(str),
                "log": BinaryOperatorAggregate(str, operator.add),
            },
            input_channels="a",
            output_channels=output,
            checkpointer=make_saver(),
            **how,
        )

    def shown(state):
        return [
            state.values,
            state.next,
            [(t.name, t.path, t.result, [i.value for i in t.interrupts]) for t in state.tasks],
            state.metadata,
        ]

    cfg = {"configurable": {"thread_id": "1"}}
    for name, output in (("dict", ["b", "c"]), ("value", "c")):
        asking = app(output)
        record(f"{name}: pause", drive.invoke(asking, "x", cfg))
        record(f"{name}: paused", shown(drive.state(asking, cfg)))
        record(
            f"{name}: stream", drive.stream(asking, None, cfg, stream_mode=["updates", "values"])
        )
        record(f"{name}: answer", drive.invoke(asking, Command(resume="!"), cfg))
        record(f"{name}: finished", shown(drive.state(asking, cfg)))
        record(f"{name}: history", [shown(s) for s in drive.history(asking, cfg)])
        record(f"{name}: nothing to do", drive.invoke(asking, None, cfg))
    changed = app(["b", "c", "log"])
    drive.invoke(changed, "y", cfg)
    new = drive.update(changed, cfg, "given", as_node="ask")
    record("after an update", shown(drive.state(changed, cfg)))
    record("goes on", drive.invoke(changed, None, new))
    drive.update(changed, cfg, "more")
    record("acting for whom", shown(drive.state(changed, cfg)))
    drive.update(changed, cfg, "in", as_node="__input__")
    record("as input", shown(drive.state(changed, cfg)))
    record("as input goes on", drive.invoke(changed, None, cfg))
    drive.update(changed, cfg, None, as_node="__copy__")
    record("copied", shown(drive.state(changed, cfg)))
    drive.update(changed, cfg, None, as_node="__end__")
    record("ended", shown(drive.state(changed, cfg)))
    record.raises("unknown node", drive.update, changed, cfg, "x", as_node="nope")

    stopping = app(["b", "c"], interrupt_before_nodes=["shout"], interrupt_after_nodes=["ask"])
    record("asks", "__interrupt__" in drive.invoke(stopping, "x", cfg))
    record("stops", drive.invoke(stopping, Command(resume="?"), cfg))
    record("stopped", shown(drive.state(stopping, cfg)))
    record("passes", drive.invoke(stopping, None, cfg))

    class S(TypedDict):
        q: str

    inner = StateGraph(S)
    inner.add_node("n", drive.node(lambda s: {"q": s["q"] + interrupt("inner?")}))
    inner.add_edge(START, "n")
    outer = Pregel(
        nodes={
            "sub": NodeBuilder()
            .subscribe_only("a")
            .do(lambda x: {"q": x})
            .do(inner.compile())
            .write_to(b=lambda s: s["q"])
        },
        channels={"a": EphemeralValue(str), "b": LastValue(str)},
        input_channels="a",
        output_channels="b",
        checkpointer=make_saver(),
    )
    paused = drive.invoke(outer, "x", cfg)
    record("inner asks", [i.value for i in paused["__interrupt__"]])
    record("inner goes on", drive.invoke(outer, Command(resume="!"), cfg))
    record("subgraphs", [name for name, _ in outer.get_subgraphs()])
