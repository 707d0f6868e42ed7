"""Projects to start from: ``caesura new --template``. Each is one file of graphs and a configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

_APPROVAL: Final = '''"""A payment that a person approves. Start it with `caesura dev`."""

from typing import Literal, TypedDict

from caesura.graph import END, START, StateGraph
from caesura.types import Command, interrupt


class State(TypedDict, total=False):
    payee: str
    amount: float
    status: str


class Decision(TypedDict):
    decision: Literal["approve", "reject"]
    note: str


def ask(state: State) -> Command[Literal["pay", "__end__"]]:
    """The program stops here until somebody answers: in the browser, or by cURL."""
    payment = {"pay": state.get("amount", 0), "to": state.get("payee", "nobody")}
    answer = interrupt(
        payment, response_schema=Decision, title=f"Pay {payment['pay']} to {payment['to']}?"
    )
    if answer["decision"] == "approve":
        return Command(goto="pay")
    return Command(goto=END, update={"status": f"rejected: {answer['note']}"})


def pay(state: State) -> State:
    return {"status": f"paid {state.get('amount', 0)} to {state.get('payee', 'nobody')}"}


builder = StateGraph(State)
builder.add_node("ask", ask)
builder.add_node("pay", pay)
builder.add_edge(START, "ask")
graph = builder.compile()
'''

_TOOL_REVIEW: Final = '''"""Calls of tools that a person approves, edits or rejects before they run."""

import operator
from typing import Annotated, Any, Literal, TypedDict

from caesura.graph import START, StateGraph
from caesura.types import interrupt


class Call(TypedDict):
    name: str
    args: dict[str, Any]


class Review(TypedDict, total=False):
    action: Literal["approve", "edit", "reject"]
    args: dict[str, Any]
    reason: str


class State(TypedDict, total=False):
    calls: list[Call]
    done: Annotated[list[str], operator.add]


def send_mail(to: str, subject: str) -> str:
    return f"mail to {to}: {subject}"


TOOLS = {"send_mail": send_mail}


def review_and_run(state: State) -> State:
    done = []
    for number, call in enumerate(state.get("calls", [])):
        review = interrupt(
            dict(call), response_schema=Review, key=f"call-{number}", title=f"Run {call['name']}?"
        )
        if review.get("action") == "reject":
            done.append(f"rejected {call['name']}: {review.get('reason', '')}")
        else:
            args = review.get("args") if review.get("action") == "edit" else call["args"]
            done.append(TOOLS[call["name"]](**(args or {})))
    return {"done": done}


builder = StateGraph(State)
builder.add_node("review_and_run", review_and_run)
builder.add_edge(START, "review_and_run")
graph = builder.compile()
'''

_FUNCTIONAL: Final = '''"""An essay: written by a task, reviewed by a person, as an ordinary function."""

from typing import TypedDict

from caesura.func import entrypoint, task
from caesura.types import interrupt


class Essay(TypedDict):
    text: str
    review: str


@task
def write(topic: str) -> str:
    """Runs once; when the program goes on after the pause, its result is there already."""
    return f"An essay about {topic}."


@entrypoint()
def graph(topic: str) -> Essay:
    text = write(topic).result()
    review = interrupt({"essay": text}, title=f"Is this good enough about {topic}?")
    return {"text": text, "review": str(review)}
'''

TEMPLATES: Final = {
    "approval": _APPROVAL,
    "tool-review": _TOOL_REVIEW,
    "functional": _FUNCTIONAL,
}
"""Name → the text of its ``agent.py``."""


def write_template(name: str, folder: Path) -> list[Path] | None:
    """Write a template; returns the files, or None if the folder holds a project already."""
    config, program = folder / "caesura.json", folder / "agent.py"
    if config.exists() or program.exists() or (folder / "langgraph.json").exists():
        return None
    folder.mkdir(parents=True, exist_ok=True)
    program.write_text(TEMPLATES[name], encoding="utf-8")
    text = {"dependencies": ["."], "graphs": {"agent": "./agent.py:graph"}}
    config.write_text(json.dumps(text, indent=2) + "\n", encoding="utf-8")
    return [config, program]
