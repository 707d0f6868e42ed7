"""Two writes to a plain key in one step are refused."""

from typing import TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    key: str


DEVIATIONS = {
    "state afterwards": "writes that cannot be applied are not kept: reading the state never raises for them",
}


def run(make_saver, record, drive):
    builder = StateGraph(State)
    builder.add_node("a", drive.node(lambda s: {"key": "a"})).add_node(
        "b", drive.node(lambda s: {"key": "b"})
    )
    builder.add_edge(START, "a").add_edge(START, "b")
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record.raises("conflict", drive.invoke, graph, {"key": "in"}, cfg)
    record.raises("state afterwards", lambda: drive.state(graph, cfg).values)
    record("history", [[s.next, s.values, s.metadata["step"]] for s in drive.history(graph, cfg)])
