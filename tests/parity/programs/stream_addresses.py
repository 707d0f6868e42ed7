"""What events say of where they come from: metadata of tasks, addresses of nested checkpoints."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.runtime import RunControl

SAVERS = ("memory",)


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    builder = StateGraph(State)
    builder.add_node("m", drive.node(lambda s: {"log": ["m"]}), metadata={"a": 1, "b": 1})
    builder.add_node("p", drive.node(lambda s: {"log": ["p"]}))
    child = builder.add_edge(START, "m").add_edge("m", "p").compile()
    named = child.with_config({"metadata": {"c": 2}, "tags": ["t"]})
    graph = StateGraph(State).add_node("sub", named).add_edge(START, "sub")
    graph = graph.compile(checkpointer=make_saver())
    config = {"configurable": {"thread_id": "1"}, "metadata": {"b": 3}}
    tasks = drive.stream(graph, {"log": []}, config, stream_mode="tasks", subgraphs=True)
    record("metadata", [(t["name"], t.get("metadata")) for _, t in tasks if "input" in t])
    tasks = drive.stream(child, {"log": []}, stream_mode="tasks")
    record("of nodes only", [(t["name"], t.get("metadata")) for t in tasks if "input" in t])
    where = {"configurable": {"thread_id": "2"}}
    events = drive.stream(graph, {"log": []}, where, stream_mode="checkpoints", subgraphs=True)
    record("addresses", [(ns, e["config"], e["parent_config"]) for ns, e in events])
    record("states", [(ns, [t["state"] for t in e["tasks"]]) for ns, e in events])
    control = RunControl()

    def drain(state):
        control.request_drain()
        return {"log": ["d"]}

    for name, program in (
        ("drained", StateGraph(State).add_sequence([("d", drive.node(drain)), ("e", lambda s: s)])),
    ):
        program = program.add_edge(START, "d")
        outer = StateGraph(State).add_node("sub", program.compile()).add_edge(START, "sub")
        for number, each in enumerate((program, outer)):
            control = RunControl()
            config = {"configurable": {"thread_id": f"{name} {number}"}}
            modes = ["tasks", "updates", "checkpoints"]
            events = drive.stream(
                each.compile(checkpointer=make_saver()), {"log": []}, config,
                stream_mode=modes, subgraphs=True, control=control,
            )  # fmt: skip
            record(f"{name} {number}", [
                event if isinstance(event, BaseException)
                else (event[:2], event[2].get("name"), event[2].get("next"), event[2].get("error"))
                for event in events
            ])  # fmt: skip
