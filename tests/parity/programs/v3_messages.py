"""Messages in a v3 run: as they are among the events, block by block in their own streams."""

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.message import push_message

SAVERS = ("memory",)
COLOURS = ("sync",)
DEVIATIONS = {
    "of a person": "a message that is no model's is told and read as what it is",
}
USAGE = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
CALL = {"name": "f", "args": {"x": 1}, "id": "c1"}
RICH = AIMessage(
    [{"type": "text", "text": "let me"}, {"type": "reasoning", "reasoning": "hm"},
     {"type": "image", "url": "http://x"}, "see"],
    id="rich", tool_calls=[CALL], usage_metadata=USAGE, response_metadata={"finish_reason": "stop"},
)  # fmt: skip


def run(make_saver, record, drive):
    def build(**nodes):
        builder, previous = StateGraph(MessagesState), START
        for name, node in nodes.items():
            builder.add_node(name, node).add_edge(previous, name)
            previous = name
        return builder.compile()

    def say(*messages):
        return lambda state: {"messages": list(messages)}

    def push(state):
        push_message(AIMessage("pushed", id="p"))

    def start(graph):
        return graph.stream_events({"messages": [("user", "q")]}, version="v3")

    def told(stream):
        output = stream.output
        fields = ("content", "id", "response_metadata", "tool_calls", "usage_metadata")
        return {
            "where": [stream.namespace, stream.node, stream.message_id, stream.done],
            "events": list(stream),
            "text": [str(stream.text), list(stream.text), stream.text.get(), stream.text == "?"],
            "reasoning": str(stream.reasoning),
            "calls": stream.tool_calls.get(),
            "output": [type(output).__name__, *(getattr(output, f, None) for f in fields)],
        }

    plain = AIMessage("hello", id="plain")
    graph = build(a=say(plain), b=say(RICH, AIMessage("", id="empty")), c=push)
    events = [e["params"]["data"] for e in start(graph) if e["method"] == "messages"]
    record("events", [(type(m).__name__, m.content, m.id, meta) for m, meta in events])
    record("streams", [told(stream) for stream in start(graph).messages])
    graph = build(a=say(ToolMessage("4", tool_call_id="c1", id="t", name="f"), plain))
    record("results of tools are left out", [s.message_id for s in start(graph).messages])
    graph = build(a=say(HumanMessage("me", id="h")))
    record("of a person", [told(stream) for stream in start(graph).messages])
    graph = build(sub=build(a=say(plain)), again=say(plain))
    record("nested", [
        (e["params"]["namespace"], e["params"]["data"][0].id)
        for e in start(graph) if e["method"] == "messages"
    ])  # fmt: skip
    record("nested: the run's own", [str(s.text) for s in start(graph).messages])
    record(
        "nested: the child's",
        [[told(message) for message in sub.messages] for sub in start(graph).subgraphs],
    )
