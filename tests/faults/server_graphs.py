"""The project that the fault tests serve: programs that leave a trace of what really ran.

Every effect is one line, appended in one write to the file ``effects`` beside this one, so that
lines of processes that were killed are whole or absent. A line is a JSON list:
``[what, thread id, run id, task id, …, seconds since 1970]``.
"""

from __future__ import annotations

import asyncio
import json
import operator
import os
import time
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.config import get_config, get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

EFFECTS = Path(__file__).with_name("effects")


def effect(what: str, *more: Any) -> None:
    """Something happened in the world."""
    configurable = get_config()["configurable"]
    ids = [configurable.get(k) for k in ("thread_id", "run_id", "__pregel_task_id")]
    line = json.dumps([what, *ids, *more, time.time()]) + "\n"
    file = os.open(EFFECTS, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


class State(TypedDict, total=False):
    job: str
    asks: int
    steps: int
    seconds: float
    size: int
    note: Any
    log: Annotated[list[str], operator.add]


def _compiled(nodes: dict[str, Any], edges: list[tuple[str, str]]) -> Any:
    builder = StateGraph(State)
    for name, node in nodes.items():
        builder.add_node(name, node)
    for start, end in edges:
        builder.add_edge(start, end)
    return builder.compile()


# --- asks as often as it is told to -------------------------------------------------------------


def begin(state: State) -> State:
    effect("begin", state.get("job"))
    return {"log": ["begin"]}


def ask(state: State) -> Command[Any]:
    number = sum(line.startswith("answer") for line in state["log"])
    if number >= state.get("asks", 1):
        return Command(goto="finish")
    answer = interrupt({"job": state.get("job"), "number": number})
    effect("answer", state.get("job"), number, answer)
    return Command(update={"log": [f"answer {number} {answer}"]}, goto="ask")


def finish(state: State) -> State:
    effect("finish", state.get("job"))
    return {"log": ["finish"]}


_asking = StateGraph(State)
_asking.add_node("begin", begin)
_asking.add_node("ask", ask, destinations=("ask", "finish"))
_asking.add_node("finish", finish)
_asking.add_edge(START, "begin")
_asking.add_edge("begin", "ask")
_asking.add_edge("finish", END)
asking = _asking.compile()


# --- two questions side by side -----------------------------------------------------------------


def left(state: State) -> State:
    return {"log": [f"left {interrupt('left?')}"]}


def right(state: State) -> State:
    return {"log": [f"right {interrupt('right?')}"]}


pair = _compiled(
    {"left": left, "right": right},
    [(START, "left"), (START, "right"), ("left", END), ("right", END)],
)


# --- takes its time -----------------------------------------------------------------------------


async def stay(state: State) -> State:
    effect("enter", state.get("job"), os.getpid())
    try:
        await asyncio.sleep(state.get("seconds", 0.05))
    finally:
        effect("leave", state.get("job"), os.getpid())
    return {"log": [f"stay {state.get('job')}"]}


staying = _compiled({"stay": stay}, [(START, "stay"), ("stay", END)])


async def step(state: State) -> State:
    number = len(state["log"])
    effect("start", number)
    await asyncio.sleep(state.get("seconds", 0.2))
    effect("step", number)
    get_stream_writer()({"step": number})
    return {"log": [f"step {number}"]}


def _more(state: State) -> str:
    return "step" if len(state["log"]) < state.get("steps", 5) else END


_stepping = StateGraph(State)
_stepping.add_node("step", step)
_stepping.add_conditional_edges(START, _more, ["step", END])
_stepping.add_conditional_edges("step", _more, ["step", END])
stepping = _stepping.compile()


async def block(state: State) -> State:
    effect("blocked")
    time.sleep(state.get("seconds", 3.0))
    return {"log": ["unblocked"]}


blocking = _compiled({"block": block}, [(START, "block"), ("block", END)])


# --- much to tell -------------------------------------------------------------------------------


async def pour(state: State) -> State:
    writer = get_stream_writer()
    for number in range(state["steps"]):
        writer({"number": number, "fill": "x" * state["size"]})
        await asyncio.sleep(0)
    effect("poured")
    return {"log": ["poured"]}


flood = _compiled({"pour": pour}, [(START, "pour"), ("pour", END)])


# --- trivial ------------------------------------------------------------------------------------


def say(state: State) -> State:
    return {"log": ["said"]}


trivial = _compiled({"say": say}, [(START, "say"), ("say", END)])


def fail(state: State) -> State:
    raise ValueError(str(state.get("note")))


failing = _compiled({"fail": fail}, [(START, "fail"), ("fail", END)])
