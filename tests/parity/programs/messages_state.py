"""A conversation as state: written by nodes, edited, removed, resumed, and read back."""

from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, ToolMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.types import Command, interrupt


class State(MessagesState):
    topic: str


def run(make_saver, record, drive):
    def model(state):
        call = {"name": "search", "args": {"q": state["messages"][-1].content}, "id": "c1"}
        return {"messages": [AIMessage("", id="ai", tool_calls=[call])], "topic": "weather"}

    def review(state):
        edited = interrupt("edit")
        last = state["messages"][-1]
        calls = [{**last.tool_calls[0], "args": {"q": edited}}]
        return {"messages": AIMessage("edited", id=last.id, tool_calls=calls)}

    def tool(state):
        call = state["messages"][-1].tool_calls[0]
        return {"messages": [ToolMessage(call["args"]["q"], tool_call_id=call["id"], id="tool")]}

    def forget(state):
        return {"messages": [RemoveMessage(id=m.id) for m in state["messages"][:1]]}

    nodes = [(f.__name__, drive.node(f)) for f in (model, review, tool, forget)]
    builder = StateGraph(State).add_sequence(nodes).add_edge(START, "model")
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    asked = {"messages": [{"role": "user", "content": "sun?", "id": "q"}]}
    record("asked", drive.invoke(graph, asked, cfg))
    record("waiting", drive.state(graph, cfg).values)
    record(
        "resumed",
        drive.stream(graph, Command(resume="rain?"), cfg, stream_mode=["updates", "values"]),
    )
    state = drive.state(graph, cfg)
    record("kept", state.values)
    drive.update(
        graph, cfg, {"messages": [HumanMessage("by hand", id="h"), RemoveMessage(id="ai")]}
    )
    record("updated", drive.state(graph, cfg).values)
    drive.update(graph, cfg, {"messages": [RemoveMessage(id=REMOVE_ALL_MESSAGES)]})
    record("cleared", drive.state(graph, cfg).values)
    refused = {"messages": [RemoveMessage(id="nobody")]}
    record.raises("unknown id", drive.update, graph, cfg, refused)
    record("unchanged", drive.state(graph, cfg).values)
