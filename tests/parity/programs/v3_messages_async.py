"""Messages in an async v3 run: awaited, or followed piece by piece."""

from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph

SAVERS = ("memory",)
CALL = {"name": "f", "args": {"x": 1}, "id": "c1"}


async def run(make_saver, record):
    async def say(state):
        return {"messages": [AIMessage("hello", id="m", tool_calls=[CALL])]}

    graph = StateGraph(MessagesState).add_node("say", say).add_edge(START, "say").compile()
    reader = await graph.astream_events({"messages": []}, version="v3")
    async for stream in reader.messages:
        record("events", [event async for event in stream])
        record("pieces", [piece async for piece in stream.text])
        record("text", await stream.text)
        record("calls", await stream.tool_calls)
        record("output", [(await stream.output).id, (await stream).content])
        record("where", [stream.namespace, stream.node, stream.message_id, stream.done])
