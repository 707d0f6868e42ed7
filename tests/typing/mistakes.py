"""Mistakes that a type checker must find: one on each line that says ``# error: CODE``, no others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from caesura.checkpoint.memory import InMemorySaver
from caesura.func import entrypoint, task
from caesura.graph import START, StateGraph
from caesura.runtime import Runtime
from caesura.store.memory import InMemoryStore
from caesura.types import CachePolicy, Command, RetryPolicy, Send, TimeoutPolicy, interrupt


class State(TypedDict):
    n: int


@dataclass
class Context:
    user: str


@dataclass
class Decision:
    approve: bool


# What people are asked, and where nodes go.


def node(state: State, runtime: Runtime[Context]) -> dict[str, int]:
    answer = interrupt("?", response_schema=Decision)
    print(answer.aprove)  # error: attr-defined
    if interrupt("?", response_schema=Literal["yes", "no"]) == "maybe":  # error: comparison-overlap
        print(runtime.context.name)  # error: attr-defined
    interrupt("?", respones_schema=Decision)  # error: call-overload
    return {"n": runtime.execution}  # error: attr-defined


def elsewhere(state: State) -> Command[Literal["a"]]:
    return Command(goto="b")  # error: arg-type


Send("a")  # error: call-arg
Command("a")  # error: call-arg

# How graphs are built.

builder = StateGraph(State, context_schema=Context)
builder.add_node("a", 1)  # error: arg-type
builder.add_node("b", node, retry_polcy=RetryPolicy())  # error: call-arg
builder.add_node("c", node, retry_policy=3)  # error: arg-type
builder.add_node("d", node, cache_policy=CachePolicy(60))  # error: arg-type, call-arg
builder.add_node("e", node, timeout="5s")  # error: arg-type
builder.add_edge(START, 1)  # error: arg-type
builder.compile(checkpointer="sqlite")  # error: arg-type
builder.compile(store=InMemorySaver())  # error: arg-type
builder.compile(checkpointer=InMemoryStore())  # error: arg-type
builder.compile(interrupt_before=1)  # error: arg-type
StateGraph(State, contxt_schema=Context)  # error: call-arg
RetryPolicy(max_attempts="3")  # error: arg-type
TimeoutPolicy(refresh_on="never")  # error: arg-type

# How they are run.

graph = builder.compile(checkpointer=InMemorySaver())
graph.invoke({"m": 1})  # error: call-overload
graph.invoke(1)  # error: call-overload
graph.invoke({"n": 1}, context="ada")  # error: call-overload
graph.invoke({"n": 1}, durability="never")  # error: call-overload
graph.invoke({"n": 1}, stream_mode="everything")  # error: call-overload
graph.stream({"n": 1}, subgraph=True)  # error: call-overload
graph.invoke({"n": 1}, version="v2").value["m"]  # error: typeddict-item
graph.get_state("1")  # error: arg-type

# Tasks and entrypoints.


@task
def double(n: int) -> int:
    return n * 2


@task(retry_policy=RetryPolicy())
async def fetch(url: str) -> bytes:
    return b""


@task(retires=3)  # error: call-overload, untyped-decorator
def wrong(n: int) -> int:
    return n


@entrypoint(checkpointer=InMemorySaver())
def flow(n: int) -> int:
    double("1")  # error: arg-type
    double(m=1)  # error: call-arg
    len(double(1).result())  # error: arg-type
    return double(1)  # error: return-value


@entrypoint()
async def aflow(n: int) -> str:
    return await fetch("a")  # error: return-value


@entrypoint()
def saving(n: int) -> entrypoint.final[int, str]:
    return entrypoint.final(value=n, save=n)  # error: arg-type


flow.invoke("1")  # error: call-overload
entrypoint(checkpointer="memory")  # error: arg-type
number: Any = flow.invoke(1, version="v2").value.upper()  # error: attr-defined
