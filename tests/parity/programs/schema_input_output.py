"""Input schema filters what comes in, output schema what goes out."""

from typing import TypedDict

from langgraph.graph import START, StateGraph


class Input(TypedDict):
    question: str


class Output(TypedDict):
    answer: str


class State(Input, Output):
    scratch: str


def run(make_saver, record, drive):
    seen = []

    def think(state):
        seen.append(sorted(state.items()))
        return {"scratch": "s", "answer": state["question"] + "!"}

    def look(state: Output):
        seen.append(sorted(state.items()))
        return {}

    builder = StateGraph(State, input_schema=Input, output_schema=Output)
    builder.add_node("think", drive.node(think)).add_node("look", drive.node(look))
    builder.add_edge(START, "think").add_edge("think", "look")
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record(
        "result",
        drive.invoke(graph, {"question": "q", "scratch": "dropped", "answer": "dropped"}, cfg),
    )
    record("seen", seen)
    record("state", drive.state(graph, cfg).values)
    record(
        "values",
        drive.stream(
            graph, {"question": "q"}, {"configurable": {"thread_id": "2"}}, stream_mode="values"
        ),
    )
    record(
        "updates",
        drive.stream(
            graph, {"question": "q"}, {"configurable": {"thread_id": "3"}}, stream_mode="updates"
        ),
    )
    record(
        "channels", sorted(name for name in graph.channels if not name.startswith(("branch:", "_")))
    )
