"""LangChain's event stream of a graph: chains that start, stream and end."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Send, interrupt

SAVERS = ("memory",)
KEPT = ("langgraph_step", "langgraph_node", "langgraph_triggers", "langgraph_checkpoint_ns",
        "checkpoint_ns", "thread_id", "mine")  # fmt: skip


class State(TypedDict):
    log: Annotated[list, operator.add]


async def run(make_saver, record):
    def node(name):
        async def body(state):
            if name == "bad":
                raise ValueError("bad")
            return {"log": [interrupt("?") if name == "ask" else name]}

        return body

    def chain(*names, **nodes):
        found = {name: node(name) for name in names} | nodes
        builder = StateGraph(State).add_sequence(list(found.items()))
        return builder.add_edge(START, next(iter(found)))

    saver = await make_saver()

    async def read(graph, thread, *, full=True, **how):
        config = {"configurable": {"thread_id": thread}, "tags": ["t"], "metadata": {"mine": 1}}
        events = []
        try:
            async for event in graph.astream_events({"log": ["in"]}, config, **how):
                shown = [event["event"], event["name"], event["data"]]
                if full:
                    metadata = {k: v for k, v in event["metadata"].items() if k in KEPT}
                    tags = [tag for tag in event["tags"] if not tag.startswith("seq:")]
                    shown += [tags, metadata, len(event["parent_ids"])]
                events.append(shown)
        except (ValueError, NotImplementedError) as error:
            events.append(error)
        return events

    graph = chain("a", "b").compile(checkpointer=saver)
    record("v2", await read(graph, "1", version="v2"))
    record("v1", await read(graph, "2", version="v1"))
    record("default", await read(graph, "3", full=False))
    record("values", await read(graph, "4", full=False, version="v2", stream_mode="values"))
    record("unknown", await read(graph, "5", version="v9"))
    failing = chain("a", "bad").compile(checkpointer=saver)
    record("failing", await read(failing, "6", full=False, version="v2"))
    asking = chain("a", "ask").compile(checkpointer=saver)
    record("asking", await read(asking, "7", full=False, version="v2"))
    nested = chain("a", sub=chain("in").compile(name="kid")).compile(checkpointer=saver)
    events = await read(nested, "8", version="v2")
    record("nested", events)
    record("nested: shape", [(event[0], event[2], *event[3:]) for event in events])
    for how in (
        {"include_names": ["a", "in"]},
        {"exclude_names": ["a"]},
        {"include_types": ["chain"]},
    ):
        events = await read(nested, f"9 {how}", full=False, version="v2", **how)
        record(f"{how}", [event[:1] for event in events])
    sends = StateGraph(State).add_node("a", node("a"))
    sends.add_node("w", lambda arg: {"log": [arg]})
    sends.add_edge(START, "a").add_conditional_edges("a", lambda s: [Send("w", "sent")], ["w"])
    events = await read(sends.compile(), "10", full=False, version="v2")
    record("sent", [event for event in events if event[1] == "w"])
