"""Revise a text until a person accepts it.

    caesura run examples/draft.py --input '{"topic": "our move to the harbour"}'

Each round shows the draft. An answer is either the word ``accept`` or what should be different.
"""

from __future__ import annotations

import operator
from typing import Annotated, Literal, TypedDict

from caesura.graph import START, StateGraph
from caesura.types import Command, interrupt


class State(TypedDict, total=False):
    """``topic`` is the input."""

    topic: str
    draft: str
    wishes: Annotated[list[str], operator.add]


def write(state: State) -> State:
    """Write the draft anew with every wish so far. A model would do this better."""
    lines = [f"Dear all, this is about {state['topic']}."]
    lines += [f"({number}) {wish}." for number, wish in enumerate(state.get("wishes", []), 1)]
    return {"draft": "\n".join(lines)}


def review(state: State) -> Command[Literal["write", "__end__"]]:
    """Show the draft; go back with a wish, or end."""
    said = interrupt(
        {"draft": state["draft"], "answer with": "accept, or what should be different"},
        response_schema={"type": "string", "minLength": 1},
        title=f"Draft {len(state.get('wishes', [])) + 1} about {state['topic']}",
    )
    if said.strip().lower() == "accept":
        return Command(goto="__end__")
    return Command(update={"wishes": [said.strip().rstrip(".")]}, goto="write")


builder = StateGraph(State)
builder.add_node("write", write)
builder.add_node("review", review)
builder.add_edge(START, "write")
builder.add_edge("write", "review")
draft = builder.compile()
