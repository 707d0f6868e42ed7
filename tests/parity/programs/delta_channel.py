"""A channel whose reducer gets all writes of a step: results, pauses, history, forks, updates."""

import operator
from typing import Annotated, TypedDict

from langgraph.channels import DeltaChannel
from langgraph.graph import START, StateGraph
from langgraph.graph.message import _messages_delta_reducer
from langgraph.types import Command, Overwrite, interrupt

DEVIATIONS = {
    "stored": "every checkpoint gives the value; LangGraph gives it every so often only",
    "metadata": "nothing needs to be counted, as values are stored as changes in any case",
    "channel": "its value is stored like any other",
}


def extend(state, writes):
    return [*state, *(item for write in writes for item in write)]


def merge(state, writes):
    return {**state, **{key: value for write in writes for key, value in write.items()}}


class State(TypedDict):
    log: Annotated[list[str], DeltaChannel(extend, snapshot_frequency=2)]
    seen: Annotated[dict[str, int], DeltaChannel(merge)]
    n: int


def run(make_saver, record, drive):
    batches = []

    def counting(state, writes):
        batches.append(len(writes))
        return extend(state, writes)

    def build(saver=None, schema=State):
        builder = StateGraph(schema)
        builder.add_node("ask", drive.node(ask))
        for name in ("y", "x"):
            builder.add_node(
                name,
                drive.node(lambda s, name=name: {"log": [name], "seen": {name: len(s["log"])}}),
            )
            builder.add_edge("ask", name)
            builder.add_edge(name, "last")
        builder.add_node("last", drive.node(last))
        builder.add_edge(START, "ask")
        return builder.compile(checkpointer=saver)

    def ask(state):
        if "ask" in state["log"]:
            return {"log": [interrupt("what?")], "n": 1}
        return {"log": ["asked"]}

    def last(state):
        if "wipe" in state["log"]:
            return {"log": Overwrite(["wiped"])}
        return {"log": ["last"], "n": state.get("n", 0) + 1}

    plain = build()
    record("all keys", drive.invoke(plain, {"log": ["i"], "seen": {"i": 0}, "n": 0}))
    record("empty at first", drive.invoke(plain, {"n": 0}))
    record("overwritten by the input", drive.invoke(plain, {"log": Overwrite(["o"]), "n": 0}))
    record("overwritten by a node", drive.invoke(plain, {"log": ["wipe"]}))
    record("values", drive.stream(plain, {"log": ["i"]}, stream_mode="values"))
    record("updates of last", drive.stream(plain, {"log": ["wipe"]}, stream_mode="updates")[-1])

    saver = make_saver()
    app = build(saver)
    cfg = {"configurable": {"thread_id": "1"}}
    record("first run", drive.invoke(app, {"log": ["i"], "n": 0}, cfg))
    record("paused", [i.value for i in drive.invoke(app, {"log": ["ask"]}, cfg)["__interrupt__"]])
    state = drive.state(app, cfg)
    record("state while paused", [state.values, state.next])
    record("answered", drive.invoke(app, Command(resume="this"), cfg))
    record("state", drive.state(app, cfg).values)
    history = drive.history(app, cfg)
    record("history", [[s.metadata["step"], s.next, s.values] for s in history])
    results = [[(t.name, t.result) for t in s.tasks] for s in history]
    record("results", results)

    old = next(s for s in history if s.next == ("last",))
    record("at that checkpoint", drive.state(app, old.config).values)
    record("run again from there", drive.invoke(app, None, old.config))
    new = drive.update(app, old.config, {"log": ["by hand"]}, as_node="x")
    record("updated", [drive.state(app, new).values, drive.state(app, new).next])
    record("a fork goes on", drive.invoke(app, None, new))
    drive.update(app, cfg, {"log": Overwrite(["all new"]), "seen": {"u": 9}}, as_node="last")
    record("overwritten by an update", drive.state(app, cfg).values)
    record("and on", drive.invoke(app, {"log": ["j"]}, cfg))
    record("the old one is as it was", drive.state(app, old.config).values)
    record("second history", [[s.metadata["step"], s.values] for s in drive.history(app, cfg)])
    found = saver.get_delta_channel_history(config=cfg, channels=["log", "n", "none"])
    channel = DeltaChannel(extend, list)

    def rebuilt(entry):
        fresh = channel.from_checkpoint(entry["seed"])
        fresh.replay_writes(entry["writes"])
        return fresh.get()

    record("rebuilt", rebuilt(found["log"]))
    record("no history", found["none"])
    tuples = drive.saved(saver, cfg)
    record("stored", [t.checkpoint["channel_values"].get("log", "-") for t in tuples])
    record("metadata", [t.metadata for t in tuples])

    class Counted(TypedDict):
        log: Annotated[list, DeltaChannel(counting)]
        seen: Annotated[dict, DeltaChannel(merge)]
        n: int

    drive.invoke(build(schema=Counted), {"log": ["i"]})
    record("writes at once", batches)

    class Talk(TypedDict):
        messages: Annotated[list, DeltaChannel(_messages_delta_reducer)]

    talk = StateGraph(Talk)
    talk.add_node(
        "n", drive.node(lambda s: {"messages": [{"role": "ai", "content": "yes", "id": "2"}]})
    )
    talk.add_edge(START, "n")
    said = drive.invoke(
        talk.compile(), {"messages": [{"role": "user", "content": "hi", "id": "1"}]}
    )
    record("messages", [(m.type, m.content, m.id) for m in said["messages"]])

    def channel_facts():
        channel = DeltaChannel(extend, list)
        facts = [channel.is_available(), channel.snapshot_frequency, channel.ValueType.__name__]
        channel.update([["a"], ["b"]])
        facts += [channel.get(), channel.update([]), channel.copy().get()]
        channel.update([["c"], Overwrite(["d"])])
        facts += [channel.get()]
        channel.update([{"__overwrite__": None}])
        return [*facts, channel.get()]

    record("by itself", channel_facts())
    kept = DeltaChannel(extend, list)
    kept.update([["a"]])
    record("channel", kept.checkpoint() == ["a"])
    record.raises("two at once", kept.update, [Overwrite([1]), Overwrite([2])])
    record.raises("empty", DeltaChannel(extend).get)
    record.raises("never snapped", lambda: DeltaChannel(extend, snapshot_frequency=0))
    same = [
        DeltaChannel(extend) == DeltaChannel(extend, dict),
        DeltaChannel(extend) == DeltaChannel(operator.add),
        DeltaChannel(extend) == DeltaChannel(lambda a, b: a),
        DeltaChannel(extend, snapshot_frequency=3) == DeltaChannel(extend),
    ]
    record("equal", same)
