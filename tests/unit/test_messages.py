"""Conversations without LangChain: our own messages, their merging, storing and telling."""

from __future__ import annotations

import asyncio
import dataclasses
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.serde.jsonplus import JsonPlusSerializer
from caesura.constants import RETURN
from caesura.core.patch import diff, shadow
from caesura.func import task
from caesura.graph import START, MessagesState, StateGraph, add_messages
from caesura.graph.message import REMOVE_ALL_MESSAGES, push_message
from caesura.messages import (
    AIMessage,
    HumanMessage,
    Message,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    message_ids,
    new_messages,
    reading,
)
from caesura.types import RetryPolicy

CALL = {"name": "f", "args": {"a": 1}, "id": "c", "type": "tool_call"}


@pytest.fixture(autouse=True)
def _without_langchain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever other tests imported, in these LangChain is not there."""
    monkeypatch.delitem(sys.modules, "langchain_core", raising=False)
    assert reading.langchain() is None


# --- merging ---------------------------------------------------------------------------------


def test_new_messages_are_appended_in_order() -> None:
    old, new = HumanMessage("a", id="1"), [AIMessage("b", id="2"), AIMessage("c", id="3")]
    assert add_messages([old], new) == [old, *new]


def test_a_known_id_is_replaced_where_it_stands() -> None:
    merged = add_messages([("user", "a"), AIMessage("b", id="2")], [])
    again = add_messages(merged, HumanMessage("new", id=merged[0].id))
    assert [m.content for m in again] == ["new", "b"]


def test_messages_without_an_id_get_one_in_place_on_both_sides() -> None:
    left, right = HumanMessage("a"), AIMessage("b")
    assert add_messages(left, right) == [left, right]
    assert left.id
    assert right.id
    assert left.id != right.id


def test_a_removal_takes_its_message_out() -> None:
    old = [HumanMessage("a", id="1"), AIMessage("b", id="2")]
    assert add_messages(old, RemoveMessage(id="1")) == [old[1]]


def test_a_removal_of_an_unknown_id_is_refused() -> None:
    with pytest.raises(ValueError, match=r"doesn't exist \('x'\)"):
        add_messages([HumanMessage("a", id="1")], RemoveMessage(id="x"))


def test_a_removal_of_all_keeps_only_what_follows() -> None:
    gone = RemoveMessage(id=REMOVE_ALL_MESSAGES)
    last = HumanMessage("c", id="3")
    assert add_messages([HumanMessage("a", id="1")], [HumanMessage("b"), gone, last]) == [last]


def test_the_lists_that_are_merged_do_not_change() -> None:
    left, right = [HumanMessage("a", id="1")], [AIMessage("b", id="1")]
    add_messages(left, right)
    assert (left[0].content, right[0].content) == ("a", "b")
    assert (len(left), len(right)) == (1, 1)


@pytest.mark.parametrize(("left", "right", "named"), [([], None, "left"), (None, [], "right")])
def test_one_side_alone_is_refused(left: Any, right: Any, named: str) -> None:
    with pytest.raises(ValueError, match=f"Only received: '{named}'"):
        add_messages(left, right)


def test_without_messages_it_is_a_reducer() -> None:
    assert add_messages()([], "hi")[0].content == "hi"


# --- how little is stored --------------------------------------------------------------------


def test_messages_that_are_not_written_stay_the_same_objects() -> None:
    old = add_messages([], [("user", str(n)) for n in range(10)])
    replaced = AIMessage("new", id=old[4].id)
    merged = add_messages(old, [replaced, "last"])
    assert [m for m in merged if any(m is o for o in old)] == old[:4] + old[5:]
    assert add_messages(old, "last")[:10] == old
    assert diff(shadow(old), add_messages(old, [])) is None


def test_an_appended_message_is_all_that_a_patch_holds() -> None:
    old = add_messages([], [("user", "a"), ("ai", "b")])
    last = HumanMessage("c")
    assert diff(shadow(old), add_messages(old, last)) == ("l", 2, 0, [last])
    assert diff(shadow(old), add_messages(old, [*old, last])) == ("l", 2, 0, [last])


@pytest.mark.parametrize("others", [0, 1])
def test_a_message_changed_in_place_and_written_again_is_in_the_patch(others: int) -> None:
    old = add_messages([], [("user", "a"), ("ai", "b")][: 1 + others])
    before = shadow(old)
    old[0].content = "changed"
    patch = diff(before, add_messages(old, [old[0]]))
    assert patch is not None
    assert [m.content for m in patch[-1]] == ["changed"]


# --- what stands for a message ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a", HumanMessage("a", id="1")),
        (("user", "a"), HumanMessage("a", id="1")),
        (("human", "a"), HumanMessage("a", id="1")),
        (("ai", "a"), AIMessage("a", id="1")),
        (("assistant", "a"), AIMessage("a", id="1")),
        (("system", "a"), SystemMessage("a", id="1")),
        ({"role": "user", "content": [{"type": "text"}]}, HumanMessage([{"type": "text"}], id="1")),
        ({"type": "human", "content": "a"}, HumanMessage("a", id="1")),
        ({"role": "ai", "content": None}, AIMessage("", id="1")),
        ({"role": "ai", "content": "", "tool_calls": None}, AIMessage("", id="1")),
        (
            {"role": "user", "content": "a", "name": "bob", "more": 4},
            HumanMessage("a", id="1", name="bob", additional_kwargs={"more": 4}),
        ),
        (
            {"role": "developer", "content": "a"},
            SystemMessage("a", id="1", additional_kwargs={"__openai_role__": "developer"}),
        ),
        (
            {
                "role": "ai",
                "content": "",
                "tool_calls": [{"name": "f", "args": {"a": 1}, "id": "c"}],
            },
            AIMessage("", id="1", tool_calls=[CALL]),
        ),
        (
            {
                "role": "ai",
                "content": "",
                "tool_calls": [
                    {
                        "type": "function",
                        "id": "c",
                        "function": {"name": "f", "arguments": '{"a":1}'},
                    }
                ],
            },
            AIMessage("", id="1", tool_calls=[CALL]),
        ),
        (
            {"role": "tool", "content": {"n": 1}, "tool_call_id": "c", "status": "error"},
            ToolMessage("{'n': 1}", id="1", tool_call_id="c", status="error"),
        ),
    ],
)
def test_what_stands_for_a_message_becomes_one(given: Any, expected: Message) -> None:
    (found,) = add_messages([], [given])
    found.id = "1"
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (("bogus", "a"), ValueError, "Unexpected message type: 'bogus'"),
        ({"role": ["user"], "content": "a"}, ValueError, "Unexpected message type"),
        ({"role": "ai"}, ValueError, "must contain 'role' and 'content'"),
        ({"content": "a"}, ValueError, "must contain 'role' and 'content'"),
        ({"role": "tool", "content": "a"}, ValueError, "tool_call_id"),
        (3, TypeError, "Unsupported message type"),
        ([3], TypeError, "Unsupported message type"),
        (("user", "a", "b"), TypeError, "role, content"),
    ],
)
def test_what_stands_for_no_message_is_refused(given: Any, error: type, text: str) -> None:
    with pytest.raises(error, match=text):
        add_messages([], given)


@pytest.mark.parametrize(
    "message",
    [
        HumanMessage("a", id="1", name="bob", additional_kwargs={"k": [1]}),
        SystemMessage([{"type": "text", "text": "a"}], id="1"),
        AIMessage("a", id="1", tool_calls=[CALL], usage_metadata={"total_tokens": 3}),
        ToolMessage("a", id="1", tool_call_id="c", artifact={"x": 1}, status="error"),
        RemoveMessage(id="1"),
    ],
)
def test_a_message_comes_back_from_its_dict_and_from_storage(message: Message) -> None:
    (read,) = reading.read_messages([message.to_dict()])
    stored = JsonPlusSerializer().loads_typed(JsonPlusSerializer().dumps_typed(message))
    assert read == message == stored
    assert type(read) is type(message) is type(stored)


def test_the_text_of_blocks_is_their_texts() -> None:
    blocks = ["a", {"type": "text", "text": "b"}, {"type": "image", "url": "x"}]
    assert AIMessage(blocks).text == "ab"
    assert AIMessage("plain").text == "plain"


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,YWE="}}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("s", "s"),
        (
            ["a", {"type": "text", "text": "b"}, {"type": "json", "json": {"n": 1}}],
            'a\nb\n{"n": 1}',
        ),
        ([{"type": "image", "base64": "YWE=", "mime_type": "image/png"}], [IMAGE]),
        ([{"type": "media", "data": b"aa", "mime_type": "image/png"}], [IMAGE]),
        (
            ["t", {"type": "image", "source": {"media_type": "image/png", "data": "YWE="}}],
            [{"type": "text", "text": "t"}, IMAGE],
        ),
        (
            [{"type": "image", "url": "http://x"}, {"type": "odd", "x": 1}],
            [{"type": "image_url", "image_url": {"url": "http://x"}}, {"type": "odd", "x": 1}],
        ),
    ],
)
def test_contents_are_put_into_blocks_of_openai(content: Any, expected: Any) -> None:
    message = HumanMessage(content, id="1", name="bob")
    (found,) = add_messages([], [message], format="langchain-openai")
    assert found == HumanMessage(expected, id="1", name="bob")
    assert add_messages([found], [message], format="langchain-openai") == [found]


def test_tools_in_contents_become_calls_and_messages() -> None:
    use = {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}
    said = AIMessage(["t", use], id="1")
    result = {"type": "tool_result", "tool_use_id": "c", "content": ["r"], "is_error": True}
    answered = HumanMessage([result], id="2")
    mixed = HumanMessage(["also", result], id="3")
    found = add_messages([], [said, answered, mixed], format="langchain-openai")
    assert found == [
        AIMessage("t", id="1", tool_calls=[CALL]),
        ToolMessage("r", id="2", tool_call_id="c", status="error"),
        HumanMessage("also", id="3"),
        ToolMessage("r", id="3-c", tool_call_id="c", status="error"),
    ]


def test_an_image_without_data_is_refused() -> None:
    with pytest.raises(ValueError, match="An image needs"):
        add_messages([], [HumanMessage([{"type": "image"}])], format="langchain-openai")


# --- with and without LangChain --------------------------------------------------------------


def _elsewhere(code: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_importing_and_using_conversations_imports_no_langchain() -> None:
    code = (
        "import sys, caesura, caesura.graph.message, caesura.messages;"
        "caesura.graph.add_messages([], 'hi');"
        "print([m for m in sys.modules if m.split('.')[0] in ('langchain_core', 'pydantic')])"
    )
    assert _elsewhere(code) == "[]"


def test_the_kind_of_messages_is_that_of_the_conversation_then_langchains() -> None:
    pytest.importorskip("langchain_core")
    code = (
        "import langchain_core.messages as lc\n"
        "from caesura.graph import add_messages\n"
        "from caesura.messages import HumanMessage\n"
        "for left in ([], [lc.HumanMessage('a')], [HumanMessage('a')],"
        " [HumanMessage('a'), lc.HumanMessage('b')]):\n"
        "    print(type(add_messages(left, 'new')[-1]).__module__.split('.')[0], end=' ')\n"
    )
    assert _elsewhere(code) == "langchain_core langchain_core caesura langchain_core"


# --- telling ---------------------------------------------------------------------------------


def test_each_id_is_told_once() -> None:
    seen = {"old"}
    one, two = AIMessage("a", id="1"), AIMessage("b", id="2")
    writes = [("messages", [AIMessage("x", id="old"), one]), ("messages", two), ("other", (one,))]
    assert new_messages(writes, seen) == [one, two]
    assert seen == {"old", "1", "2"}
    assert new_messages(writes, seen) == []


def test_a_message_that_is_told_has_an_id_from_then_on() -> None:
    message, seen = AIMessage("a"), set[str]()
    assert new_messages([("messages", message)], seen, mint=lambda: "fresh")[0] is message
    assert message.id == "fresh"
    assert seen == {"fresh"}


def test_only_a_functions_result_is_looked_into_as_a_dict() -> None:
    deep = {"a": [AIMessage("a", id="1")]}
    assert new_messages([("channel", deep)], set()) == []
    assert new_messages([(RETURN, deep)], set()) == deep["a"]


def test_what_only_stands_for_a_message_is_not_told() -> None:
    writes = [("messages", ["a", ("ai", "b"), {"role": "ai", "content": "c"}]), ("n", 3)]
    assert new_messages(writes, set()) == []


@dataclasses.dataclass
class Held:
    messages: list[Any]


@pytest.mark.parametrize("state", [lambda m: {"messages": m, "n": 1}, Held])
def test_the_ids_of_a_state_are_found(state: Callable[[list[Any]], Any]) -> None:
    assert message_ids(state([AIMessage("a", id="1"), AIMessage("b"), "c"])) == {"1"}
    assert message_ids(None) == set()


# --- in a graph ------------------------------------------------------------------------------


class Topic(MessagesState):
    topic: str


def test_a_conversation_is_kept_across_runs_and_stays_ours() -> None:
    def answer(state: Topic) -> dict[str, Any]:
        return {"messages": ("ai", f"re: {state['messages'][-1].content}"), "topic": "t"}

    builder = StateGraph(Topic).add_node("answer", answer).add_edge(START, "answer")
    graph = builder.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    graph.invoke({"messages": "one"}, config)
    graph.invoke({"messages": [{"role": "user", "content": "two"}]}, config)
    messages = graph.get_state(config).values["messages"]
    assert [m.content for m in messages] == ["one", "re: one", "two", "re: two"]
    assert [type(m) for m in messages] == [HumanMessage, AIMessage] * 2
    assert len({m.id for m in messages}) == 4


def _pushing(*pushed: Message, attempts: list[int] | None = None) -> Any:
    def node(state: Any) -> dict[str, Any]:
        for message in pushed:
            push_message(message)
        if attempts is not None:
            attempts.append(1)
            if len(attempts) == 1:
                raise OSError("once")
        return {"messages": [AIMessage("returned", id="r")]}

    policy = RetryPolicy(initial_interval=0, jitter=False, retry_on=OSError)
    builder = StateGraph(MessagesState).add_node("node", node, retry_policy=policy)
    return builder.add_edge(START, "node").compile()


def test_a_pushed_message_is_streamed_and_written_before_the_result() -> None:
    one = AIMessage("one", id="1")
    graph = _pushing(one)
    told = list(graph.stream({"messages": []}, stream_mode="messages"))
    assert told[0][0] is one
    assert told[0][1]["langgraph_node"] == "node"
    assert [m.id for m in graph.invoke({"messages": []})["messages"]] == ["1", "r"]


def test_what_a_failed_attempt_pushed_is_not_written() -> None:
    attempts: list[int] = []
    graph = _pushing(AIMessage("one", id="1"), attempts=attempts)
    (update,) = graph.stream({"messages": []}, stream_mode="updates")
    assert [next(iter(w.values())) for w in update["node"]] == [
        AIMessage("one", id="1"),
        [AIMessage("returned", id="r")],
    ]
    assert len(attempts) == 2


def test_a_pushed_message_must_have_an_id() -> None:
    with pytest.raises(ValueError, match="Message ID is required"):
        _pushing(AIMessage("one")).invoke({"messages": []})


def test_outside_a_run_nothing_can_be_pushed() -> None:
    with pytest.raises(RuntimeError, match="outside of a runnable context"):
        push_message(AIMessage("one", id="1"))


# --- pushed by tasks -------------------------------------------------------------------------


@pytest.mark.parametrize("durability", ["sync", "exit"])
async def test_what_tasks_push_is_written_after_the_nodes_in_the_order_of_the_calls(
    durability: Any,
) -> None:
    attempts: list[str] = []
    second_is_over = asyncio.Event()

    @task(retry_policy=RetryPolicy(initial_interval=0, jitter=False, retry_on=OSError))
    async def says(text: str) -> None:
        attempts.append(text)
        push_message(AIMessage(text, id=f"{text}{attempts.count(text)}"))
        if text == "first":
            await second_is_over.wait()
        elif attempts.count(text) == 1:
            raise OSError("once")
        second_is_over.set()

    async def node(state: Any) -> dict[str, Any]:
        await asyncio.gather(says("first"), says("second"))
        return {"messages": [AIMessage("returned", id="r")]}

    builder = StateGraph(MessagesState).add_node("node", node).add_edge(START, "node")
    graph = builder.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    result = await graph.ainvoke({"messages": []}, config, durability=durability)
    assert [message.id for message in result["messages"]] == ["r", "first1", "second2"]
    assert (await graph.aget_state(config)).values == result


@pytest.mark.parametrize("tries", [1, 2])
def test_what_a_finished_task_pushed_is_kept_when_its_caller_fails(tries: int) -> None:
    runs: list[str] = []

    @task
    def says(text: str) -> None:
        runs.append(text)
        push_message(AIMessage(text, id=text))

    def node(state: Any) -> None:
        says("a").result()
        runs.append("node")
        if runs.count("node") <= tries:
            raise OSError("not yet")

    builder = StateGraph(MessagesState).add_node("node", node).add_edge(START, "node")
    graph = builder.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    start: Any = {"messages": []}
    for _ in range(tries):
        with pytest.raises(OSError, match="not yet"):
            graph.invoke(start, config)
        start = None
    assert [m.id for m in graph.invoke(None, config)["messages"]] == ["a"]
    assert runs.count("a") == 1
