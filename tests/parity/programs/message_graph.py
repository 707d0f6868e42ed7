"""A graph whose whole state is a conversation: the deprecated `MessageGraph`."""

import warnings

from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langgraph.graph import END, START
from langgraph.graph.message import MessageGraph


def run(make_saver, record, drive):
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        builder = MessageGraph()
    record("warned", [(type(w.message).__name__, str(w.message).split(".")[0]) for w in noted])

    def answer(messages):
        return AIMessage(f"re: {messages[-1].content}", id=f"a{len(messages)}")

    def several(messages):
        return [HumanMessage("more", id="m"), RemoveMessage(id=messages[0].id)]

    builder.add_node("answer", drive.node(answer))
    builder.add_node("several", drive.node(several))
    builder.add_edge(START, "answer")
    builder.add_conditional_edges(
        "answer", lambda messages: "several" if len(messages) < 3 else END
    )
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("invoked", drive.invoke(graph, HumanMessage("q", id="q"), cfg))
    record("again", drive.invoke(graph, [("user", "r")], cfg)[:-2])
    record("state", len(drive.state(graph, cfg).values))
    modes = ["values", "updates", "messages"]
    record(
        "streamed", drive.stream(builder.compile(), HumanMessage("q", id="q"), stream_mode=modes)
    )
