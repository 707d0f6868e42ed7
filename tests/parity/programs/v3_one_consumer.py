"""Projections of a v3 run: each has one consumer, who makes the run go on."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.stream import CustomTransformer, StreamTransformer

SAVERS = ("memory",)


class State(TypedDict):
    log: Annotated[list, operator.add]


class Seven(StreamTransformer):
    def init(self):
        return {"seven": 7}

    def process(self, event):
        return True


def run(make_saver, record):
    ran = []

    def node(name):
        def body(state, writer):
            ran.append(name)
            writer(name)
            return {"log": [name]}

        return body

    builder = StateGraph(State).add_sequence([(name, node(name)) for name in "abc"])
    graph = builder.add_edge(START, "a").compile(checkpointer=make_saver())
    threads = iter(range(100))

    def start(**how):
        ran.clear()
        config = {"configurable": {"thread_id": str(next(threads))}}
        return graph.stream_events({"log": []}, config, version="v3", **how)

    with start() as unread:
        record("nothing runs by itself", list(ran))
    record("after the end of the with", [list(unread), unread.output, list(ran)])
    with start() as half:
        items = iter(half.values)
        record("two values", [next(items), next(items), list(ran)])
    record("what ran", list(ran))
    record("where the thread stands", graph.get_state({"configurable": {"thread_id": "1"}}).next)
    aborted = start()
    items = iter(aborted.values)
    next(items), next(items)
    record("abort", [aborted.abort(), list(items), aborted.output, aborted.interrupted])
    record("again", [aborted.abort(), list(aborted), list(aborted.lifecycle)])
    twice = start()
    list(twice)
    record.raises("events twice", lambda: list(twice))
    record("values come too late", list(twice.values))
    twice = start()
    list(twice.values)
    record.raises("values twice", lambda: list(twice.values))
    teed = start()
    left, right = teed.values.tee()
    record("tee", [next(left), list(right), list(left)])
    mixed = start()
    seen = [(value, mixed.output) for value in mixed.values]
    record("output while values are read", seen)
    for names in ((), ("values",), ("values", "lifecycle", "custom")):
        run = start(transformers=[CustomTransformer])
        record(f"interleave {names}", list(run.interleave(*names)))
    record.raises("interleave an unknown one", lambda: list(start().interleave("nope")))
    record.raises(
        "interleave no channel", lambda: list(start(transformers=[Seven]).interleave("seven"))
    )
    record.raises("an unknown projection", lambda: start().custom)
    record(
        "extensions", [sorted(start().extensions), start(transformers=[Seven]).extensions["seven"]]
    )
    record("custom", list(start(transformers=[CustomTransformer]).custom))
    for how in (
        {"stream_mode": "values"},
        {"subgraphs": True},
        {"version": "v9"},
        {"version": "v2"},
    ):
        name = f"refused: {how}"
        record.raises(name, lambda how=how: graph.stream_events({}, **{"version": "v3", **how}))
    record.raises("refused: no version", lambda: graph.stream_events({}))
