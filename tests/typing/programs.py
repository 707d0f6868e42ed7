"""What users write, as a type checker sees it: every line here must pass ``mypy --strict``."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import as_completed
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Annotated, Any, Literal, NotRequired, TypedDict, assert_type

from pydantic import BaseModel

from caesura.cache.memory import InMemoryCache
from caesura.cache.sqlite import SqliteCache
from caesura.checkpoint.base import BaseCheckpointSaver
from caesura.checkpoint.memory import InMemorySaver
from caesura.checkpoint.serde.encrypted import EncryptedSerializer
from caesura.checkpoint.sqlite import SqliteSaver
from caesura.checkpoint.sqlite.aio import AsyncSqliteSaver
from caesura.config import get_store, get_stream_writer
from caesura.errors import NodeError
from caesura.func import entrypoint, task
from caesura.graph import END, START, MessagesState, StateGraph
from caesura.graph.state import CompiledStateGraph
from caesura.pregel import Pregel
from caesura.pregel.protocol import PregelProtocol
from caesura.runtime import Runtime, get_runtime
from caesura.store.base import BaseStore, Item
from caesura.store.memory import InMemoryStore
from caesura.store.sqlite import SqliteStore
from caesura.types import (
    CachePolicy,
    Command,
    GraphOutput,
    Interrupt,
    Question,
    RetryPolicy,
    Send,
    StateSnapshot,
    StreamPart,
    StreamWriter,
    TimeoutPolicy,
    interrupt,
    interrupts,
)

# --- states ----------------------------------------------------------------------------------


class State(TypedDict):
    log: Annotated[list[str], operator.add]
    note: NotRequired[str]


class Given(TypedDict):
    log: list[str]


class Result(TypedDict):
    note: str


@dataclass
class Context:
    user: str


@dataclass
class Decision:
    approve: bool


class Order(BaseModel):
    amount: int


class Address(TypedDict):
    street: str


class Colour(Enum):
    RED = "red"


# --- nodes -----------------------------------------------------------------------------------


def ask(state: State, runtime: Runtime[Context]) -> dict[str, list[str]]:
    answer = interrupt({"for": runtime.context.user}, response_schema=Decision)
    assert_type(answer, Decision)
    assert_type(interrupt("?", response_schema=Order), Order)
    assert_type(interrupt("?", response_schema=Address), Address)
    assert_type(interrupt("?", response_schema=Colour), Colour)
    assert_type(interrupt("?", response_schema=Literal["yes", "no"]), Literal["yes", "no"])
    assert_type(interrupt("?", response_schema=int | None), int | None)
    assert_type(interrupt("?", response_schema=list[Order], key="k", title="Orders"), list[Order])
    assert_type(interrupt("?", response_schema={"type": "string"}), Any)
    assert_type(interrupt("?"), Any)
    assert_type(interrupts(["a", Question("b", response_schema=bool, key="b")]), list[Any])
    return {"log": [str(answer.approve)]}


def jump(state: State) -> Command[Literal["ask", "__end__"]]:
    return Command(update={"log": ["jump"]}, goto="ask")


async def slowly(state: State, runtime: Runtime[Context]) -> dict[str, list[str]]:
    await asyncio.sleep(0)
    runtime.heartbeat()
    runtime.stream_writer({"user": runtime.context.user})
    return {"log": [get_runtime(Context).context.user]}


def with_everything(
    state: State, config: dict[str, Any], *, store: BaseStore, writer: StreamWriter
) -> dict[str, list[str]]:
    writer("started")
    get_stream_writer()("again")
    found = store.get(("users",), "1")
    assert_type(found, Item | None)
    get_store().put(("users",), "1", {"name": "Ada"})
    return {"log": [config["configurable"]["thread_id"]]}


def private(state: Given) -> Result:
    return {"note": state["log"][-1]}


def mend(state: State, error: NodeError) -> Command[Literal["private"]]:
    return Command(update={"log": [error.node]}, goto="private")


class Caller:
    def __call__(self, state: State) -> dict[str, list[str]]:
        return {"log": []}


def route(state: State) -> list[Send]:
    return [Send("ask", state), Send("slowly", state, timeout=1.5)]


def choose(state: State) -> Literal["ask", "private"]:
    return "ask"


# --- graphs ----------------------------------------------------------------------------------

builder = StateGraph(State, context_schema=Context, input_schema=Given, output_schema=Result)
assert_type(builder, StateGraph[State, Context, Given, Result])
retry = RetryPolicy(max_attempts=2, retry_on=(ValueError, KeyError))
builder.add_node("ask", ask).add_node(jump).add_node(private, input_schema=Given)
builder.add_node(
    slowly,
    retry_policy=[retry, RetryPolicy(retry_on=lambda error: isinstance(error, OSError))],
    timeout=TimeoutPolicy(run_timeout=timedelta(seconds=5), idle_timeout=1.0),
    error_handler=mend,
    metadata={"owner": "me"},
    defer=True,
)
builder.add_node(
    "all", with_everything, cache_policy=CachePolicy(key_func=lambda state: "k", ttl=60)
)
builder.add_node("caller", Caller(), destinations=("ask",), retry_policy=retry)
builder.set_node_defaults(retry_policy=retry, timeout=30)
builder.add_edge(START, "jump").add_edge(["ask", "slowly"], "private").add_edge("private", END)
builder.add_conditional_edges("jump", route, ["ask", "slowly"])
builder.add_conditional_edges("jump", choose, {"ask": "ask", "private": "private"})
builder.add_sequence([("one", private), Caller()])
builder.set_entry_point("jump").set_finish_point("private")

saver = InMemorySaver()
graph = builder.compile(saver, store=InMemoryStore(), cache=InMemoryCache(), interrupt_before="*")
assert_type(graph, CompiledStateGraph[State, Context, Given, Result])
config: dict[str, Any] = {"configurable": {"thread_id": "1"}}

assert_type(graph.invoke({"log": []}, config, context=Context("ada")), Any)
assert_type(graph.invoke(Command(resume=True), config, durability="sync"), Any)
assert_type(graph.invoke(None, config, stream_mode=["values", "updates"]), Any)
output = graph.invoke({"log": []}, config, version="v2")
assert_type(output, GraphOutput[Result])
assert_type(output.value, Result)
assert_type(output.interrupts, tuple[Interrupt, ...])
assert_type(graph.stream({"log": []}, config, stream_mode="updates"), Iterator[Any])
assert_type(graph.stream(None, config, version="v2", subgraphs=True), Iterator[StreamPart])
for part in graph.stream(None, config, stream_mode=["values", "custom"], version="v2"):
    if part["type"] == "values":
        assert_type(part["interrupts"], tuple[Interrupt, ...])
    elif part["type"] == "updates":
        assert_type(part["data"], dict[str, Any])
snapshot = graph.get_state(config)
assert_type(snapshot, StateSnapshot)
assert_type(snapshot.tasks[0].interrupts, tuple[Interrupt, ...])
assert_type(next(graph.get_state_history(config)), StateSnapshot)
graph.update_state(config, {"log": ["edited"]}, as_node="ask")
assert_type(graph.with_config({"tags": ["a"]}), CompiledStateGraph[State, Context, Given, Result])


async def run() -> None:
    assert_type(await graph.ainvoke({"log": []}, config), Any)
    assert_type(await graph.ainvoke(None, config, version="v2"), GraphOutput[Result])
    assert_type(graph.astream(None, config), AsyncIterator[Any])
    async for item in graph.astream(None, config, version="v2"):
        assert_type(item["ns"], tuple[str, ...])
    assert_type(await graph.aget_state(config), StateSnapshot)
    async with AsyncSqliteSaver.from_conn_string("file.sqlite") as kept:
        builder.compile(checkpointer=kept)


plain = StateGraph(State)
assert_type(plain, StateGraph[State, None, State, State])
plain.add_node("nested", graph).add_edge(START, "nested")
nested = plain.compile(checkpointer=True)
anything: CompiledStateGraph = graph
either: Pregel = graph
protocol: PregelProtocol = graph
chat = StateGraph(MessagesState).compile(name="chat")
chat.invoke({"messages": [("user", "hello")]})
shaped = StateGraph(Order).compile(checkpointer=None)
shaped.invoke(Order(amount=1))
assert_type(shaped.invoke(Order(amount=1), version="v2").value, Order)

savers: list[BaseCheckpointSaver[Any]] = [InMemorySaver()]
with (
    SqliteSaver.from_conn_string("file.sqlite") as stored,
    SqliteStore.from_conn_string(":memory:") as store,
):
    plain.compile(checkpointer=stored, store=store, cache=SqliteCache(path="cache.sqlite"))
    savers.append(stored)
    assert_type([item.value for item in store.search(("users",))], list[dict[str, Any]])
InMemorySaver(serde=EncryptedSerializer.from_pycryptodome_aes(key=b"0" * 32))


# --- functions -------------------------------------------------------------------------------


@task
def double(n: int) -> int:
    return n * 2


@task(name="fetch", retry_policy=retry, timeout=2.5, cache_policy=CachePolicy(ttl=5))
async def fetch(url: str, *, tries: int = 3) -> bytes:
    return b""


@task(effect=True, not_done=[ConnectionError])
def pay(amount: int) -> str:
    return "paid"


class Shop:
    @task
    def sell(self, thing: str) -> int:
        return 1

    def close(self) -> int:
        return self.sell("tea").result()


@entrypoint(checkpointer=InMemorySaver(), store=InMemoryStore(), cache=InMemoryCache())
def flow(n: int, *, previous: int | None = None) -> int:
    assert_type(double(n).result(), int)
    assert_type(pay(amount=n).result(timeout=1.0), str)
    for done in as_completed([double(1), double(2)]):
        assert_type(done.result(), int)
    return double(n).result() + (previous or 0)


@entrypoint(saver, context_schema=Context, retry_policy=retry, timeout=10)
async def aflow(urls: list[str], runtime: Runtime[Context]) -> list[bytes]:
    assert_type(await fetch(urls[0], tries=1), bytes)
    pages = await asyncio.gather(*(fetch(url) for url in urls))
    assert_type(pages, list[bytes])
    return pages


@entrypoint(checkpointer=saver)
def saving(n: int, *, previous: str | None = None) -> entrypoint.final[int, str]:
    return entrypoint.final(value=n, save="saved")


flow.invoke(1, {"configurable": {"thread_id": "1"}})
assert_type(flow.invoke(1, version="v2").value, int)
assert_type(saving.invoke(1, version="v2").value, int)
aflow.invoke(["a"], context=Context("ada"))


async def run_flow() -> None:
    assert_type((await aflow.ainvoke(["a"], version="v2")).value, list[bytes])
