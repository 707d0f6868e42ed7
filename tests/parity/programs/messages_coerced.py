"""What stands for a message: strings, pairs, dicts; and what does not."""

import langchain_core.messages  # noqa: F401  (what stands for a message becomes LangChain's)
from langgraph.graph.message import add_messages

SAVERS = ("memory",)
CALL = {"name": "f", "args": {"a": 1}, "id": "c"}
OPENAI = {"type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}, "id": "c"}


def run(make_saver, record):
    given = {
        "string": "a",
        "strings": ["user", "a"],
        "pair": ("user", "a"),
        "pairs": [("human", "a"), ("ai", "b"), ["system", "c"], ("developer", "d")],
        "type instead of role": {"type": "human", "content": "x", "id": "1"},
        "role and type": {"role": "ai", "type": "human", "content": "x", "id": "1"},
        "more fields": {"role": "user", "content": "x", "id": "1", "name": "bob", "more": 4},
        "blocks": {"role": "user", "content": [{"type": "text", "text": "x"}], "id": "1"},
        "no content": {"role": "ai", "content": None, "id": "1"},
        "tool calls": {"role": "ai", "content": "", "id": "1", "tool_calls": [CALL]},
        "tool calls as OpenAI has them": {
            "role": "ai",
            "content": "",
            "id": "1",
            "tool_calls": [OPENAI],
        },
        "tool": {
            "role": "tool",
            "content": "x",
            "id": "1",
            "tool_call_id": "c",
            "name": "n",
            "status": "error",
        },
    }
    for name, value in given.items():
        record(name, add_messages([], value))
    for role in ("human", "user", "ai", "assistant", "system", "developer"):
        record(f"role {role}", add_messages({"role": role, "content": "x", "id": "1"}, []))
    record("removal", add_messages([("user", "x")], []))
    record(
        "removal as a dict",
        add_messages(
            {"role": "user", "content": "x", "id": "1"},
            {"role": "remove", "content": "", "id": "1"},
        ),
    )
    refused = {
        "unknown role": {"role": "bogus", "content": "x"},
        "unknown role in a pair": ("bogus", "x"),
        "without content": {"role": "ai"},
        "without role": {"content": "x"},
        "empty": {},
        "tool without call": {"role": "tool", "content": "x"},
        "number": 3,
        "number in a list": [3],
        "three": ("user", "a", "b"),
        "broken arguments": {
            "role": "ai",
            "content": "",
            "tool_calls": [{**OPENAI, "function": {"name": "f", "arguments": "{"}}],
        },
    }
    for name, value in refused.items():
        record.raises(f"refused: {name}", add_messages, [], value)
