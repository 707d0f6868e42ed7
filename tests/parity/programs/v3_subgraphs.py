"""Nested graphs of a v3 run: streams of their own, which say how they ended."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

SAVERS = ("memory",)


class State(TypedDict):
    log: Annotated[list, operator.add]


def chain(**nodes):
    builder, previous = StateGraph(State), START
    for name, node in nodes.items():
        builder.add_node(name, node).add_edge(previous, name)
        previous = name
    return builder


def add(name):
    return lambda state: {"log": [name]}


def boom(state):
    raise ValueError("boom")


def outcome(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return error


def run(make_saver, record):
    def start(graph):
        return graph.stream_events({"log": []}, {"configurable": {"thread_id": "1"}}, version="v3")

    leaf = chain(l=add("l"), ask=lambda s: {"log": [interrupt("?")]}).compile()
    child = chain(c=add("c"), deep=leaf).compile(name="kid")
    graph = chain(a=add("a"), sub=child).compile(checkpointer=make_saver())
    run = start(graph)
    for sub in run.subgraphs:
        record("sub", [sub.path, sub.graph_name, sub.trigger_call_id, sub.status, sub.error])
        record("projections", sorted(sub.extensions))
        for deep in sub.subgraphs:
            record("deep", [deep.path, deep.status, list(deep.values)])
            record("deep ended", [deep.output, deep.interrupted, deep.interrupts, deep.status])
        record("sub ended", [sub.output, sub.interrupted, sub.interrupts, sub.status, sub.error])
    record("run ended", [run.output, run.interrupted, run.interrupts])

    again = chain(a=add("a"), sub=child).compile(checkpointer=make_saver())
    (late,) = list(start(again).subgraphs)
    record(
        "read too late", [late.status, late.interrupted, list(late.values), late.output, list(late)]
    )
    again = chain(a=add("a"), sub=child).compile(checkpointer=make_saver())
    for sub in start(again).subgraphs:
        record("events", [(e["method"], e["params"]["namespace"], e.get("seq")) for e in sub])

    bad = chain(a=add("a"), sub=chain(c=add("c"), x=boom).compile()).compile()
    run, seen = start(bad), []
    record.raises("failing: the loop", lambda: seen.extend(run.subgraphs) or 1)
    run, subs = start(bad), []
    try:
        for sub in run.subgraphs:
            subs.append([outcome(list, sub.values), sub.status, sub.error])
            subs.append(outcome(getattr, sub, "output"))
    except ValueError as error:
        subs.append(error)
    record("failing: the nested graph", subs)

    fine = chain(c=add("c")).compile()

    def caught(state):
        try:
            bad.invoke({"log": []})
        except ValueError:
            return {"log": ["caught"]}

    def twice(state):
        fine.invoke({"log": ["1"]})
        return fine.invoke({"log": ["2"]})

    for name, node in (("caught", caught), ("called twice", twice)):
        outer = chain(n=node).compile()
        record(name, [(e["method"], e["params"]["data"]) for e in start(outer)])
        record(
            f"{name}: subgraphs",
            [(s.graph_name, s.output, s.status) for s in start(outer).subgraphs],
        )
    run = start(graph := chain(sub=chain(c=add("c"), d=add("d")).compile()).compile())
    sub = next(iter(run.subgraphs))
    run.abort()
    record("aborted", [sub.status, sub.output, list(sub.values), run.output])
    run = start(graph)
    record(
        "interleaved",
        [
            (name, item.graph_name if name == "subgraphs" else item)
            for name, item in run.interleave("subgraphs", "values", "lifecycle")
        ],
    )
    named = chain(c=add("c")).compile().with_config({"metadata": {"lc_agent_name": "scout"}})
    outer = chain(call=lambda state: named.invoke({"log": []})).compile()
    record("named by metadata", list(start(outer).lifecycle))
