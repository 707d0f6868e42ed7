"""Running again from an old checkpoint: a fork; what was before is not run (B10)."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    runs = []

    def node(name):
        def body(state):
            runs.append(name)
            return {"log": [f"{name}{len(runs)}"]}

        return drive.node(body)

    builder = (
        StateGraph(State)
        .add_sequence([(n, node(n)) for n in ("first", "rnd", "last")])
        .add_edge(START, "first")
    )
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("original", drive.invoke(graph, {"log": []}, cfg))
    history = drive.history(graph, cfg)
    old = next(s for s in history if s.next == ("rnd",))
    record("replayed", drive.invoke(graph, None, old.config))
    record("runs", list(runs))
    record(
        "history",
        [
            [s.metadata["source"], s.metadata["step"], s.next, s.values, s.config, s.parent_config]
            for s in drive.history(graph, cfg)
        ],
    )
    record("latest", drive.state(graph, cfg).values)
    final = next(s for s in history if s.next == ())
    record("at a final checkpoint", drive.invoke(graph, None, final.config))
    record("nothing was run", len(runs))
    record(
        "replayed stream", drive.stream(graph, None, old.config, stream_mode=["values", "updates"])
    )
    record("config with the id", drive.state(graph, old.config).values)
