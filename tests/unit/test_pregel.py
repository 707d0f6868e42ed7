"""Programs made by hand, and what every compiled program offers beside running."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import Any, TypedDict

import pytest

from caesura.channels import EphemeralValue, LastValue
from caesura.checkpoint.base import RunnableConfig
from caesura.graph import START, StateGraph
from caesura.pregel import NodeBuilder, Pregel
from caesura.pregel.protocol import PregelProtocol, StreamProtocol
from caesura.pregel.remote import RemoteGraph
from caesura.runtime import Runtime


class State(TypedDict):
    a: int


def compiled(function: Any) -> Any:
    return StateGraph(State).add_node("n", function).add_edge(START, "n").compile()


def by_hand(node: NodeBuilder, **how: Any) -> Pregel:
    channels = {"a": EphemeralValue(str), "b": LastValue(str)}
    return Pregel(
        nodes={"n": node}, channels=channels, input_channels="a", output_channels="b", **how
    )


# --- by hand -----------------------------------------------------------------------------------


def test_a_function_in_the_place_of_a_node_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="Node 'n' is no NodeBuilder, but function"):
        by_hand(lambda x: x)  # type: ignore[arg-type]


def test_an_argument_that_is_not_known_is_refused() -> None:
    with pytest.raises(TypeError, match=r"unexpected arguments \['interupt_before'\]"):
        by_hand(NodeBuilder().subscribe_only("a"), interupt_before=["n"])


def test_what_cannot_be_called_is_refused_when_the_node_is_described() -> None:
    with pytest.raises(TypeError, match="Expected a Runnable, callable or dict"):
        NodeBuilder().do(3)


def test_async_functions_in_a_row_need_an_async_run() -> None:
    async def exclaim(x: str) -> str:
        return x + "!"

    node = NodeBuilder().subscribe_only("a").do(str.upper).do(exclaim).do(str.strip).write_to("b")
    program = by_hand(node)
    with pytest.raises(TypeError, match='No synchronous function provided to "n"'):
        program.invoke("x ")
    assert asyncio.run(program.ainvoke("x ")) == "X !"


def test_functions_in_a_row_are_each_given_what_they_ask_for() -> None:
    def first(x: str, config: RunnableConfig) -> str:
        return x + config["metadata"]["m"]

    def second(x: str, runtime: Runtime[Any]) -> str:
        return x + runtime.context["c"]

    program = by_hand(NodeBuilder().subscribe_only("a").do(first).do(second).write_to("b"))
    assert program.invoke("x", {"metadata": {"m": "-m"}}, context={"c": "-c"}) == "x-m-c"


def test_a_channel_is_not_shared_between_programs_that_were_given_the_same_one() -> None:
    shared = LastValue(str)
    one, other = (
        Pregel(
            nodes={"n": NodeBuilder().subscribe_only(key).do(str.upper).write_to("out")},
            channels={key: shared, "out": LastValue(str)},
            input_channels=key,
            output_channels="out",
        )
        for key in ("a", "b")
    )
    assert (one.invoke("x"), other.invoke("y")) == ("X", "Y")
    assert (one.channels["a"].key, other.channels["b"].key, shared.key) == ("a", "b", "")


# --- batches -----------------------------------------------------------------------------------


def test_the_runs_of_a_batch_run_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=10)

    def meet(state: State) -> Any:
        meeting.wait()
        return {"a": state["a"] + 1}

    assert compiled(meet).batch([{"a": 1}, {"a": 2}, {"a": 3}]) == [{"a": 2}, {"a": 3}, {"a": 4}]


def test_no_more_runs_of_a_batch_run_at_the_same_time_than_the_config_allows() -> None:
    running: list[int] = []
    most: list[int] = []

    async def watched(state: State) -> Any:
        running.append(state["a"])
        most.append(len(running))
        await asyncio.sleep(0)
        running.remove(state["a"])
        return {}

    graph = compiled(watched)
    inputs = [{"a": number} for number in range(6)]
    asyncio.run(graph.abatch(inputs, {"max_concurrency": 2}))
    assert max(most) == 2


def test_a_failure_in_an_async_batch_stops_the_other_runs() -> None:
    ended: list[str] = []

    async def work(state: State) -> Any:
        if state["a"] == 0:
            raise ValueError("zero")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("stopped")

    with pytest.raises(ValueError, match="zero"):
        asyncio.run(compiled(work).abatch([{"a": 1}, {"a": 0}]))
    assert ended == ["stopped"]


# --- schemas and protocols ---------------------------------------------------------------------


def test_json_schemas_are_made_without_pydantic() -> None:
    program = """
import sys
from typing import TypedDict
from caesura.checkpoint.base import RunnableConfig
from caesura.graph import START, StateGraph
class State(TypedDict):
    a: int
graph = StateGraph(State).add_node("n", lambda s: s).add_edge(START, "n").compile()
assert graph.get_input_jsonschema()["properties"] == {"a": {"title": "A", "type": "integer"}}
assert "pydantic" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_programs_here_and_on_a_server_follow_the_protocol() -> None:
    remote = RemoteGraph("agent", url="http://localhost:1")
    assert isinstance(compiled(lambda s: s), PregelProtocol)
    assert isinstance(remote, PregelProtocol)
    assert not isinstance(object(), PregelProtocol)


def test_a_stream_protocol_hands_on_what_it_is_called_with() -> None:
    heard: list[Any] = []
    stream = StreamProtocol(heard.append, {"values"})
    stream(((), "values", 1))
    assert (heard, stream.modes) == ([((), "values", 1)], {"values"})
