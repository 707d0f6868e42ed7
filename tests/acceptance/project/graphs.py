"""Graphs that pause, fail, branch and take their time: one each.

They are written for LangGraph and name nothing else, so that the server has to make the imports
work. The state is the same in most of them: a topic, a draft about it, a decision, and a log of
the nodes that ran.
"""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any

from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict


class S(TypedDict, total=False):
    topic: str
    draft: str
    decision: Any
    log: Annotated[list[str], operator.add]


class Ctx(TypedDict, total=False):
    user: str


# --- agent: drafts, asks a person, publishes --------------------------------------------------


def draft(state: S) -> S:
    get_stream_writer()({"progress": "drafting"})
    return {"draft": f"draft about {state.get('topic')}", "log": ["draft"]}


def approve(state: S) -> S:
    decision = interrupt({"question": "approve?", "draft": state.get("draft")})
    return {"decision": decision, "log": ["approve"]}


def publish(state: S) -> S:
    return {"log": [f"publish:{state.get('decision')}"]}


agent = (
    StateGraph(S, context_schema=Ctx)
    .add_node("draft", draft)
    .add_node("approve", approve)
    .add_node("publish", publish)
    .add_edge(START, "draft")
    .add_edge("draft", "approve")
    .add_edge("approve", "publish")
    .add_edge("publish", END)
    .compile(name="agent")
)

# --- trivial: one node ------------------------------------------------------------------------


def one(state: S) -> S:
    return {"log": ["one"]}


trivial = StateGraph(S).add_node("one", one).add_edge(START, "one").add_edge("one", END).compile()

# --- slow: a tick every tenth of a second -----------------------------------------------------


class Slow(TypedDict, total=False):
    seconds: float
    ticks: Annotated[list[int], operator.add]


async def tick(state: Slow) -> Slow:
    write = get_stream_writer()
    ticks = round(state.get("seconds", 1) * 10)
    for number in range(ticks):
        await asyncio.sleep(0.1)
        write({"tick": number})
    return {"ticks": [ticks]}


def tock(state: Slow) -> Slow:
    return {"ticks": [-1]}


slow = (
    StateGraph(Slow)
    .add_node("tick", tick)
    .add_node("tock", tock)
    .add_edge(START, "tick")
    .add_edge("tick", "tock")
    .add_edge("tock", END)
    .compile()
)

# --- err: a node that works, then one that does not -------------------------------------------


def fine(state: S) -> S:
    return {"log": ["ok"]}


def boom(state: S) -> S:
    raise ValueError("boom at node")


err = (
    StateGraph(S)
    .add_node("ok", fine)
    .add_node("boom", boom)
    .add_edge(START, "ok")
    .add_edge("ok", "boom")
    .add_edge("boom", END)
    .compile()
)

# --- multi: two questions at once; seq2: two in one node --------------------------------------


async def ask1(state: S) -> S:
    return {"log": [f"a1={interrupt('q1')}"]}


async def ask2(state: S) -> S:
    return {"log": [f"a2={interrupt('q2')}"]}


multi = (
    StateGraph(S)
    .add_node("ask1", ask1)
    .add_node("ask2", ask2)
    .add_edge(START, "ask1")
    .add_edge(START, "ask2")
    .add_edge("ask1", END)
    .add_edge("ask2", END)
    .compile()
)


def twice(state: S) -> S:
    first = interrupt("first?")
    second = interrupt("second?")
    return {"log": [f"{first}/{second}"]}


seq2 = (
    StateGraph(S).add_node("twice", twice).add_edge(START, "twice").add_edge("twice", END).compile()
)

# --- typedg: a question that says what an answer looks like -----------------------------------


class D(TypedDict):
    approve: bool


def typed(state: S) -> S:
    return {"decision": interrupt({"q": "typed?"}, response_schema=D)}


typedg = (
    StateGraph(S).add_node("typed", typed).add_edge(START, "typed").add_edge("typed", END).compile()
)
