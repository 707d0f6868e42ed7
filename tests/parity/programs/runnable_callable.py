"""A function in both forms as one node, as other packages make it."""

import operator
from typing import Annotated, TypedDict

from langgraph._internal._runnable import RunnableCallable
from langgraph.channels import EphemeralValue, LastValue
from langgraph.graph import START, StateGraph
from langgraph.pregel import NodeBuilder, Pregel
from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt


class State(TypedDict):
    log: Annotated[list, operator.add]


def run(make_saver, record, drive):
    def sync(state, runtime: Runtime, config):
        return {"log": ["sync", runtime.context["who"], config["metadata"]["m"]]}

    async def asynchronous(state, runtime: Runtime, config):
        return {"log": ["async", runtime.context["who"]]}

    def graph(node, **how):
        builder = StateGraph(State, context_schema=dict)
        builder.add_node("n", node)
        builder.add_edge(START, "n")
        return builder.compile(**how)

    def ran(node):
        how = {"context": {"who": "me"}}
        return drive.invoke(graph(node), {"log": []}, {"metadata": {"m": 1}}, **how)

    record("both", ran(RunnableCallable(sync, asynchronous)))
    record("sync only", ran(RunnableCallable(sync)))
    record.raises("async only", ran, RunnableCallable(None, asynchronous))
    record("untraced", ran(RunnableCallable(sync, asynchronous, trace=False, name="mine")))
    record("names", [RunnableCallable(sync).name, RunnableCallable(sync, name="mine").name])
    record.raises("nothing", lambda: RunnableCallable(None))
    given = RunnableCallable(lambda state, more: {"log": [more]}, more="given")
    record("with arguments", ran(given))
    inner = graph(lambda state: {"log": ["inner"]})
    record("goes on", ran(RunnableCallable(lambda state: inner)))
    stays = RunnableCallable(lambda state: {"log": [type(inner).__name__]}, recurse=False)
    record("does not go on", ran(stays))
    apart = RunnableCallable(lambda a, *, b: [a, b], explode_args=True)
    record("arguments apart", apart.invoke(((1,), {"b": 2})))
    record("by itself", RunnableCallable(lambda x: x + 1).invoke(1))

    asking = graph(
        RunnableCallable(lambda state: {"log": [interrupt("?")]}), checkpointer=make_saver()
    )
    cfg = {"configurable": {"thread_id": "1"}}
    record("asks", [i.value for i in drive.invoke(asking, {"log": []}, cfg)["__interrupt__"]])
    record("is answered", drive.invoke(asking, Command(resume="!"), cfg))

    mixed = NodeBuilder().subscribe_only("a").do(RunnableCallable(lambda x: x + "1"))
    mixed = mixed.do(drive.node(lambda x: x + "2")).do(lambda x: x + "3").write_to("b")
    program = Pregel(
        nodes={"n": mixed},
        channels={"a": EphemeralValue(str), "b": LastValue(str)},
        input_channels="a",
        output_channels="b",
    )
    record("in a row", drive.invoke(program, "x"))
