"""What streams and states show of a failure that is handled."""

import operator
from typing import Annotated, TypedDict

from langgraph.errors import NodeError
from langgraph.graph import START, StateGraph
from langgraph.types import Command


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    def bad(state):
        raise ValueError("bad")

    def handle(state, error: NodeError):
        return Command(update={"log": ["handled"]}, goto="fin")

    builder = StateGraph(State)
    builder.add_node("bad", drive.node(bad), error_handler=drive.node(handle))
    builder.add_node("nxt", drive.node(lambda s: {"log": ["nxt"]})).add_edge("bad", "nxt")
    builder.add_node("fin", drive.node(lambda s: {"log": ["fin"]})).add_edge(START, "bad")
    saver = make_saver()
    graph = builder.compile(checkpointer=saver)
    for mode in ("values", "updates", "tasks", "checkpoints", "debug"):
        cfg = {"configurable": {"thread_id": mode}}
        record(mode, drive.stream(graph, {"log": []}, cfg, stream_mode=mode))
    cfg = {"configurable": {"thread_id": "values"}}
    record("history", [[s.values, s.next, s.tasks] for s in drive.history(graph, cfg)])
    seen = [t.checkpoint["versions_seen"] for t in drive.saved(saver, cfg)]
    record("seen", sorted(seen[0].keys() - {"__input__"}))
    for when in ("interrupt_before", "interrupt_after"):
        for nodes in (["bad"], ["__error_handler__bad"], "*"):
            stops = {when: nodes, "stream_mode": "updates"}
            cfg = {"configurable": {"thread_id": f"{when} {nodes}"}}
            record(f"{when} {nodes}", drive.stream(graph, {"log": []}, cfg, **stops))
