"""interrupt outside of a run, and with values that cannot be stored."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Interrupt, interrupt

DEVIATIONS = {
    "a value that cannot be stored": "the refusal names the value; the text differs",
}


class State(TypedDict):
    log: Annotated[list, operator.add]


class Odd:
    __slots__ = ()


def run(make_saver, record, drive):
    record.raises("outside", interrupt, "?")
    builder = (
        StateGraph(State)
        .add_node("ask", drive.node(lambda s: {"log": [interrupt(Odd())]}))
        .add_edge(START, "ask")
    )
    record("without a saver anything goes", drive.invoke(builder.compile(), {"log": []}))
    try:
        drive.invoke(
            builder.compile(checkpointer=make_saver()),
            {"log": []},
            {"configurable": {"thread_id": "1"}},
        )
    except TypeError as error:
        record("a value that cannot be stored", str(error))
    record(
        "made by hand",
        [
            Interrupt("v", "a" * 32),
            Interrupt("v") == Interrupt("v"),
            Interrupt(value=1, id="b" * 32).value,
        ],
    )
