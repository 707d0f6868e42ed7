"""Checkpoints in the shapes of older versions are read, and runs go on from them."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Send

# LangGraph keeps what is older in Postgres as JSON, which has no Send.
SAVERS = ("memory", "sqlite")

COLOURS = ("sync",)
ID = "1ef4f797-8335-6428-8001-8a1503f9b875"


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    def compiled(saver):
        builder = StateGraph(State)
        for name in "abcd":
            builder.add_node(name, lambda s, name=name: {"log": [name]})
        builder.add_edge(START, "a").add_edge("a", "b").add_edge(["c", "b"], "d")
        builder.add_conditional_edges("b", lambda s: "c", ["c", "d"])
        return builder.compile(checkpointer=saver)

    sends = [Send("d", {"log": ["s"]}), Send("nowhere", {})]
    done = {"__input__": {}, "__start__": {"__start__": 1}}
    ran_a = {**done, "a": {"start:a": 3}}
    ran_b = {**ran_a, "b": {"a": 4}}
    common = {"__start__": 2, "log": 3}
    cases = {
        "sends": ({}, common, done, sends),
        "from the start": ({"start:a": "__start__"}, {**common, "start:a": 3}, done, []),
        "along an edge": ({"a": "a"}, {**common, "start:a": 4, "a": 4}, ran_a, []),
        "an edge taken": ({"b": "b"}, {**common, "start:a": 4, "a": 5, "b": 5}, ran_b, []),
        "chosen": (
            {"branch:b:condition:c": "b"},
            {**common, "start:a": 4, "a": 5, "branch:b:condition:c": 5},
            ran_b,
            [],
        ),
        "told": (
            {"branch:b:__self__:c": "b"},
            {**common, "a": 5, "branch:b:__self__:c": 5},
            ran_b,
            [],
        ),
        "as today": ({"branch:to:c": "b"}, {**common, "branch:to:c": 5}, ran_b, []),
        "edge and send": ({"a": "a"}, {**common, "a": 4}, ran_a, sends[:1]),
    }
    for shape in (1, 2, 3, 4):
        for name, (values, versions, seen, pending) in cases.items():
            saver = make_saver()
            numbers = [saver.get_next_version(None, None)]
            while len(numbers) < 6:
                numbers.append(saver.get_next_version(numbers[-1], None))
            version = {channel: numbers[n - 1] for channel, n in versions.items()}
            checkpoint = {
                "v": shape,
                "ts": "2024-07-31T20:14:19.804150+00:00",
                "id": ID,
                "channel_values": {"log": ["x"], **values},
                "channel_versions": version,
                "versions_seen": {
                    node: {channel: numbers[n - 1] for channel, n in known.items()}
                    for node, known in seen.items()
                },
                "pending_sends": pending,
            }
            cfg = {"configurable": {"thread_id": "1", "checkpoint_ns": ""}}
            metadata = {"source": "loop", "step": 1, "parents": {}}
            saver.put(cfg, checkpoint, metadata, version)
            graph = compiled(saver)
            state = graph.get_state(cfg)
            tasks = [(task.name, task.path) for task in state.tasks]
            went = graph.invoke(None, cfg)
            record(
                f"v{shape}: {name}",
                [state.values, state.next, state.metadata, tasks, went, graph.get_state(cfg).next],
            )
            again = graph.invoke({"log": ["more"]}, cfg)
            record(f"v{shape}: {name}, later", [again, len(list(graph.get_state_history(cfg)))])
