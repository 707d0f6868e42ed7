"""Streams of numbered events: what parity cannot show, and the rules shared with the server."""

from __future__ import annotations

import asyncio
import operator
import subprocess
import sys
from collections.abc import Iterator
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessageChunk

from caesura import messages
from caesura.graph import START, MessagesState, StateGraph
from caesura.graph.message import push_message
from caesura.stream import StreamChannel
from caesura.stream._messages import whole_message
from caesura.streaming.blocks import Blocks, parts_of, whole
from caesura.streaming.lives import Lives, part_of, status_of

CALL = {"name": "f", "id": "c", "index": 0}


def saying(*chunks: Any, fails: bool = False) -> Any:
    """A graph whose node says a message piece by piece, as a model does."""

    def say(state: Any) -> None:
        for chunk in chunks:
            push_message(chunk, state_key=None)
        if fails:
            raise ValueError("the model broke")

    return StateGraph(MessagesState).add_node("say", say).add_edge(START, "say").compile()


def piece(text: str, **more: Any) -> Any:
    return AIMessageChunk(content=text, id="m", **more)


def told(graph: Any) -> Iterator[Any]:
    for event in graph.stream_events({"messages": []}, version="v3"):
        if event["method"] == "messages":
            yield event["params"]["data"][0]


PIECES = [
    piece("hel"),
    piece("lo"),
    piece("", tool_call_chunks=[{**CALL, "args": '{"a"'}]),
    piece("", tool_call_chunks=[{"name": None, "id": None, "index": 0, "args": ": 1}"}]),
    piece("", usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}),
]
CALL_BEGUN = {"type": "tool_call_chunk", "id": "c", "name": "f", "args": "", "index": 0}
CALL_MADE = {"type": "tool_call", "id": "c", "name": "f", "args": {"a": 1}}
TEXT = {"type": "text", "text": ""}


def test_the_pieces_of_a_models_answer_are_told_block_by_block() -> None:
    assert list(told(saying(*PIECES))) == [
        {"event": "message-start", "role": "ai", "id": "m"},
        {"event": "content-block-start", "index": 0, "content": TEXT},
        {
            "event": "content-block-delta",
            "index": 0,
            "delta": {"type": "text-delta", "text": "hel"},
        },
        {"event": "content-block-delta", "index": 0, "delta": {"type": "text-delta", "text": "lo"}},
        {"event": "content-block-start", "index": 1, "content": CALL_BEGUN},
        {
            "event": "content-block-delta",
            "index": 1,
            "delta": {"type": "tool-call-delta", "args": '{"a"'},
        },
        {
            "event": "content-block-delta",
            "index": 1,
            "delta": {"type": "tool-call-delta", "args": ": 1}"},
        },
        {"event": "content-block-finish", "index": 0, "content": {**TEXT, "text": "hello"}},
        {"event": "content-block-finish", "index": 1, "content": CALL_MADE},
        {
            "event": "message-finish",
            "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        },
    ]


def test_a_message_is_read_while_it_comes_and_as_a_whole_afterwards() -> None:
    run = saying(*PIECES).stream_events({"messages": []}, version="v3")
    (message,) = [
        (list(stream.text), stream.tool_calls.get(), stream.output) for stream in run.messages
    ]
    pieces, calls, output = message
    assert pieces == ["hel", "lo"]
    assert calls == [CALL_MADE]
    assert (output.id, output.text, output.tool_calls) == ("m", "hello", [{**CALL_MADE}])


def test_a_message_that_says_it_is_complete_ends_before_its_task() -> None:
    graph = saying(piece("a", chunk_position="last"), AIMessageChunk(content="b", id="n"))
    events = [(event["event"], event.get("id")) for event in told(graph)]
    assert events.index(("message-finish", None)) < events.index(("message-start", "n"))


def test_a_reader_of_a_message_gets_the_error_of_the_model() -> None:
    run = saying(piece("hel"), fails=True).stream_events({"messages": []}, version="v3")
    stream = next(iter(run.messages))
    with pytest.raises(ValueError, match="the model broke"):
        str(stream.text)
    with pytest.raises(ValueError, match="the model broke"):
        _ = stream.output


def test_messages_of_our_own_are_told_too() -> None:
    message = messages.AIMessage("hi", id="1", tool_calls=[CALL_MADE])
    events = list(whole_message(message))
    assert [event["event"].removeprefix("content-block-") for event in events] == [
        "message-start", "start", "delta", "finish", "start", "finish", "message-finish",
    ]  # fmt: skip
    assert events[5]["content"] == CALL_MADE


def test_what_is_not_valid_json_makes_no_call() -> None:
    block = {"type": "tool_call_chunk", "id": "c", "name": "f", "args": '{"a": NaN}'}
    assert whole(block)["type"] == "invalid_tool_call"


def test_blocks_of_one_kind_are_told_apart_by_their_index() -> None:
    class Plain:
        def opening(self, block: Any) -> Any:
            return {**block, "text": ""}

        def delta(self, held: Any, piece: Any) -> Any:
            return piece["text"]

        def closing(self, block: Any, index: int) -> Any:
            return block["text"]

    blocks = Blocks(Plain())
    parts = [
        {"type": "text", "text": text, "index": n} for text, n in (("a", 0), ("b", 1), ("c", 0))
    ]
    list(blocks.take(parts, going_on=True))
    assert [event["content"] for event in blocks.finish()] == ["ac", "b"]
    assert list(blocks.finish()) == []


def test_texts_and_blocks_are_parts_of_a_message_and_calls_come_last() -> None:
    kinds = [part["type"] for part in parts_of(["a", {"type": "image"}], calls=[CALL_MADE])]
    assert kinds == ["text", "image", "tool_call"]


def test_a_nested_graph_begins_once_and_ends_once() -> None:
    lives = Lives()
    assert lives.begin_all(("a:1", "b:2")) == [("a:1",), ("a:1", "b:2")]
    assert lives.begin_all(("a:1", "b:2")) == []
    result = {"name": "b", "id": "2"}
    assert lives.end_of(("a:1",), result) == ("a:1", "b:2")
    assert lives.end_of(("a:1",), result) is None
    assert lives.end_all() == [("a:1",)]


@pytest.mark.parametrize(
    ("task", "status"),
    [
        ({"error": None, "interrupts": ()}, ("completed", None)),
        ({"error": ValueError("bad"), "interrupts": ()}, ("failed", "bad")),
        ({"error": KeyError(), "interrupts": ()}, ("failed", "")),
        ({"error": None, "interrupts": ({"id": "i"},)}, ("interrupted", None)),
    ],
    ids=["done", "failed", "failed-silently", "asks"],
)
def test_the_result_of_a_task_says_how_the_graph_in_it_ended(task: Any, status: Any) -> None:
    assert status_of(task) == status


def test_parts_of_a_namespace_that_count_calls_have_no_task() -> None:
    assert [part_of("node:task"), part_of("1")] == [("node", "task"), ("1", None)]


def test_two_readers_of_an_async_channel_get_the_same_items() -> None:
    async def read() -> list[list[int]]:
        channel: StreamChannel[int] = StreamChannel()
        channel._bind(is_async=True)
        left, right = channel.atee()
        for number in range(3):
            channel.push(number)
        channel.close()
        return [[item async for item in left], [item async for item in right]]

    assert asyncio.run(read()) == [[0, 1, 2], [0, 1, 2]]


class State(TypedDict):
    log: Annotated[list[str], operator.add]


def test_a_run_in_a_node_passes_on_a_pause() -> None:
    from caesura.checkpoint.memory import InMemorySaver
    from caesura.types import Command, interrupt

    inner = StateGraph(State).add_node("ask", lambda state: {"log": [interrupt("?")]})
    inner = inner.add_edge(START, "ask").compile()

    def call(state: State) -> Any:
        return {"log": inner.stream_events({"log": []}, version="v3").output["log"]}

    graph = StateGraph(State).add_node("call", call).add_edge(START, "call")
    graph = graph.compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    assert [each.value for each in graph.invoke({"log": []}, config)["__interrupt__"]] == ["?"]
    assert graph.invoke(Command(resume="yes"), config)["log"] == ["yes"]


def test_programs_that_do_not_read_events_do_not_import_them() -> None:
    code = "import caesura.graph, sys; sys.exit('caesura.stream' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
