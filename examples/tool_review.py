"""An agent whose tool calls a person approves, edits or rejects.

    caesura run examples/tool_review.py --input '{"wish": "tidy up"}'

The agent is a script: it looks around, then wants to delete a file and to write a mail. Reading is
harmless and runs at once; whatever changes the world is shown first.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypedDict

from caesura.func import task
from caesura.graph import START, StateGraph
from caesura.types import Command, interrupt


class Call(TypedDict):
    """A tool and its arguments, as an agent asks for them."""

    tool: str
    arguments: dict[str, Any]


@dataclass
class Review:
    """``edit`` runs the call with ``arguments`` instead; ``reject`` tells the agent the reason."""

    decision: Literal["approve", "edit", "reject"]
    arguments: dict[str, Any] = field(default_factory=dict)
    reason: str = ""


class State(TypedDict, total=False):
    """``calls`` are those still to be made, ``log`` is what the agent has seen."""

    wish: str
    calls: list[Call]
    log: Annotated[list[str], operator.add]


HARMLESS = {"list_files"}


@task
def run_tool(call: Call) -> str:
    """Run one tool, once."""
    arguments = ", ".join(f"{name}={value}" for name, value in call["arguments"].items())
    return f"{call['tool']}({arguments}): done"


def plan(state: State) -> State:
    """What the agent wants to do. A model would be asked here."""
    wanted: list[Call] = [
        {"tool": "list_files", "arguments": {"folder": "/reports"}},
        {"tool": "delete_file", "arguments": {"path": "/reports/2019.pdf"}},
        {"tool": "send_mail", "arguments": {"to": "boss@example.org", "text": "All tidy."}},
    ]
    return {"calls": wanted}


def act(state: State) -> Command[Literal["act", "__end__"]]:
    """Make the next call, after a review where it is not harmless."""
    call, *others = state["calls"]
    outcome = run_tool(call).result() if call["tool"] in HARMLESS else reviewed(call)
    return Command(update={"log": [outcome], "calls": others}, goto="act" if others else "__end__")


def reviewed(call: Call) -> str:
    """Ask about a call and do what was decided → what the agent is told."""
    review = interrupt(
        {"tool": call["tool"], **call["arguments"]},
        response_schema=Review,
        title=f"The agent wants to use {call['tool']}",
    )
    if review.decision == "reject":
        return f"{call['tool']}: rejected, {review.reason or 'no reason given'}"
    if review.decision == "edit":
        call = {"tool": call["tool"], "arguments": {**call["arguments"], **review.arguments}}
    return run_tool(call).result()


builder = StateGraph(State)
builder.add_node("plan", plan)
builder.add_node("act", act)
builder.add_edge(START, "plan")
builder.add_edge("plan", "act")
agent = builder.compile()
