"""Which timeouts there may be, and that sync code has none."""

import operator
from datetime import timedelta
from typing import Annotated, TypedDict

from langgraph.errors import NodeError, NodeTimeoutError
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send, TimeoutPolicy, default_retry_on

SAVERS = ("memory",)
DEVIATIONS = {
    "a send to a sync node": "a Send with a timeout to a sync node is refused, as the node's own timeout is: nothing can stop it",
    "default beside a sync handler": "the default timeout is not for error handlers, so a sync one is no reason to refuse",
}


class State(TypedDict):
    log: Annotated[list, operator.add]


async def run(make_saver, record):
    async def quick(state):
        return {"log": ["quick"]}

    def sync(state):
        return {"log": ["sync"]}

    def graph(node, **options):
        return StateGraph(State).add_node("n", node, **options).add_edge(START, "n")

    new = {"log": []}
    for value in (0, -1, timedelta(0), "x", timedelta(seconds=3), 2):
        record.raises(f"coerce {value!r}", TimeoutPolicy.coerce, value)
        record.raises(f"policy {value!r}", TimeoutPolicy, idle_timeout=value)
        policy = TimeoutPolicy(idle_timeout=value)
        record.raises(f"coerce a policy {value!r}", TimeoutPolicy.coerce, policy)
    record.raises("refresh_on", TimeoutPolicy.coerce, TimeoutPolicy(refresh_on="x"))
    record("coerce None", TimeoutPolicy.coerce(None))
    record.raises("node", graph, quick, timeout=0)
    record.raises("defaults", StateGraph(State).set_node_defaults, timeout=-1)
    record.raises("send", Send, "n", 1, timeout=0)
    record.raises("task", task, timeout=0)
    record.raises("entrypoint", entrypoint, timeout=0)
    record(
        "send with one", [repr(Send("n", 1, timeout=2)), Send("n", 1, timeout=2) == Send("n", 1)]
    )

    record.raises("sync node", graph(sync, timeout=1).compile)
    defaults = StateGraph(State).set_node_defaults(timeout=1).add_node("n", sync)
    record.raises("sync node by default", defaults.add_edge(START, "n").compile)
    record.raises("sync task", task(timeout=1), sync)
    record.raises("sync entrypoint", entrypoint(timeout=1), sync)
    record.raises("async node called synchronously", graph(quick, timeout=1).compile().invoke, new)
    record("without limits", await graph(quick, timeout=TimeoutPolicy()).compile().ainvoke(new))
    nested = graph(graph(sync).compile(), timeout=5).compile()
    record("a nested graph", await nested.ainvoke(new))
    record.raises("a nested graph called synchronously", nested.invoke, new)

    def sends(to):
        builder = StateGraph(State).add_node("d", to)
        builder.add_node("src", lambda s: Command(goto=Send("d", new, timeout=5)))
        return builder.add_edge(START, "src").compile()

    await record.raises_async("a send to an async node", sends(quick).ainvoke(new))
    await record.raises_async("a send to a sync node", sends(sync).ainvoke(new))
    record.raises("a send in a sync run", sends(sync).invoke, new)

    def handle(state, error: NodeError):
        return {"log": ["handled"]}

    builder = StateGraph(State).set_node_defaults(timeout=5, error_handler=handle)
    record.raises(
        "default beside a sync handler",
        lambda: list(builder.add_node("n", quick).add_edge(START, "n").compile().nodes),
    )
    for kind in ("run", "idle"):
        error = NodeTimeoutError("n", 1.5, kind=kind, run_timeout=1.0, idle_timeout=0.5)
        fields = [error.node, error.elapsed, error.kind, error.timeout]
        record(f"{kind}: error", [str(error), fields, error.run_timeout, error.idle_timeout])
        record(f"{kind}: retried", default_retry_on(error))
