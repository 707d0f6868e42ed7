"""What a task sends while it runs is written to the state of the graph whose node called it."""

from langchain_core.messages import AIMessage
from langgraph.func import entrypoint, task
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.message import push_message
from langgraph.types import Command, Send, interrupt

DEVIATIONS = {"paused": "writes of a task that waits are not shown as if it had finished"}
MODES = ["updates", "values", "messages", "tasks"]


@task
def says(text):
    push_message(AIMessage(text, id=text))
    return text


@task
def says_twice(text):
    says(text + "1").result()
    push_message(AIMessage(text + "2", id=text + "2"))
    return text


def run(make_saver, record):
    seen, runs = [], []

    def calls(state):
        push_message(AIMessage("own", id="own"))
        says("b").result()
        says("a").result()
        return {"messages": [AIMessage("returned", id="returned")]}

    def path(state):
        seen.append([m.id for m in state["messages"]])
        return "last"

    def last(state):
        seen.append([m.id for m in state["messages"]])

    def first(state):
        return {"messages": [AIMessage("first", id="first")]}

    def sent(text):
        says_twice(text).result()
        return {"messages": [AIMessage(text, id=text)]}

    builder = StateGraph(MessagesState)
    for node in (calls, last, first, sent):
        builder.add_node(node)
    builder.add_edge(START, "calls").add_edge(START, "first").add_conditional_edges("calls", path)
    builder.add_conditional_edges("first", lambda state: [Send("sent", "s2"), Send("sent", "s1")])
    graph = builder.compile(checkpointer=make_saver())
    cfg = {"configurable": {"thread_id": "1"}}
    record("result", graph.invoke({"messages": []}, cfg))
    record("seen", seen)
    record("history", [[m.id for m in s.values["messages"]] for s in graph.get_state_history(cfg)])

    one = StateGraph(MessagesState).add_node("calls", calls).add_edge(START, "calls")
    record("stream", list(one.compile().stream({"messages": []}, stream_mode=MODES)))

    def asks(state):
        runs.append(1)
        says("z").result()
        answer = interrupt("go on?")
        says(answer).result()

    builder = StateGraph(MessagesState).add_node("asks", asks).add_node("first", first)
    builder.add_edge(START, "asks").add_edge(START, "first")
    graph = builder.compile(checkpointer=make_saver())
    record("paused", graph.invoke({"messages": []}, cfg)["messages"])
    record("waiting", graph.get_state(cfg).values)
    record("resumed", list(graph.stream(Command(resume="yes"), cfg, stream_mode=MODES)))
    record("afterwards", graph.get_state(cfg).values)
    record("runs", len(runs))

    @entrypoint(checkpointer=make_saver())
    def entry(x):
        push_message(AIMessage("entry", id="entry"))
        return says(x).result()

    record("functional", list(entry.stream("f", cfg, stream_mode=MODES)))
