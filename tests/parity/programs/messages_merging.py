"""The reducer of conversations: appending, replacing, removing, and what it refuses."""

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    HumanMessage,
    RemoveMessage,
    ToolMessage,
)
from langgraph.graph.message import REMOVE_ALL_MESSAGES, add_messages

SAVERS = ("memory",)
H, A = HumanMessage, AIMessage
F = "langchain-openai"


def run(make_saver, record):
    old = [H("a", id="1"), A("b", id="2")]
    gone = RemoveMessage(id=REMOVE_ALL_MESSAGES)
    cases = {
        "append": (old, [A("c", id="3")]),
        "one each": (H("a", id="1"), A("b", id="2")),
        "nothing": ([], []),
        "replace": (old, [H("new", id="1"), H("last", id="9")]),
        "twice in the right": ([], [H("b", id="2"), H("c", id="2")]),
        "twice in the left": ([H("b", id="2"), H("c", id="2")], [H("d", id="2")]),
        "twice in the left, removed": ([H("b", id="2"), H("c", id="2")], [RemoveMessage(id="2")]),
        "remove": (old, RemoveMessage(id="1")),
        "remove twice": (old, [RemoveMessage(id="1"), RemoveMessage(id="1")]),
        "remove and put back": (old, [RemoveMessage(id="1"), A("back", id="1")]),
        "replace and remove": (old, [A("x", id="1"), RemoveMessage(id="1")]),
        "remove what was just added": (old, [A("x", id="7"), RemoveMessage(id="7")]),
        "a removal on the left stays": ([H("b", id="2"), RemoveMessage(id="2")], [H("d", id="3")]),
        "remove all": (old, [H("x", id="3"), gone, H("y", id="4")]),
        "remove all, and what follows is not merged": (
            old,
            [gone, H("x", id="3"), H("y", id="3"), RemoveMessage(id="3")],
        ),
        "remove all twice": (old, [gone, H("x", id="3"), gone, H("y", id="4")]),
        "remove all of nothing": ([], gone),
        "a chunk": ([AIMessageChunk("l", id="1")], AIMessageChunk("r", id="2")),
        "fresh ids": ([H("a")], [A("b"), "c"]),
    }
    for name, (left, right) in cases.items():
        record(name, add_messages(left, right))
    unknown = [H("a", id="1")]
    record.raises("unknown id", add_messages, unknown, RemoveMessage(id="x"))
    record.raises(
        "unknown id after another", add_messages, unknown, [H("b", id="2"), RemoveMessage(id="x")]
    )
    record.raises("only right", add_messages, None, unknown)
    record.raises("only left", add_messages, unknown, None)
    record.raises("an unknown argument", lambda: add_messages([], [], other=1))
    record.raises("an unknown format", add_messages, [], unknown, format="other")
    blocks = [
        A(
            [
                {"type": "text", "text": "t"},
                {"type": "tool_use", "id": "c", "name": "f", "input": {"x": 1}},
            ],
            id="1",
        ),
        H(
            [
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "aa"},
                },
                "s",
            ],
            id="2",
        ),
        ToolMessage("r", tool_call_id="c", id="3"),
    ]
    record("formatted", add_messages([H("old", id="0", name="bob")], blocks, format=F))
    record("formatted later", add_messages(format=F)([], blocks))
    record("not formatted after removing all", add_messages([], [gone, *blocks], format=F))
