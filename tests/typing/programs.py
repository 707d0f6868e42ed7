"""What users write, as a type checker sees it: every line here must pass ``mypy --strict``."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict, assert_type

from caesura.checkpoint.memory import InMemorySaver
from caesura.func import entrypoint, task
from caesura.graph import END, START, StateGraph
from caesura.runtime import Runtime
from caesura.types import Command, Send, interrupt, interrupts


class State(TypedDict):
    log: Annotated[list[str], operator.add]


@dataclass
class Context:
    user: str


@dataclass
class Decision:
    approve: bool


def ask(state: State, runtime: Runtime[Context]) -> dict[str, list[str]]:
    answer = interrupt({"for": runtime.context.user}, response_schema=Decision)
    assert_type(answer, Decision)
    assert_type(interrupts(["a", "b"]), list[Any])
    return {"log": [str(answer.approve)]}


def jump(state: State) -> Command[Literal["ask", "__end__"]]:
    return Command(update={"log": ["jump"]}, goto="ask")


def route(state: State) -> list[Send]:
    return [Send("ask", state)]


builder = StateGraph(State, context_schema=Context)
builder.add_node("ask", ask).add_node(jump).add_edge(START, "jump").add_edge("ask", END)
builder.add_conditional_edges("jump", route)
graph = builder.compile(checkpointer=InMemorySaver())
plain = StateGraph(State)


@task
def double(n: int) -> int:
    return n * 2


@entrypoint(checkpointer=InMemorySaver())
def flow(n: int, *, previous: int | None = None) -> int:
    return int(double(n).result()) + (previous or 0)


flow.invoke(1, {"configurable": {"thread_id": "1"}})
