"""What an error handler is given, where its writes stand, and which failures it gets."""

import operator
from typing import Annotated, TypedDict

from langgraph.errors import NodeError
from langgraph.graph import START, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt

SAVERS = ("memory",)
DEVIATIONS = {
    "a path that fails": "nothing that a failed task wrote is kept or shown",
    "a handler that goes to the outer graph": "a handler's Command reaches the enclosing graph; in LangGraph it escapes to the caller",
}


class State(TypedDict):
    log: Annotated[list, operator.add]


class Narrow(TypedDict):
    log: list


def boom(state):
    raise ValueError("boom")


def told(state, error: NodeError):
    return {"log": [f"{error.node}:{error.error!r}:{state!r}"]}


def run(make_saver, record, drive):
    def graph(**nodes):
        builder = StateGraph(State)
        for name, (node, handler) in nodes.items():
            handler = None if handler is None else drive.node(handler)
            builder.add_node(name, drive.node(node), error_handler=handler)
        return builder

    def says(text):
        return lambda state: {"log": [text]}

    def start(builder, *names):
        for name in names:
            builder.add_edge(START, name)
        return builder.compile()

    new = {"log": []}
    five = graph(
        zzz=(boom, told),
        aaa=(boom, told),
        bbb=(says("bbb"), None),
        _1=(says("_1"), None),
        zzzz=(says("zzzz"), None),
    )
    record("order", drive.invoke(start(five, "zzz", "aaa", "bbb", "_1", "zzzz"), new))
    sends = graph(w=(boom, told), pull=(boom, told), k=(lambda arg: {"log": [arg]}, None))
    sends.add_node(
        "src",
        drive.node(lambda s: Command(goto=[Send("w", 1), Send("k", 2), Send("w", 3), "pull"])),
    )
    record("sends", drive.invoke(start(sends, "src"), new))

    def one(handler, node=boom):
        return start(graph(a=(node, handler)), "a")

    def surroundings(state, config, error: NodeError):
        shown = config["metadata"]
        return {
            "log": [shown["langgraph_node"], shown["langgraph_triggers"], shown["langgraph_path"]]
        }

    def without_annotation(state, error):
        return {"log": [repr(error)]}

    def other_annotation(state, error: Exception):
        return {"log": [repr(error)]}

    def error_first(error: NodeError):
        return {"log": [repr(error)]}

    def narrow(state: Narrow):
        raise ValueError("narrow")

    record("surroundings", drive.invoke(one(surroundings), new))
    record("takes no error", drive.invoke(one(says("plain")), new))
    for handler in (without_annotation, other_annotation, error_first):
        record.raises(handler.__name__, drive.invoke, one(handler), new)
    record("input of the node", drive.invoke(one(told, narrow), new))
    record.raises("no function", StateGraph(State).add_node, "a", boom, error_handler=3)
    record.raises(
        "handler's name is taken",
        lambda: graph(__error_handler__a=(boom, None), a=(boom, told)),
    )
    record.raises(
        "node's name is taken", lambda: graph(a=(boom, told), __error_handler__a=(boom, None))
    )
    record("nodes", list(one(told).nodes))

    builder = graph(a=(boom, told), c=(says("c"), None)).add_edge("__error_handler__a", "c")
    record("an edge from the handler", drive.invoke(start(builder, "a"), new))
    failing_path = graph(a=(says("lost"), told)).add_conditional_edges("a", boom)
    record("a path that fails", drive.invoke(start(failing_path, "a"), new))
    record("a wrong return value", drive.invoke(one(says("handled"), lambda s: 5), new))
    join = graph(a=(boom, told), b=(says("b"), None), c=(says("c"), None)).add_edge(["a", "b"], "c")
    record("a join waits for the node", drive.invoke(start(join, "a", "b"), new))

    tries = []

    def flaky(state):
        tries.append(1)
        raise ConnectionError(len(tries))

    fast = RetryPolicy(initial_interval=0.001, jitter=False)
    builder = StateGraph(State)
    builder.add_node("a", drive.node(flaky), retry_policy=fast, error_handler=drive.node(told))
    record("after the last attempt", drive.invoke(start(builder, "a"), new))
    record("attempts", len(tries))

    up = StateGraph(State).add_node(
        "i", drive.node(lambda s: Command(graph=Command.PARENT, update={"log": ["up"]}, goto="b"))
    )
    outer = StateGraph(State)
    outer.add_node("sub", start(up, "i"), error_handler=drive.node(told))
    outer.add_node("b", drive.node(says("b")))
    record("a Command for the outer graph is no failure", drive.invoke(start(outer, "sub"), new))
    outer = StateGraph(State)
    outer.add_node("sub", one(None), error_handler=drive.node(told))
    record("a nested graph that fails", drive.invoke(start(outer, "sub"), new))

    def goes_up(state, error: NodeError):
        return Command(graph=Command.PARENT, update={"log": ["handled"]}, goto="b")

    outer = StateGraph(State).add_node("sub", one(goes_up)).add_node("b", drive.node(says("b")))
    record.raises("a handler that goes to the outer graph", drive.invoke, start(outer, "sub"), new)

    asking = graph(a=(lambda s: {"log": [interrupt("?")]}, told)).add_edge(START, "a")
    record("a pause is no failure", drive.invoke(asking.compile(), new))
