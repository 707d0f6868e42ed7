"""Programs that cannot be built, and what they are told."""

import operator
from typing import Annotated, Literal, TypedDict

from langgraph.channels import Topic
from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    log: Annotated[list, operator.add]


class Other(TypedDict):
    log: Annotated[list, Topic(str)]


def x(state):
    return {"log": ["x"]}


def route(state) -> Literal["nowhere"]:
    return "nowhere"


def fresh(*edges):
    builder = StateGraph(State).add_node("x", x)
    for start, end in edges:
        builder.add_edge(start, end)
    return builder


def run(make_saver, record):
    check = record.raises
    check("no entry", fresh().compile)
    check("no entry but an edge", fresh(("x", END)).compile)
    check("same name", fresh().add_node, "x", x)
    check("start as a name", fresh().add_node, START, x)
    check("end as a name", fresh().add_node, END, x)
    check("a bar", fresh().add_node, "a|b", x)
    check("a colon", fresh().add_node, "a:b", x)
    try:
        fresh().add_node("lonely")
    except Exception as error:
        record("no action", type(error).__name__)
    check("a number as action", fresh().add_node, "n", 3)
    check("from the end", fresh().add_edge, END, "x")
    check("to the start", fresh().add_edge, "x", START)
    check("list edge from nowhere", fresh().add_edge, ["x", "q"], "x")
    check("list edge from the end", fresh().add_edge, [END, "x"], "x")
    check("list edge to nowhere", fresh().add_edge, ["x"], "q")
    check("edge to nowhere", fresh((START, "x"), ("x", "nope")).compile)
    check("edge from nowhere", fresh((START, "x"), ("nope", "x")).compile)
    check("entry nowhere", fresh((START, "nope")).compile)
    check(
        "branch to nowhere",
        fresh((START, "x")).add_conditional_edges("x", lambda s: "z", {"z": "z"}).compile,
    )
    check("literal to nowhere", fresh((START, "x")).add_conditional_edges("x", route).compile)
    check(
        "branch from nowhere", fresh((START, "x")).add_conditional_edges("zz", route, ["x"]).compile
    )
    check("breakpoint nowhere", lambda: fresh((START, "x")).compile(interrupt_before=["Z"]))
    check("empty sequence", fresh().add_sequence, [])
    check("sequence with a twin", fresh().add_sequence, [x, x])
    try:
        fresh((START, "x")).compile(checkpointer="saver")
    except TypeError as error:
        record("bad saver", str(error).partition("Received str.")[0])
    check(
        "saver True at the root",
        fresh((START, "x")).compile(checkpointer=True).invoke,
        {"log": []},
        {"configurable": {"thread_id": "1"}},
    )
    check("two kinds of channel", StateGraph, State, input_schema=Other)
    finish = StateGraph(State).add_node("x", x).set_entry_point("x").set_finish_point("x")
    record("entry and finish", [sorted(finish.edges), finish.compile().invoke({"log": []})])
