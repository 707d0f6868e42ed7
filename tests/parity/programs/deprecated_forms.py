"""Old names and arguments still work, and say what to write instead."""

import importlib
import operator
import sys
import warnings
from typing import Annotated, TypedDict

from langgraph.channels import EphemeralValue, LastValue
from langgraph.errors import NodeInterrupt
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.graph.message import MessageGraph
from langgraph.pregel import NodeBuilder, Pregel
from langgraph.types import GraphOutput, Interrupt, RetryPolicy

SAVERS = ("memory",)


class State(TypedDict):
    a: Annotated[list, operator.add]


class Narrow(TypedDict):
    a: Annotated[list, operator.add]


def run(make_saver, record):
    def warned(name, function, keep=lambda result: None):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                outcome = keep(function())
            except Exception as error:
                outcome = error
        texts = sorted({(w.category.__name__, str(w.message)) for w in caught})
        record(name, [outcome, texts])

    def graph(builder):
        return builder.add_node("n", lambda s: {"a": ["n"]}).add_edge(START, "n").compile()

    def result(builder):
        return graph(builder).invoke({"a": ["i"]})

    warned("config_schema", lambda: StateGraph(State, config_schema=Narrow), result)
    warned("input", lambda: StateGraph(State, input=Narrow), result)
    warned("output", lambda: StateGraph(State, output=Narrow), result)
    node = {"a": lambda s: {"a": ["x"]}}["a"]
    warned("node retry", lambda: StateGraph(State).add_node("x", node, retry=RetryPolicy()), result)
    warned("node input", lambda: StateGraph(State).add_node("x", node, input=Narrow), result)
    warned("task retry", lambda: task(retry=RetryPolicy())(lambda x: x))
    warned(
        "entrypoint retry",
        lambda: entrypoint(retry=RetryPolicy())(lambda x: x + 1),
        lambda e: e.invoke(1),
    )
    warned("entrypoint config_schema", lambda: entrypoint(config_schema=State)(lambda x: x))
    hand = {"n": NodeBuilder().subscribe_only("a").do(len).write_to("b")}
    parts = {"a": EphemeralValue(str), "b": LastValue(int)}
    warned(
        "config_type",
        lambda: Pregel(
            nodes=hand, channels=parts, input_channels="a", output_channels="b", config_type=State
        ),
        lambda p: [p.invoke("abc"), p.context_schema.__name__],
    )
    compiled = graph(StateGraph(State))
    warned("during", lambda: compiled.invoke({"a": []}, checkpoint_during=False))
    warned("during, streamed", lambda: list(compiled.stream({"a": []}, checkpoint_during=False)))
    warned(
        "during and durability",
        lambda: compiled.invoke({"a": []}, checkpoint_during=False, durability="sync"),
    )
    warned("interrupt_id", lambda: Interrupt(1, "x").interrupt_id, lambda id: id)
    warned(
        "interrupt with a namespace",
        lambda: Interrupt(1, ns=["a"], resumable=True, when="during").value,
    )
    warned("NodeInterrupt", lambda: NodeInterrupt("x").args[0][0].value, lambda value: value)
    warned("output by key", lambda: GraphOutput({"a": 1})["a"], lambda value: value)
    warned("key in output", lambda: "a" in GraphOutput({"a": 1}), lambda value: value)
    constants = importlib.import_module("langgraph.constants")
    warned("Send", lambda: constants.Send.__name__, lambda name: name)
    warned("Interrupt", lambda: constants.Interrupt.__name__, lambda name: name)

    def old_types():
        sys.modules.pop("langgraph.pregel.types", None)
        for name in [n for n in sys.modules if n.endswith(".pregel.types")]:
            del sys.modules[name]
        return importlib.import_module("langgraph.pregel.types")

    warned("pregel.types", old_types, lambda module: module.StateSnapshot.__name__)
    warned("config schema", compiled.config_schema, lambda model: model.__name__)
    warned("config JSON", compiled.get_config_jsonschema, lambda schema: schema)

    def conversation():
        builder = MessageGraph()
        builder.add_node("n", lambda messages: ("ai", f"{len(messages)}"))
        builder.set_entry_point("n")
        builder.set_finish_point("n")
        return builder.compile()

    def talked(app):
        kinds = [(m.type, m.content) for m in app.invoke([("user", "hello"), "there"])]
        return [kinds, app.output_channels, list(app.stream("x", stream_mode="updates"))]

    warned("MessageGraph", conversation, talked)
