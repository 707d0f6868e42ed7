"""A node's own input schema makes private keys: in the state, not in the result."""

from typing import TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict, total=False):
    shown: str


class Private(TypedDict, total=False):
    hidden: str


class Both(TypedDict, total=False):
    shown: str
    hidden: str
    third: str


def run(make_saver, record, drive):
    seen = []

    def write(state: State):
        return {"hidden": "h", "shown": "s"}

    def read(state: Private):
        seen.append(dict(state))
        return {"shown": "read " + state["hidden"], "third": "t"}

    def explicit(state):
        seen.append(dict(state))

    builder = StateGraph(State)
    builder.add_node("write", drive.node(write)).add_node("read", drive.node(read))
    builder.add_node("explicit", drive.node(explicit), input_schema=Both)
    builder.add_edge(START, "write").add_edge("write", "read").add_edge("read", "explicit")
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("result", drive.invoke(graph, {"hidden": "from outside"}, cfg))
    record("seen", seen)
    record("state", drive.state(graph, cfg).values)
    record(
        "values",
        drive.stream(graph, {}, {"configurable": {"thread_id": "2"}}, stream_mode="values"),
    )
    record(
        "updates",
        drive.stream(graph, {}, {"configurable": {"thread_id": "3"}}, stream_mode="updates"),
    )
