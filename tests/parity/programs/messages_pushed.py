"""Messages that a node sends while it runs: the stream, the write, and what is refused."""

from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import push_message

A = AIMessage
ASKED = {"messages": [HumanMessage("q", id="q")]}


def run(make_saver, record, drive):
    seen = []

    def graph_of(node, path=None):
        builder = StateGraph(MessagesState).add_node("n", drive.node(node)).add_edge(START, "n")
        if path is not None:
            builder.add_conditional_edges("n", path)
        return builder.compile()

    def look(state):
        seen.append([m.content for m in state["messages"]])
        return END

    def pushes(state):
        returned = push_message(A("one", id="1"))
        push_message(A("two", id="2"))
        push_message({"role": "ai", "content": "three", "id": "3"})
        return {"messages": [returned]}

    def only_streams(state):
        push_message(A("one", id="1"), state_key=None)

    def writes_twice(state):
        push_message(A("one", id="1"))
        push_message(A("one again", id="1"))

    def removes(state):
        push_message(RemoveMessage(id="q"))

    def without_id(state):
        push_message(A("one"))

    modes = ["updates", "values", "messages"]
    graph = graph_of(pushes, look)
    record("pushed", drive.stream(graph, ASKED, stream_mode=modes))
    record("its path saw", seen)
    record("messages alone", drive.stream(graph, ASKED, stream_mode="messages"))
    record("nobody listens", drive.invoke(graph, ASKED))
    record("not written", drive.stream(graph_of(only_streams), ASKED, stream_mode=modes))
    record("twice", drive.stream(graph_of(writes_twice), ASKED, stream_mode=modes))
    record("removed", drive.stream(graph_of(removes), ASKED, stream_mode=modes))
    record("without an id", drive.stream(graph_of(without_id), ASKED, stream_mode=modes))
    record.raises("outside", push_message, A("one", id="1"))

    child = graph_of(writes_twice)
    parent = StateGraph(MessagesState).add_node("sub", child).add_edge(START, "sub").compile()
    record("in a child", drive.stream(parent, ASKED, stream_mode="messages", subgraphs=True))
    cfg = {"metadata": {"mine": 1}, "tags": ["t"], "configurable": {"thread_id": "7", "other": 2}}
    record("metadata", drive.stream(graph_of(writes_twice), ASKED, cfg, stream_mode="messages"))
