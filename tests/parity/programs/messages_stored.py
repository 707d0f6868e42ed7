"""Messages of LangChain are stored as what they are and come back so: every kind, pieces too."""

from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.func import entrypoint, task
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

CALL = {"name": "f", "args": {"a": [1, {"b": None}]}, "id": "c", "type": "tool_call"}
EVERY = [
    HumanMessage("h", id="1", name="bob", additional_kwargs={"k": [1]}),
    HumanMessage(
        [{"type": "text", "text": "t"}, {"type": "image_url", "image_url": {"url": "x"}}], id="2"
    ),
    SystemMessage("s", id="3"),
    AIMessage(
        "a",
        id="4",
        tool_calls=[CALL],
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        response_metadata={"model_name": "m"},
    ),
    AIMessage(
        "",
        id="5",
        invalid_tool_calls=[
            {"name": "f", "args": "{", "id": "d", "error": "e", "type": "invalid_tool_call"}
        ],
    ),
    ToolMessage("t", id="6", tool_call_id="c", artifact={"rows": [1, 2]}, status="error"),
    ChatMessage("c", id="7", role="critic"),
    FunctionMessage("f", id="8", name="fn"),
]


class State(MessagesState):
    other: Any


def run(make_saver, record, drive):
    def write(state):
        return {
            "messages": EVERY,
            "other": {"piece": AIMessageChunk("p", id="9"), "deep": [EVERY[3]]},
        }

    def grow(state):
        pieces = [AIMessageChunk("one ", id="10"), AIMessageChunk("two", id="10")]
        return {
            "messages": [pieces[0] + pieces[1], AIMessageChunk("x", id="11")],
            "other": [Document("d", id="d", metadata={"k": 1})],
        }

    def edit(state):
        last = state["messages"][-1]
        last.content = "changed in place"
        return {"messages": [last]}

    nodes = [(f.__name__, drive.node(f)) for f in (write, grow, edit)]
    builder = StateGraph(State).add_sequence(nodes).add_edge(START, "write")
    saver = make_saver()
    cfg = {"configurable": {"thread_id": "1"}}
    drive.invoke(builder.compile(checkpointer=saver), {"messages": "hello"}, cfg)
    again = builder.compile(checkpointer=saver)
    values = drive.state(again, cfg).values
    record("kept", values)
    record("types", [type(m).__name__ for m in values["messages"]])
    record("goes on", drive.invoke(again, {"messages": ("user", "more")}, cfg)["messages"][-3:])

    @task
    def say(text):
        return AIMessage(text, id="said")

    def functional(text):
        said = say(text).result()
        return [said, interrupt({"approve": said}), HumanMessage("h", id="h")]

    async def afunctional(text):
        said = await say(text)
        return [said, interrupt({"approve": said}), HumanMessage("h", id="h")]

    chosen = functional if drive.colour == "sync" else afunctional
    chosen.__name__ = "functional"
    program = entrypoint(checkpointer=saver)(chosen)
    cfg = {"configurable": {"thread_id": "2"}}
    record("asked", drive.invoke(program, "x", cfg))
    record("waiting", [i.value for i in drive.state(program, cfg).interrupts])
