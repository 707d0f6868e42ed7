"""Four questions at once: a pause that ends when all of them are answered, in any order.

caesura run examples/form.py --input '{"name": "Ada"}'
"""

from __future__ import annotations

from typing import Any, TypedDict

from caesura.asking import Question, interrupts
from caesura.graph import START, StateGraph


class State(TypedDict, total=False):
    """``name`` is the input, ``booking`` the outcome."""

    name: str
    booking: dict[str, Any]


def book(state: State) -> State:
    """Ask all at once; different people may answer, at different times."""
    day, seats, vegetarian, guests = interrupts(
        [
            Question(
                "Which day suits you?",
                response_schema={"enum": ["Monday", "Tuesday", "Friday"]},
                key="day",
                title=f"Day for {state['name']}",
            ),
            Question(
                "How many seats?",
                response_schema={"type": "integer", "minimum": 1, "maximum": 8},
                key="seats",
                title="Seats",
            ),
            Question("Vegetarian?", response_schema={"type": "boolean"}, key="food", title="Food"),
            Question(
                "Who comes along?",
                response_schema={"type": "array", "items": {"type": "string", "minLength": 1}},
                key="guests",
                title="Guests",
            ),
        ]
    )
    return {"booking": {"day": day, "seats": seats, "vegetarian": vegetarian, "guests": guests}}


builder = StateGraph(State)
builder.add_node("book", book)
builder.add_edge(START, "book")
booking = builder.compile()
